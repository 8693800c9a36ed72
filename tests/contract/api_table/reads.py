"""Deletion and lists. One case per line, so lines are long."""
# ruff: noqa: E501

from tests.contract.api_table.steps import (
    CORE,
    DEPLOYMENTS,
    MAPS,
    METADATA,
    METADATA_LIST,
    PODS,
    Case,
    cm,
    delete,
    deployment,
    get,
    named,
    patch,
    pod,
    post,
)

DELETES = [
    Case("delete", [post(MAPS, cm()), delete(f"{MAPS}/a"), get(f"{MAPS}/a")]),
    Case("delete-deployment", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d")]),
    Case("delete-service", [post(f"{CORE}/services", named("s", spec={"clusterIP": "None", "selector": {"a": "b"}})), delete(f"{CORE}/services/s")]),
    Case("delete-finalizer", [
        post(MAPS, cm(finalizers=["example.com/hold"])), delete(f"{MAPS}/a"), delete(f"{MAPS}/a"),
        patch(f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}}),
        patch(f"{MAPS}/a", {"metadata": {"deletionTimestamp": None}}),
        patch(f"{MAPS}/a", {"metadata": {"finalizers": None}}), get(f"{MAPS}/a"),
    ]),
    Case("delete-foreground", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"propagationPolicy": "Foreground"})]),
    Case("delete-orphan", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"propagationPolicy": "Orphan"})]),
    Case("delete-orphan-dependents", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"orphanDependents": True})]),
    Case("delete-both-policies", [post(MAPS, cm()), delete(f"{MAPS}/a", {"propagationPolicy": "Orphan", "orphanDependents": True})]),
    Case("delete-bad-policy", [post(MAPS, cm()), delete(f"{MAPS}/a", {"propagationPolicy": "Sideways"})]),
    Case("delete-wrong-version", [post(MAPS, cm()), delete(f"{MAPS}/a", {"preconditions": {"resourceVersion": "1"}}, only=("code", "reason"))]),
    Case("delete-wrong-uid", [post(MAPS, cm()), delete(f"{MAPS}/a", {"preconditions": {"uid": "x"}}, only=("code", "reason"))]),
    Case("delete-dry-run", [post(MAPS, cm()), delete(f"{MAPS}/a", {"dryRun": ["All"]}), get(f"{MAPS}/a")]),
    Case("delete-dry-run-query", [post(MAPS, cm()), delete(f"{MAPS}/a?dryRun=All"), get(f"{MAPS}/a")]),
    Case("delete-pod-unscheduled", [post(PODS, pod()), delete(f"{PODS}/p"), get(f"{PODS}/p")]),
    Case("delete-pod-running", [post(PODS, pod(nodeName="n")), delete(f"{PODS}/p"), delete(f"{PODS}/p", {"gracePeriodSeconds": 60}),
                                delete(f"{PODS}/p", {"gracePeriodSeconds": 3}), delete(f"{PODS}/p", {"gracePeriodSeconds": 0})]),
    Case("delete-collection", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b")), delete(f"{MAPS}?labelSelector=x=1"), get(MAPS)]),
    Case("delete-default-namespace", [delete("/api/v1/namespaces/default")]),
]  # fmt: skip

LISTS = [
    Case("list-empty", [get(MAPS)]),
    Case("list", [post(MAPS, cm("a")), post(MAPS, cm("b")), get(MAPS)]),
    Case("list-metadata", [post(MAPS, cm()), get(MAPS, accept=METADATA_LIST), get(f"{MAPS}/a", accept=METADATA)]),
    Case("list-limit", [post(MAPS, cm("a")), post(MAPS, cm("b")), post(MAPS, cm("c")), get(f"{MAPS}?limit=2")]),
    Case("list-limit-selector", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b", labels={"x": "1"})),
                                 get(f"{MAPS}?limit=1&labelSelector=x=1")]),
    Case("selector-not", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b")), get(f"{MAPS}?labelSelector=x!=1")]),
    Case("selector-gt", [post(MAPS, cm("a", labels={"x": "3"})), post(MAPS, cm("b", labels={"x": "1"})), get(f"{MAPS}?labelSelector=x>2")]),
    Case("field-selector", [post(MAPS, cm("a")), post(MAPS, cm("b")), get(f"{MAPS}?fieldSelector=metadata.name!=a")]),
    Case("future-version", [get(f"{MAPS}?resourceVersion=999999999", only=("code", "reason"))]),
]  # fmt: skip
