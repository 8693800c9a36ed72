"""Ten kinds of bad sources at once, in one repository: each application says what is wrong and keeps what it has, nobody else
notices, and the commit that mends them is live.

All are live first; then one commit breaks all of them and changes the one that is well.
"""

import os
from collections.abc import Callable

import pytest
from msgspec import Struct

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.e2e.places import Place, config_map
from tests.e2e.running import app_is, application, synced_to, versions

Files = dict[str, str | bytes | None]


class Case(Struct, frozen=True):
    """What breaks a folder that holds one ConfigMap (a commit, or an edit of the source), and the condition that says so."""

    condition: str
    says: str
    bad: Files = {}
    bad_source: Obj = {}
    good: Files = {}


def chart(template: str) -> Files:
    return {"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "templates/x.yaml": template, "banner.yaml": None}


BOMB = 'x: {{ repeat 1000000000 "abcdefghijklmnop" | quote }}\n'
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
LAUGHTER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner}\n" + LAUGHS
CIRCLE: Files = {
    "kustomization.yaml": "resources: [banner.yaml, ../circle-base]\n",
    "../circle-base/kustomization.yaml": "resources: [../circle]\n",
}

CASES = {
    "glob": Case("ComparisonError", "is not a valid pattern", bad_source={"directory": {"include": "[a"}}),
    "laughs": Case("ComparisonError", "laughs/banner.yaml", {"banner.yaml": LAUGHTER}),
    "template": Case("ComparisonError", "memory", chart(BOMB)),
    "circle": Case("ComparisonError", "cycle", CIRCLE, good={"kustomization.yaml": "resources: [banner.yaml]\n"}),
    "empty": Case("SyncError", "auto-sync will wipe out all resources", {"banner.yaml": None, "README.md": "nothing\n"}),
    "plugin": Case("ComparisonError", 'find cmp-server plugin with name "cdk8s"', bad_source={"plugin": {"name": "cdk8s"}}),
    "jsonnet": Case("ComparisonError", "jsonnet", {"banner.yaml": None, "x.jsonnet": "{}"}),
    "nearly": Case("ComparisonError", "kind is missing", {"banner.yaml": config_map("two", "nearly") + "---\na: 1\n"}),
    "link": Case("ComparisonError", "leaves the repository"),
    "gone": Case("ComparisonError", "app path does not exist", {"banner.yaml": None}),
}


def at(name: str, files: Files) -> Files:
    return {os.path.normpath(f"{name}/{file}"): content for file, content in files.items()}


def says(case: Case) -> Callable[[Obj], bool]:
    def is_so(app: Obj) -> bool:
        conditions: list[Obj] = dig(app, "status", "conditions", default=[])
        return any(one["type"] == case.condition and case.says in one["message"] for one in conditions)

    return is_so


async def edit(place: Place, name: str, source: Obj) -> None:
    if source:
        await place.client.patch(APPLICATIONS, "argocd", name, {"spec": {"source": source}})


@pytest.mark.proves("gitops:bad-sources")
async def test_bad_sources_are_said_touch_nothing_and_disturb_nobody(place: Place) -> None:
    good: Files = {"calm/banner.yaml": config_map("one", "calm")}
    for name, case in CASES.items():
        good |= at(name, {"banner.yaml": config_map("one", name), **case.good})
    head = await place.push(good)
    async with place.run() as running:
        await running.ready()
        place.git.notify(f"{running.url}/api/webhook", "")
        for name in ("calm", *CASES):
            await place.client.create(APPLICATIONS, application(name, place.copy.url, name))
        for name in ("calm", *CASES):
            await app_is(place.client, name, synced_to(head))
        before = await live(place)

        bad: Files = {"calm/banner.yaml": config_map("two", "calm")}
        for name, case in CASES.items():
            bad |= at(name, case.bad)
            await edit(place, name, case.bad_source)
        link = place.copy.path / "link" / "passwd.yaml"
        link.symlink_to("/etc/passwd")
        head = await place.push(bad)
        for name, case in CASES.items():
            await app_is(place.client, name, says(case), seconds=60)
        await app_is(place.client, "calm", synced_to(head))
        after = await live(place)
        assert {name: after.get(name) for name in before if not name.endswith("/calm")} == {
            name: version for name, version in before.items() if not name.endswith("/calm")
        }

        link.unlink()
        mended: Files = {"calm/banner.yaml": config_map("three", "calm")}
        for name, case in CASES.items():
            mended |= {file: None for file, content in at(name, case.bad).items() if content is not None}
            mended |= at(name, {"banner.yaml": config_map("three", name), **case.good})
            await edit(place, name, dict.fromkeys(case.bad_source))
        head = await place.push(mended)
        for name in ("calm", *CASES):
            app = await app_is(place.client, name, synced_to(head), seconds=60)
            assert not dig(app, "status", "conditions"), name


async def live(place: Place) -> dict[str, str]:
    return {name: seen for name, seen in (await versions(place.client, CONFIG_MAPS)).items() if "/shop/" in name}
