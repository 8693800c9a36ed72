"""An application's whole life by commands alone: whole processes, a real Git server, pods that are processes.

What each command says in detail is tested beside it (`tests/unit/cli`); here they work on what the engine really wrote.
"""

import json

import pytest

from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS, DEPLOYMENTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, uid_of
from tests.e2e.places import Place, Shell, config_map
from tests.e2e.running import app_is

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: echo
        image: "builtin/echo:v1"
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
"""
HOOK = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: before, annotations: {argocd.argoproj.io/hook: PreSync}}
"""
PAINT = """\
discovery.lua: |
  return {paint = {params = {{name = "colour"}}}}
definitions:
- name: paint
  action.lua: |
    obj.metadata.labels = obj.metadata.labels or {}
    obj.metadata.labels.colour = actionParams["colour"]
    return obj
"""


def columns(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.timeout(480)
async def test_an_application_from_its_creation_to_its_logs(place: Place) -> None:
    shipway = Shell(place)
    await place.push({"deploy/web.yaml": DEPLOYMENT, "deploy/before.yaml": HOOK})
    created = await shipway(
        *("app", "create", "shop", "--repo", place.copy.url, "--path", "deploy", "--revision", "main"),
        *("--dest-namespace", "shop", "--sync-option", "CreateNamespace=true", "-l", "team=shop"),
    )
    assert (created.code, created.out) == (0, "application.argoproj.io/shop created\n"), created.err

    planned = await shipway("app", "plan", "shop")
    assert planned.code == 1, planned.err
    assert [row[:4] for row in columns(planned.out)[1:]] == [
        ["PreSync", "0", "hook", "ConfigMap"], ["Sync", "0", "create", "ConfigMap"], ["Sync", "0", "create", "Deployment"],
    ]  # fmt: skip

    async with place.run() as running:
        await running.ready()
        synced = await shipway("app", "sync", "shop")
        assert synced.code == 0, synced
        await app_is(place.client, "shop", lambda app: dig(app, "status", "health", "status") == "Healthy")

        tree = json.loads((await shipway("app", "tree", "shop", "-o", "json")).out)
        kinds = [node["kind"] for node in tree["nodes"]]
        assert sorted(kinds) == ["ConfigMap", "ConfigMap", "Deployment", "Pod", "ReplicaSet"]
        assert {node["health"]["status"] for node in tree["nodes"] if "health" in node} == {"Healthy"}
        drawn = (await shipway("app", "tree", "shop")).out
        assert "\x1b[" not in drawn
        assert "  └─ReplicaSet/web-" in drawn or "│ └─ReplicaSet/web-" in drawn

        logs = await shipway("app", "logs", "shop", "--kind", "Deployment", "--tail", "5")
        assert (logs.code, "echo v1 serving on" in logs.out) == (0, True), logs

        calm = await shipway("app", "plan", "shop", "-o", "json")
        assert (calm.code, json.loads(calm.out)["hasChanges"]) == (0, False), calm.out
        await place.push({"deploy/banner.yaml": config_map("two")})
        changed = await shipway("app", "plan", "shop", "-o", "name")
        assert (changed.code, changed.out) == (1, "configmap/banner\n"), changed.err
        git = await shipway("app", "manifests", "shop", "--revision", await place.head(), "-o", "name")
        assert sorted(git.out.split()) == ["configmap/banner", "configmap/before", "deployment.apps/web"]


@pytest.mark.timeout(480)
@pytest.mark.proves("gitops:lua-actions")
async def test_actions_and_rules_on_a_running_engine(place: Place) -> None:
    """An action is no drift: the engine leaves alone what Git says nothing of. A closed window is told by the plan."""
    shipway = Shell(place)
    await place.push({"deploy/web.yaml": DEPLOYMENT})
    data = {"resource.customizations.actions.ConfigMap": PAINT}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data}
    await place.client.create(CONFIG_MAPS, settings)
    async with place.run() as running:
        await running.ready()
        await place.deliver_app()
        await app_is(place.client, "shop", lambda app: dig(app, "status", "health", "status") == "Healthy")
        painted = await shipway("app", "actions", "run", "shop", "paint", "--kind", "ConfigMap", "--param", "colour=red")
        assert (painted.code, painted.out) == (0, "configmap/banner\n"), painted.err
        restarted = await shipway("app", "actions", "run", "shop", "restart", "--kind", "Deployment")
        assert restarted.code == 0, restarted.err
        web = await place.client.get(DEPLOYMENTS, "shop", "web")
        assert dig(web, "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
        assert (await place.client.get(CONFIG_MAPS, "shop", "banner"))["metadata"]["labels"] == {"colour": "red"}
        assert (await shipway("app", "wait", "shop", "--timeout", "60s")).code == 0

        frozen = await shipway("proj", "windows", "add", "default", "-k", "deny", "--schedule", "* * * * *", "--duration", "1h",
                               "--applications", "*")  # fmt: skip
        assert (frozen.code, frozen.out) == (0, "appproject.argoproj.io/default configured\n"), frozen.err
        planned = await shipway("app", "plan", "shop")
        assert planned.code == 0
        assert "a sync by hand is blocked now: the deny window" in planned.err
        listed = await shipway("proj", "windows", "list", "default", "-o", "json")
        assert json.loads(listed.out)["items"][0]["status"] == "Active"
        refused = await shipway("proj", "delete", "default")
        assert (refused.code, refused.err.startswith("error: ")) == (2, True)


@pytest.mark.timeout(480)
@pytest.mark.proves("002-31")
async def test_an_orphan_is_told_of_and_adopted_by_one_command_and_a_commit(place: Place) -> None:
    shipway = Shell(place)
    left = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "left", "namespace": "shop"},
        "data": {"colour": "blue"},
    }
    async with place.run() as running:
        await running.ready()
        place.git.notify(f"{running.url}/api/webhook", "")
        await place.deliver_app()
        await app_is(place.client, "shop", lambda app: dig(app, "status", "health", "status") == "Healthy")
        before = await place.client.create(CONFIG_MAPS, left)
        await place.client.patch(APP_PROJECTS, "argocd", "default", {"spec": {"orphanedResources": {"warn": True}}})
        await app_is(place.client, "shop", lambda app: warning(app) == "Application has 1 orphaned resources")
        got = await shipway("app", "get", "shop")
        assert "OrphanedResourceWarning: Application has 1 orphaned resources" in got.out, got.err
        listed = await shipway("app", "orphans", "shop")
        assert [line[0] for line in columns(listed.out)] == ["NAME", "configmap/left"], listed.err

        adopted = await shipway("app", "orphans", "shop", "--adopt", "configmap/left")
        assert (adopted.code, "commit it to deploy of " in adopted.err) == (0, True), adopted.err
        await place.push({"deploy/left.yaml": adopted.out})
        await app_is(
            place.client, "shop", lambda app: not warning(app) and len(dig(app, "status", "resources", default=[])) == 2
        )
        now = await place.client.get(CONFIG_MAPS, "shop", "left")
        assert (uid_of(now), now["data"]) == (uid_of(before), before["data"])
        assert (await shipway("app", "orphans", "shop", "-o", "name")).out == ""


def warning(app: Obj) -> str:
    conditions = dig(app, "status", "conditions", default=[])
    return next((one["message"] for one in conditions if one["type"] == "OrphanedResourceWarning"), "")
