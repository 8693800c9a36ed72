"""Actions: what a team's scripts offer and what becomes of what they return; and those that need no script."""

import json
from typing import Any

import pytest

from shipway.adapters.lua import sandbox
from shipway.base.clock import parse_rfc3339
from shipway.base.errors import InvalidInput
from shipway.gitops.actions import Action, Effect, Param, TeamActions, effect_of, offered, read_actions, restored
from shipway.gitops.builtin_actions import builtin_actions, run_builtin
from shipway.kube.objects.resource import Obj

NOW = parse_rfc3339("2026-11-21T10:00:00Z")
SUSPENDING = """\
discovery.lua: |
  actions = {}
  actions["suspend"] = {["disabled"] = true}
  actions["resume"] = {["disabled"] = true, ["displayName"] = "Go on"}
  local suspend = false
  if obj.spec.suspend ~= nil then
      suspend = obj.spec.suspend
  end
  if suspend then
      actions["resume"]["disabled"] = false
  else
      actions["suspend"]["disabled"] = false
  end
  return actions
definitions:
- name: suspend
  action.lua: |
    obj.spec.suspend = true
    return obj
- name: resume
  action.lua: |
    obj.spec.suspend = false
    return obj
"""
"""As the documentation of Argo CD has it."""


def cron_job(**spec: object) -> Obj:
    template = {
        "metadata": {"labels": {"app": "report"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x", "env": []}]}}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "report", "namespace": "shop", "uid": "u1"},
        "spec": {"schedule": "@daily", "jobTemplate": template, **spec},
    }


def lua(script: str, obj: Obj, **params: str) -> Any:
    return sandbox.run({"script": script, "obj": json.dumps(obj), "seconds": 5.0, "params": params})


@pytest.mark.parametrize(("suspended", "disabled"), [(False, "resume"), (True, "suspend")])
def test_a_discovery_script_as_users_write_it(suspended: bool, disabled: str) -> None:
    team = read_actions(SUSPENDING, "CronJob")
    actions = offered(lua(team.discovery, cron_job(suspend=suspended)), team)
    assert actions == (
        Action("resume", disabled == "resume", "Go on"),
        Action("suspend", disabled == "suspend"),
    )


def test_an_action_patches_what_the_script_changed_and_nothing_else() -> None:
    """The empty list of the container comes back from Lua as a map; it has not changed all the same."""
    team, obj = read_actions(SUSPENDING, "CronJob"), cron_job()
    assert effect_of(lua(team.script("suspend"), obj), obj) == Effect({"spec": {"suspend": True}})
    assert effect_of(lua("return obj", obj), obj).is_nothing


def test_status_goes_apart_and_removed_fields_are_removed() -> None:
    obj: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"paused": True},
        "status": {"abort": False},
    }
    returned = lua("obj.spec.paused = nil obj.status.abort = true return obj", obj)
    assert effect_of(returned, obj) == Effect({"spec": {"paused": None}}, {"abort": True})


CREATING = """
local os = require("os")
local job = {apiVersion = "batch/v1", kind = "Job", metadata = {name = obj.metadata.name .. "-now"}}
job.spec = obj.spec.jobTemplate.spec
obj.metadata.labels = {ran = actionParams["by"]}
return {{operation = "create", resource = job}, {operation = "patch", resource = obj}}
"""


def test_a_list_of_operations_creates_and_patches() -> None:
    obj = cron_job()
    effect = effect_of(lua(CREATING, obj, by="ann"), obj)
    assert effect.root == {"metadata": {"labels": {"ran": "ann"}}}
    (job,) = effect.creates
    assert (job["kind"], job["metadata"]) == ("Job", {"name": "report-now", "namespace": "shop"})


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("return nil", "has to return an object"),
        ("return {}", "has to return an object"),
        ("return {{operation = 'delete', resource = obj}}", "operation 1 of the action"),
        ("return {{operation = 'create', resource = {kind = 'Job'}}}", "needs apiVersion, kind and metadata.name"),
        ("obj.metadata.name = 'other' return obj", "only patch the object"),
        ("obj.kind = 'Secret' return {{operation = 'patch', resource = obj}}", "only patch the object"),
    ],
)
def test_what_is_no_answer_is_refused(script: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        effect_of(lua(script, cron_job()), cron_job())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("definitions:\n- {name: a, action.lua: return obj}\n", (Action("a"),)),
        ("discovery.lua: 'return {b = {}, a = {true}}'\n", (Action("a"), Action("b"))),
        (
            'discovery.lua: \'return {scale = {params = {{name = "replicas", default = "2"}}}}\'\n',
            (Action("scale", params=(Param("replicas", "2"),)),),
        ),
    ],
    ids=["no discovery", "odd discovery", "parameters"],
)
def test_what_is_offered(text: str, expected: tuple[Action, ...]) -> None:
    team = read_actions(text, "CronJob")
    assert offered(lua(team.discovery, cron_job()) if team.discovery else None, team) == expected


@pytest.mark.parametrize("text", ["- a list", "definitions: {a: b}", "definitions: [", "discovery.lua: 7"])
def test_settings_that_cannot_be_read_are_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="argocd-cm: the actions of CronJob: "):
        read_actions(text, "CronJob")


def test_a_discovery_script_that_returns_no_table_is_told() -> None:
    with pytest.raises(InvalidInput, match="table of actions"):
        offered("restart", TeamActions(discovery="return 'restart'"))


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ({}, [], []),
        ({}, None, {}),
        ({"a": {}}, {"a": [], "b": None}, {"a": [], "b": None}),
        ([{"env": {}}], [{"env": []}], [{"env": []}]),
        (9007199254740992, 9007199254740993, 9007199254740993),
        ({"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": True}, {"a": 1}, {"a": True}),
    ],
)
def test_what_lua_cannot_hold_is_taken_from_the_object(new: Any, old: Any, expected: Any) -> None:
    assert restored(new, old) == expected


# --- without any script -------------------------------------------------------------------------------------------------


def obj_of(api_version: str, kind: str, **fields: Any) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop", "uid": "u1"}, **fields}


STAMP = {"kubectl.kubernetes.io/restartedAt": "2026-11-21T10:00:00Z"}
RESTARTED = Effect({"spec": {"template": {"metadata": {"annotations": STAMP}}}})
FLUX = "By Shipway at: 2026-11-21T10:00:00Z"


@pytest.mark.parametrize(
    ("obj", "action", "params", "expected"),
    [
        (obj_of("apps/v1", "Deployment"), "restart", {}, RESTARTED),
        (obj_of("apps/v1", "StatefulSet"), "restart", {}, RESTARTED),
        (obj_of("apps/v1", "DaemonSet"), "restart", {}, RESTARTED),
        (obj_of("apps/v1", "Deployment"), "pause", {}, Effect({"spec": {"paused": True}})),
        (obj_of("apps/v1", "Deployment"), "resume", {}, Effect({"spec": {"paused": None}})),
        (obj_of("apps/v1", "Deployment"), "scale", {"replicas": "3"}, Effect({"spec": {"replicas": 3}})),
        (obj_of("apps/v1", "StatefulSet"), "scale", {"replicas": "0"}, Effect({"spec": {"replicas": 0}})),
        (cron_job(), "suspend", {}, Effect({"spec": {"suspend": True}})),
        (cron_job(), "resume", {}, Effect({"spec": {"suspend": False}})),
        (obj_of("batch/v1", "Job"), "suspend", {}, Effect({"spec": {"suspend": True}})),
        (obj_of("argoproj.io/v1alpha1", "AnalysisRun"), "terminate", {}, Effect({"spec": {"terminate": True}})),
        (
            obj_of("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), "reconcile", {},
            Effect({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": FLUX}}}),
        ),
        (
            obj_of("external-secrets.io/v1", "ExternalSecret"), "refresh", {},
            Effect({"metadata": {"annotations": {"force-sync": "2026-11-21T10:00:00Z"}}}),
        ),
        (obj_of("v1", "ConfigMap"), "restart", {}, None),
    ],
    ids=lambda value: f"{value['kind']}" if isinstance(value, dict) and "kind" in value else None,
)  # fmt: skip
def test_what_is_written(obj: Obj, action: str, params: dict[str, str], expected: Effect | None) -> None:
    assert run_builtin(obj, action, params, NOW) == expected


@pytest.mark.parametrize("replicas", ["", "-1", "many", "1.5"])
def test_a_wrong_number_of_replicas_is_refused(replicas: str) -> None:
    with pytest.raises(InvalidInput, match="--param replicas=3"):
        run_builtin(obj_of("apps/v1", "Deployment"), "scale", {"replicas": replicas}, NOW)


def test_a_job_of_a_cron_job_is_its_child_and_the_same_within_a_minute() -> None:
    effect = run_builtin(cron_job(), "create-job", {}, NOW)
    assert effect is not None
    (job,) = effect.creates
    assert job["metadata"] == {
        "labels": {"app": "report"},
        "name": "report-202611211000",
        "namespace": "shop",
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": "u1"}],
    }
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_terminating_a_job_says_so_in_its_status_and_keeps_what_is_there() -> None:
    started = {"type": "Suspended", "status": "False"}
    effect = run_builtin(obj_of("batch/v1", "Job", status={"conditions": [started]}), "terminate", {}, NOW)
    assert effect is not None
    assert [one["type"] for one in effect.status["conditions"]] == ["Suspended", "FailureTarget"]


OVER = {"conditions": [{"type": "Complete", "status": "True"}]}


@pytest.mark.parametrize(
    ("obj", "enabled"),
    [
        (obj_of("apps/v1", "Deployment", spec={"replicas": 2}), ["pause", "restart", "scale"]),
        (obj_of("apps/v1", "Deployment", spec={"paused": True}), ["restart", "resume", "scale"]),
        (cron_job(), ["create-job", "suspend"]),
        (cron_job(suspend=True), ["create-job", "resume"]),
        (obj_of("batch/v1", "Job", status={"active": 1}), ["suspend", "terminate"]),
        (obj_of("batch/v1", "Job", status=OVER), []),
        (obj_of("source.toolkit.fluxcd.io/v1", "GitRepository"), ["reconcile", "suspend"]),
        (obj_of("notification.toolkit.fluxcd.io/v1", "Alert", spec={"suspend": True}), ["resume"]),
        (obj_of("v1", "Secret"), []),
    ],
    ids=["deployment", "paused", "cron job", "suspended", "job", "over", "flux", "alert", "secret"],
)
def test_what_can_be_done_now(obj: Obj, enabled: list[str]) -> None:
    assert sorted(one.name for one in builtin_actions(obj) if not one.is_disabled) == enabled
