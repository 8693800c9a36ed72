"""Who may change what: commits signed by the real gpg and ssh-keygen, pushed to `shipway run`."""

import asyncio
from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.e2e.places import Place, banner_says, config_map
from tests.e2e.running import app_is, application, synced_to
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


@pytest.mark.timeout(180)
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

            sign_with_ssh(place.copy, ssh)
            by_ssh = await place.push({"deploy/banner.yaml": config_map("by ssh")})
            await app_is(place.client, "shop", says("Found good signature made with ED25519 key SHA256:"))
            allowed = {"metadata": {"annotations": {"shipway.dev/allowed-signers": f"dev@example.com {public}"}}}
            await place.client.patch(APP_PROJECTS, "argocd", "team", allowed)
            seen = await app_is(place.client, "shop", synced_to(by_ssh))
            assert not dig(seen, "status", "conditions")
            await banner_says(place.client, "by ssh")
