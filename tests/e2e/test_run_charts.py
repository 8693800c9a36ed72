"""An application of two sources through the running program: a chart of a chart repository, its values in Git."""

import orjson
import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.contract.sources.chart_places import ChartHost, packed
from tests.e2e.places import Place, banner_says
from tests.e2e.running import app_is, application
from tests.git_hosts import basic

TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner}\ndata:\n"
TEMPLATE += "  text: {{ .Values.text | quote }}\n"
TEMPLATE += "  version: {{ .Capabilities.KubeVersion.Version | quote }}\n"
TEMPLATE += '  knows: {{ .Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Application" | quote }}\n'
TEMPLATE += "  chart: {{ .Values.chart | quote }}\n"
SECRET: Obj = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "charts", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "repository"}},
}
REVISION = {"name": "chart", "value": "$ARGOCD_APP_REVISION", "forceString": True}
GITHUB = {"X-GitHub-Event": "push"}


def synced_to(*revisions: str):
    def is_so(app: Obj) -> bool:
        sync = dig(app, "status", "sync", default={})
        return sync.get("status") == "Synced" and sync.get("revisions") == list(revisions) and "operation" not in app

    return is_so


@pytest.mark.compat("argocd:spec.source.chart")
async def test_a_chart_of_a_repository_takes_its_values_from_git(place: Place) -> None:
    host = ChartHost(basic("me", "s3cret"))
    host.charts["web", "1.2.0"] = packed("web", "1.2.0", {"templates/config.yaml": TEMPLATE})
    async with host.open():
        head = await place.push({"values/shop.yaml": "text: from git\n"})
        login = {"url": host.url, "type": "helm", "username": "me", "password": "s3cret"}
        await place.client.create(SECRETS, {**SECRET, "stringData": login})
        chart = {"repoURL": host.url, "chart": "web", "targetRevision": "1.x"}
        sources = [
            {**chart, "helm": {"valueFiles": ["$values/values/shop.yaml"], "parameters": [REVISION]}},
            {"repoURL": place.copy.url, "targetRevision": "main", "ref": "values"},
        ]
        app = application("shop", "", "", sources=sources)
        del app["spec"]["source"]
        await place.client.create(APPLICATIONS, app)
        async with place.run() as running:
            await running.ready()
            app = await app_is(place.client, "shop", synced_to("1.2.0", head))
            assert dig(app, "status", "sourceTypes") == ["Helm", ""]
            await banner_says(place.client, "from git")
            banner = await place.client.get(CONFIG_MAPS, "shop", "banner")
            version = orjson.loads((await place.client.raw("GET", "/version")).body)["gitVersion"]
            assert banner["data"] == {"text": "from git", "version": version, "knows": "true", "chart": "1.2.0"}
            downloads = host.downloads
            head = await place.push({"values/shop.yaml": "text: pushed\n"})
            pushed = b'{"ref": "refs/heads/main", "repository": {"url": "%s"}}' % place.copy.url.encode()
            await running.post("/api/webhook", pushed, GITHUB)
            await app_is(place.client, "shop", synced_to("1.2.0", head))
            await banner_says(place.client, "pushed")
            assert host.downloads == downloads == 1
            assert "s3cret" not in str(await place.client.get(APPLICATIONS, "argocd", "shop"))
