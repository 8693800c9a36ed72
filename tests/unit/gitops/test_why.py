"""One sentence per state of an application."""

from typing import Any

import pytest

from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj

RUN_MESSAGE = (
    "RolloutAborted: Rollout aborted update to revision 3: Background analysis phase error/failed: "
    'Metric "error-rate" assessed Failed due to failed (1) > failureLimit (0)'
)


def app(sync: str = "Synced", health: str = "Healthy", operation: Any = None, **status: Any) -> Obj:
    found: Obj = {
        "metadata": {"name": "shop-web"},
        "status": {"sync": {"status": sync, "revision": "abc1234def"}, "health": {"status": health}, **status},
    }
    return found | ({"operation": operation} if operation else {})


def leaving(found: Obj) -> Obj:
    return {**found, "metadata": {**found["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def conditions(kind: str, message: str) -> list[Obj]:
    return [{"type": kind, "message": message}]


def row(kind: str, name: str, status: str = "Synced", health: str = "Healthy", message: str = "") -> Obj:
    return {"kind": kind, "name": name, "namespace": "shop", "status": status, "health": {"status": health, "message": message}}


def workload(kind: str, image: str, **more: Any) -> Obj:
    pod = {"spec": {"containers": [{"name": "main", "image": image}]}}
    meta = {"name": "web", "namespace": "shop", "uid": "u1", **more.pop("metadata", {})}
    return {"kind": kind, "metadata": meta, "spec": {"strategy": {"canary": {}}, "template": pod}, **more}


ROLLOUT = workload("Rollout", "builtin/echo:v3", status={"phase": "Degraded", "message": RUN_MESSAGE, "stableRS": "h2"})
STABLE = workload("ReplicaSet", "builtin/echo:v2", metadata={"labels": {"rollouts-pod-template-hash": "h2"}})
RUN: Obj = {
    "kind": "AnalysisRun",
    "metadata": {"name": "r", "namespace": "shop", "ownerReferences": [{"uid": "u1"}]},
    "spec": {"metrics": [{"name": "error-rate", "successCondition": "result[0] <= 0.05"}]},
    "status": {
        "metricResults": [
            {"name": "error-rate", "phase": "Failed", "measurements": [{"phase": "Failed", "value": "[0.3]"}]},
        ]
    },
}
REFUSED = row("Service", "web", "SyncFailed") | {"message": "spec.ports: Required value"}


def test_an_aborted_canary_names_both_versions_the_metric_and_what_to_do() -> None:
    assert why(app(health="Degraded"), [ROLLOUT, STABLE, RUN]) == (
        "shop-web is Degraded: Git wants v3 (commit abc1234), but the canary was aborted because metric error-rate failed "
        "(30 % > 5 %); all traffic is on v2. "
        "Fix the cause and push, or revert the commit."
    )


def test_it_says_less_where_less_is_known() -> None:
    assert why(app(health="Degraded"), [ROLLOUT]) == (
        "shop-web is Degraded: Git wants v3 (commit abc1234), but the canary was aborted because metric error-rate failed; "
        "all traffic is on the stable version. Fix the cause and push, or revert the commit."
    )


@pytest.mark.parametrize(
    ("condition", "value", "text"),
    [
        ("result[0] <= 0.05", "[0.291667]", "(29.2 % > 5 %)"),
        ("result >= 0.99", "0.9", "(90 % < 99 %)"),
        ("result < 300", "412.5", "(412.5 >= 300)"),
        ("len(result) > 0 && result[0] == 1", "[2]", "(measured [2] where len(result) > 0 && result[0] == 1 was required)"),
        ("", "7", "(measured 7)"),
    ],
)
def test_the_measurement_is_set_against_its_limit(condition: str, value: str, text: str) -> None:
    metric = {"name": "error-rate", **({"successCondition": condition} if condition else {})}
    result = {"name": "error-rate", "phase": "Failed", "measurements": [{"phase": "Failed", "value": value}]}
    run = {**RUN, "spec": {"metrics": [metric]}, "status": {"metricResults": [result]}}
    assert f"because metric error-rate failed {text}; all" in why(app(health="Degraded"), [ROLLOUT, STABLE, run])


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (app(), "shop-web is Synced to abc1234 and Healthy."),
        (
            app(conditions=conditions("OrphanedResourceWarning", "Application has 2 orphaned resources")),
            "shop-web is Synced to abc1234 and Healthy. Its namespace holds objects that belong to no Application: "
            "`shipway app orphans shop-web` lists them.",
        ),
        ({"metadata": {"name": "shop-web"}}, "shop-web has not been looked at yet: is `shipway run`"),
        (
            {"metadata": {"name": "shop-web", "labels": {"shipway.dev/reconcile": "false"}}},
            "shop-web has not been looked at yet. Nobody that is known reconciles it, and Shipway only looks, since its label",
        ),
        (
            leaving(app("Unknown", conditions=conditions("DeletionError", "the account may not delete it"))),
            "shop-web is being deleted and cannot go yet: the account may not delete it.",
        ),
        (leaving(app()), "shop-web is being deleted: what it tracks goes first"),
        (
            leaving(app(operationState={"phase": "Running", "syncResult": {"resources": [row("Job", "check")]}}))
            | {"operation": {"sync": {}}},
            "shop-web is being deleted once its operation has ended: `shipway app terminate shop-web` ends it.",
        ),
        (
            app("Unknown", conditions=conditions("ComparisonError", "web.yaml: line 7: bad indentation.")),
            "shop-web cannot be compared with Git: web.yaml: line 7: bad indentation. "
            "What runs stays as it is until that is mended.",
        ),
        (
            app("Unknown", conditions=conditions("HydrationError", "Failed to hydrate: GH006: Protected branch")),
            "shop-web is not rendered into its branch: Failed to hydrate: GH006: Protected branch. "
            "What runs stays as it is until that is mended.",
        ),
        (
            app("OutOfSync", conditions=conditions("ChangeRightsError", "commit abc1234 by eve@x changes a")),
            "shop-web is OutOfSync and not synced: commit abc1234 by eve@x changes a. What runs stays as it is.",
        ),
        (
            app("Unknown", conditions=conditions("InvalidSpecError", "spec.source: it is missing")),
            "shop-web cannot be synced: spec.source: it is missing. Nothing live is touched until that is mended.",
        ),
        (
            app(
                "OutOfSync",
                operation={"sync": {}},
                operationState={
                    "phase": "Running",
                    "message": "waiting for healthy state of apps/Deployment/web",
                    "syncResult": {"revision": "abc1234def"},
                },
            ),
            "shop-web is syncing to abc1234: waiting for healthy state of apps/Deployment/web.",
        ),
        (
            app(health="Degraded", resources=[row("Deployment", "web", health="Degraded", message="it exceeded its deadline")]),
            "shop-web is Degraded: Deployment shop/web: it exceeded its deadline.",
        ),
        (
            app("OutOfSync", resources=[row("Service", "web", "OutOfSync"), row("ConfigMap", "a", "OutOfSync")]),
            "shop-web is OutOfSync: Service shop/web and 1 more differ from commit abc1234. "
            "Sync it with `shipway app sync shop-web`.",
        ),
        (
            app(
                "OutOfSync",
                operationState={
                    "phase": "Failed",
                    "message": "one or more objects failed to apply",
                    "syncResult": {
                        "resources": [row("Service", "web", "SyncFailed") | {"message": "spec.ports: Required value"}]
                    },
                },
            ),
            "shop-web is OutOfSync because the last sync failed: Service shop/web: spec.ports: Required value. "
            "Mend it in Git and push.",
        ),
    ],
)
def test_the_first_thing_that_explains_the_state_is_said(found: Obj, sentence: str) -> None:
    assert why(found).startswith(sentence)
