"""Who may change what: commits signed by the real gpg and ssh-keygen, or by owners, and artifacts, given to `shipway run`."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.contract.sources.chart_places import push as push_to
from tests.contract.sources.chart_places import registry, tar_gz
from tests.e2e.places import Place, banner_says, config_map
from tests.e2e.running import app_is, application, synced_to
from tests.repository import WorkingCopy
from tests.signing import gpg_keys, sign_with_ssh, ssh_key


def project(annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    allowed = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    meta = {"name": "team", "namespace": "argocd", "annotations": annotations or {}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}


def keys(**data: str) -> Obj:
    meta = {"name": "argocd-gpg-keys-cm", "namespace": "argocd"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def says(text: str, kind: str = "ComparisonError"):
    return lambda app: any(
        one["type"] == kind and text in one["message"] for one in dig(app, "status", "conditions", default=[])
    )


def failed_with(text: str):
    return lambda app: (
        dig(app, "status", "operationState", "phase") == "Error"
        and text in dig(app, "status", "operationState", "message", default="")
    )


def signed_anew(copy: WorkingCopy) -> str:
    """The newest commit by the key of now, with the content that it had."""
    copy.git("commit", "-q", "--amend", "--no-edit")
    copy.git("push", "-q", "--force", "origin", "HEAD:main")
    return copy.git("rev-parse", "HEAD")


@pytest.mark.compat("argocd:project.signatureKeys")
async def test_only_what_an_allowed_key_has_signed_is_synced(place: Place) -> None:
    with gpg_keys() as gpg:
        first, other = gpg.make("dev@example.com"), gpg.make("other@example.com")
        ssh, public = ssh_key(place.home.parent, "laptop")
        async with place.run() as running:
            await running.ready()
            place.git.notify(f"{running.url}/api/webhook", "")
            await place.client.create(APP_PROJECTS, project(signatureKeys=[{"keyID": first[-16:]}]))
            app = application("shop", place.copy.url, "deploy", project="team")
            await place.client.create(APPLICATIONS, app)
            told = "Target revision main in Git is not signed, but a signature is required"
            seen = await app_is(place.client, "shop", says(told))
            assert dig(seen, "status", "sync", "status") == "OutOfSync" and "operation" not in seen
            by_hand = {"operation": {"initiatedBy": {"username": "ann"}, "sync": {}}}
            await place.client.patch(APPLICATIONS, "argocd", "shop", by_hand)
            await app_is(place.client, "shop", failed_with(f"ComparisonError: {told}"))

            await asyncio.to_thread(gpg.sign_for, place.copy, first)
            signed = await place.push({"deploy/banner.yaml": config_map("signed")})
            await app_is(place.client, "shop", says("Could not verify commit signature on revision 'main': no public key is"))
            await place.client.create(CONFIG_MAPS, keys(**{first[-16:]: gpg.armored(first), other[-16:]: gpg.armored(other)}))
            await app_is(place.client, "shop", synced_to(signed))
            await banner_says(place.client, "signed")

            await asyncio.to_thread(gpg.sign_for, place.copy, other)
            await place.push({"deploy/banner.yaml": config_map("by another")})
            told = f"Found good signature made with EDDSA key {other[-16:]}, but this key is not allowed in AppProject"
            await app_is(place.client, "shop", says(told))
            await banner_says(place.client, "signed")

            await asyncio.to_thread(gpg.sign_for, place.copy, first)
            amended = await asyncio.to_thread(signed_anew, place.copy)
            await app_is(place.client, "shop", synced_to(amended))
            await banner_says(place.client, "by another")

            sign_with_ssh(place.copy, ssh)
            by_ssh = await place.push({"deploy/banner.yaml": config_map("by ssh")})
            await app_is(place.client, "shop", says("Found good signature made with ED25519 key SHA256:"))
            allowed = {"metadata": {"annotations": {"shipway.dev/allowed-signers": f"dev@example.com {public}"}}}
            await place.client.patch(APP_PROJECTS, "argocd", "team", allowed)
            seen = await app_is(place.client, "shop", synced_to(by_ssh))
            assert not dig(seen, "status", "conditions")
            await banner_says(place.client, "by ssh")


@pytest.mark.compat("argocd:project.sourceIntegrity")
async def test_where_a_project_is_strict_every_commit_counts_that_led_to_a_revision(place: Place) -> None:
    with gpg_keys() as gpg:
        dev = gpg.make("dev@example.com")
        policy = {"repos": ["*"], "gpg": {"mode": "strict", "keys": [dev[-16:]]}}
        async with place.run() as running:
            await running.ready()
            place.git.notify(f"{running.url}/api/webhook", "")
            await place.client.create(CONFIG_MAPS, keys(**{dev[-16:]: gpg.armored(dev)}))
            await place.client.create(APP_PROJECTS, project(sourceIntegrity={"git": {"policies": [policy]}}))
            unsigned = await place.head()
            await asyncio.to_thread(gpg.sign_for, place.copy, dev)
            await place.push({"deploy/banner.yaml": config_map("signed")})
            await place.client.create(APPLICATIONS, application("shop", place.copy.url, "deploy", project="team"))
            await app_is(place.client, "shop", says(f"Failed verifying revision {unsigned} by "))
            seal = ("commit", "-q", "--allow-empty", "-m", "Review\n\nArgocd-gpg-seal: all before was reviewed")
            await asyncio.to_thread(place.copy.git, *seal)
            sealed = await place.push({"deploy/banner.yaml": config_map("sealed")})
            await app_is(place.client, "shop", synced_to(sealed))
            await banner_says(place.client, "sealed")


def set_says(*, reason: str, text: str):
    return lambda appset: any(
        one["type"] == "ErrorOccurred" and one["reason"] == reason and text in one["message"]
        for one in dig(appset, "status", "conditions", default=[])
    )


@pytest.mark.compat("argocd:appset.git.signatureKeys")
async def test_a_set_takes_no_folder_from_a_commit_that_nobody_has_signed_and_loses_none_by_it(place: Place) -> None:
    with gpg_keys() as gpg:
        dev = gpg.make("dev@example.com")
        await place.push({"apps/web/banner.yaml": config_map("web", "web")})
        async with place.run() as running:
            await running.ready()
            place.git.notify(f"{running.url}/api/webhook", "")
            await place.client.create(CONFIG_MAPS, keys(**{dev[-16:]: gpg.armored(dev)}))
            await place.client.create(APP_PROJECTS, project(signatureKeys=[{"keyID": dev[-16:]}]))
            template = application("{{.path.basename}}", place.copy.url, "{{.path.path}}", project="team")
            spec = {
                "goTemplate": True,
                "generators": [{"git": {"repoURL": place.copy.url, "revision": "main", "directories": [{"path": "apps/*"}]}}],
                "template": {"metadata": {"name": "{{.path.basename}}"}, "spec": template["spec"]},
            }
            meta = {"name": "fleet", "namespace": "argocd"}
            fleet = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": spec}
            await place.client.create(APPLICATION_SETS, fleet)
            said = set_says(
                reason="ApplicationGenerationFromParamsError",
                text="Target revision main in Git is not signed, but a signature is",
            )
            one = One(APPLICATION_SETS, "argocd", "fleet")
            await wait_until(place.client, one, lambda found: found is not None and said(found), seconds=60)
            assert (await place.client.list(APPLICATIONS, "argocd")).items == []

            await asyncio.to_thread(gpg.sign_for, place.copy, dev)
            signed = await place.push({"apps/api/banner.yaml": config_map("api", "api")})
            await app_is(place.client, "api", synced_to(signed))
            await app_is(place.client, "web", lambda app: True)

            place.copy.git("config", "commit.gpgSign", "false")
            await place.push({"apps/evil/banner.yaml": config_map("evil", "evil"), "apps/web/banner.yaml": None})
            await wait_until(place.client, one, lambda found: found is not None and said(found), seconds=60)
            apps = (await place.client.list(APPLICATIONS, "argocd")).items
            assert sorted(name_of(app) for app in apps) == ["api", "web"]
            assert not any("shipway.dev/tombstone" in annotations_of(app) for app in apps)

            await asyncio.to_thread(place.copy.git, "commit", "-q", "--amend", "--no-edit", "-S")
            await asyncio.to_thread(place.copy.push)
            await app_is(place.client, "evil", synced_to(await place.head()))
            await app_is(place.client, "web", lambda app: "shipway.dev/tombstone" in annotations_of(app))


RIGHTS = """
teams: {"@platform": [pat@example.com]}
environments:
- {name: production, namespaces: [shop], owners: ["@platform", dev@example.com]}
"""


@pytest.mark.proves("002-11")
async def test_what_its_owners_did_not_change_or_approve_is_not_synced(place: Place) -> None:
    """From the first refusal to an approval that comes later; other paths go on, and nobody gives himself a right."""

    async def push(who: str, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        """A commit of somebody else, who does not pretend to be the developer."""
        place.copy.write(files)
        await asyncio.to_thread(place.copy.git, "add", "-A")
        alias = f"alias.as=!GIT_AUTHOR_EMAIL={who} GIT_COMMITTER_EMAIL={who} git"
        await asyncio.to_thread(place.copy.git, "-c", alias, "as", "commit", "-q", "--allow-empty", "-m", message)
        await asyncio.to_thread(place.copy.push)
        return await place.head()

    owned = config_map("one") + "---\n"
    await place.push({"CODEOWNERS": "/deploy/ @platform\n/CODEOWNERS @platform\n", "deploy/banner.yaml": owned})
    async with place.run() as running:
        await running.ready()
        place.git.notify(f"{running.url}/api/webhook", "")
        await place.client.create(APP_PROJECTS, project({"shipway.dev/change-rights": RIGHTS}))
        await place.client.create(APPLICATIONS, application("shop", place.copy.url, "deploy", project="team"))
        await app_is(place.client, "shop", synced_to(await place.head()))

        bad = await push("dev@example.com", {"deploy/banner.yaml": config_map("by dev")})
        told = (
            f"commit {bad[:7]} by dev@example.com changes deploy/banner.yaml, which belongs to @platform (CODEOWNERS line 1: "
        )
        seen = await app_is(place.client, "shop", says(told, "ChangeRightsError"))
        assert dig(seen, "status", "sync", "status") == "OutOfSync" and "operation" not in seen
        by_hand = {"operation": {"initiatedBy": {"username": "ann"}, "sync": {}}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", by_hand)
        await app_is(place.client, "shop", failed_with(f"ChangeRightsError: {told}"))
        worse = await push("dev@example.com", {"CODEOWNERS": ""})
        await app_is(place.client, "shop", says("changes deploy/banner.yaml, which belongs to @platform", "ChangeRightsError"))
        await banner_says(place.client, "one")

        approval = f"Put it back\n\nApproves: {bad}\nApproves: {worse}\n"
        await push("pat@example.com", {"CODEOWNERS": "/deploy/ @platform\n"}, approval)
        refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", refresh)
        await banner_says(place.client, "by dev")
        await app_is(place.client, "shop", synced_to(await place.head()))
        await app_is(place.client, "shop", lambda app: not dig(app, "status", "conditions"))

        trailer = "Change\n\nApproved-by: Pat <pat@example.com>"
        await push("eve@example.com", {"deploy/banner.yaml": config_map("approved")}, trailer)
        await banner_says(place.client, "approved")


@pytest.mark.compat("argocd:spec.source.repoURL", "argocd:project.signatureKeys")
async def test_an_artifact_of_a_registry_is_synced_but_never_where_git_has_to_be_signed(
    place: Place, program: Callable[[str], str]
) -> None:
    layer = "application/vnd.oci.image.layer.v1.tar+gzip"
    async with registry(program, place.home.parent) as address, place.run() as running:
        await running.ready()
        digest = await push_to(address, "team/shop", "v1", tar_gz({"deploy/banner.yaml": config_map("one")}), layer=layer)
        app = application("shop", f"oci://{address}/team/shop", "deploy", project="team")
        app["spec"]["source"]["targetRevision"] = "v1"
        await place.client.create(APP_PROJECTS, project())
        await place.client.create(APPLICATIONS, app)
        await app_is(place.client, "shop", synced_to(digest))
        await banner_says(place.client, "one")
        await place.client.patch(APP_PROJECTS, "argocd", "team", {"spec": {"signatureKeys": [{"keyID": "4AEE18F83AFDEB23"}]}})
        told = "Target revision v1 in Git is not signed, but a signature is required"
        await app_is(place.client, "shop", says(told))
