"""`shipway app orphans` against an embedded API server: what counts, who made it, and what one command does about it."""

import orjson
import pytest

from shipway.api.application import default_project
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, SECRETS, SERVICES
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.app_orphans import Fate, advice_on_adoption, orphans_command, show_orphans
from shipway.gitops.orphans import Orphan
from shipway.kube.objects.resource import Obj, ref_of
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application


def obj(kind: str, name: str, **meta: object) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop", **meta}}


def tracked(kind: str, name: str, app: str) -> Obj:
    return obj(kind, name, annotations={"argocd.argoproj.io/tracking-id": f"{app}:/{kind}:shop/{name}"})


@pytest.fixture
async def namespace(shop: Shop) -> Obj:
    """What is managed, what is owned, what every namespace has, and four that belong to nobody."""
    app = await shop.create(APPLICATIONS, application())
    project = default_project("argocd")
    project["spec"]["orphanedResources"] = {"ignore": [{"kind": "ConfigMap", "name": "known-*"}]}
    await shop.create(APP_PROJECTS, project)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "left", "uid": "u"}
    for one in (
        tracked("ConfigMap", "managed", "shop"),
        obj("ConfigMap", "owned", ownerReferences=[owner]),
        obj("ConfigMap", "kube-root-ca.crt"),
        obj("ConfigMap", "known-one"),
        obj("ConfigMap", "left") | {"data": {"colour": "blue"}},
        tracked("ConfigMap", "former", "gone"),
    ):
        await shop.create(CONFIG_MAPS, one)
    await shop.create(SECRETS, obj("Secret", "db", annotations={"meta.helm.sh/release-name": "database"}))
    named = obj("Service", "mesh", labels={"app.kubernetes.io/managed-by": "operator"})
    await shop.create(SERVICES, {**named, "spec": {"ports": [{"port": 80}]}})
    return app


@pytest.mark.usefixtures("namespace")
@pytest.mark.proves("002-31")
@pytest.mark.compat("argocd:project.orphanedResources")
async def test_what_belongs_to_nobody_is_listed_with_who_made_it(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_orphans(shop.session, "shop", "json") == 0
    items = orjson.loads(capsys.readouterr().out)["items"]
    assert [(item["kind"], item["name"], item["madeBy"]) for item in items] == [
        ("ConfigMap", "former", "Application gone, which is gone"),
        ("ConfigMap", "left", "test"),
        ("Secret", "db", "Helm release database"),
        ("Service", "mesh", "operator"),
    ]
    assert await show_orphans(shop.session, "shop") == 0
    assert "configmap/left" in capsys.readouterr().out


@pytest.mark.usefixtures("namespace")
@pytest.mark.proves("002-31")
async def test_one_is_ignored_and_one_deleted_and_nothing_else_can_be(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_orphans(shop.session, "shop", fate=Fate(ignore="secret/db")) == 0
    assert await show_orphans(shop.session, "shop", fate=Fate(delete="configmap/left")) == 0
    capsys.readouterr()
    assert await show_orphans(shop.session, "shop", "name") == 0
    assert capsys.readouterr().out.split() == ["configmap/former", "service/mesh"]
    project = await shop.client.get(APP_PROJECTS, "argocd", "default")
    assert project["spec"]["orphanedResources"]["ignore"] == [
        {"kind": "ConfigMap", "name": "known-*"},
        {"group": "", "kind": "Secret", "name": "db"},
    ]
    with pytest.raises(NotFound, match="configmap/managed is no orphan: `shipway app orphans shop` lists them"):
        await show_orphans(shop.session, "shop", fate=Fate(delete="configmap/managed"))
    assert await shop.client.get(CONFIG_MAPS, "shop", "managed")


@pytest.mark.usefixtures("namespace")
@pytest.mark.proves("002-31")
async def test_one_is_adopted_by_a_manifest_for_git(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_orphans(shop.session, "shop", fate=Fate(adopt="configmap/left")) == 0
    told = capsys.readouterr()
    assert told.out == "apiVersion: v1\ndata:\n  colour: blue\nkind: ConfigMap\nmetadata:\n  name: left\n"
    assert "configmap/left: commit it to " in told.err and "the next sync takes it over" in told.err
    assert await show_orphans(shop.session, "shop", "json", Fate(adopt="service/mesh")) == 0
    service = orjson.loads(capsys.readouterr().out)
    assert service["metadata"] == {"name": "mesh", "labels": {"app.kubernetes.io/managed-by": "operator"}}
    assert "clusterIP" not in service["spec"] and "status" not in service
    with pytest.raises(InvalidInput, match="secret/db holds values that do not belong in Git"):
        await show_orphans(shop.session, "shop", fate=Fate(adopt="secret/db"))
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "maker", "told"),
    [
        (
            {},
            {},
            "# configmap/left: commit it to deploy of https://git.test/shop.git at main; the next sync takes it over as it is",
        ),
        ({"sourceType": "Kustomize"}, {}, "`resources` of its kustomization.yaml"),
        ({"sourceTypes": ["Helm"]}, {}, "below templates/"),
        ({}, {"meta.helm.sh/release-name": "old"}, "`helm uninstall old` would delete it"),
    ],
)
def test_it_is_said_where_the_manifest_goes(status: Obj, maker: Obj, told: str) -> None:
    source = {"repoURL": "https://git.test/shop.git", "path": "deploy", "targetRevision": "main"}
    left = obj("ConfigMap", "left", annotations=maker)
    lines = advice_on_adoption({"spec": {"source": source}, "status": status}, Orphan(ref_of(left), left, ""))
    assert told in "\n".join(lines)


async def test_only_one_thing_can_become_of_it() -> None:
    with pytest.raises(InvalidInput, match="exclude each other"):
        await orphans_command("shop", adopt="configmap/a", delete="configmap/a")
