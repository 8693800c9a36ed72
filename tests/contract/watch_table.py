"""Watches that a real API server answered: what each watcher is told about the same changes.

A case prepares objects, starts a watch (`{rv}` is the version of the collection by then), makes changes, and reads `count`
events. They are recorded, masked, in `tests/golden/watch_oracle.json`. One case per line, so lines are long.
"""
# ruff: noqa: E501

from dataclasses import dataclass, field

from tests.contract.api_table.steps import (
    CORE,
    JSON_PATCH,
    MAPS,
    METADATA,
    PODS,
    STRATEGIC,
    TABLE,
    WIDGETS,
    Step,
    cm,
    delete,
    named,
    patch,
    pod,
    post,
    put,
    widget,
)

LIST_FIRST = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@dataclass(frozen=True)
class WatchCase:
    name: str
    query: str
    count: int
    collection: str = MAPS
    before: list[Step] = field(default_factory=list)
    during: list[Step] = field(default_factory=list)
    accept: str = "application/json"


LIFE = [
    post(MAPS, cm("b")),
    patch(f"{MAPS}/b", {"data": {"k": "w"}}),
    patch(f"{MAPS}/b", {"data": {"k": "w"}}),
    delete(f"{MAPS}/b"),
]
LABELS = [
    post(MAPS, cm("b", labels={"x": "1"})),
    patch(f"{MAPS}/b", {"metadata": {"labels": {"x": "2"}}}),
    patch(f"{MAPS}/b", {"data": {"k": "unseen"}}),
    patch(f"{MAPS}/b", {"metadata": {"labels": {"x": "1"}}}),
    patch(f"{MAPS}/b", {"data": {"k": "seen"}}),
    delete(f"{MAPS}/b"),
]
HELD = [
    post(MAPS, cm("b", finalizers=["a.b/c"])),
    delete(f"{MAPS}/b"),
    patch(f"{MAPS}/b", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH),
]
BIND = [
    post(f"{PODS}/p/binding", named("p", target={"kind": "Node", "name": "n"})),
    patch(f"{PODS}/p/status", {"status": {"phase": "Running"}}, STRATEGIC),
    delete(f"{PODS}/p", {"gracePeriodSeconds": 0}),
]

CASES = [
    WatchCase("life", "resourceVersion={rv}", 3, during=LIFE),
    WatchCase("life-with-bookmarks", "resourceVersion={rv}&allowWatchBookmarks=true", 3, during=LIFE),
    WatchCase("from-the-past", "resourceVersion={rv}", 3, before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("no-version", "", 4, before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("version-zero", "resourceVersion=0", 4, before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("list-first", LIST_FIRST, 5, before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("list-first-empty", LIST_FIRST, 4, during=LIFE),
    WatchCase("list-first-no-bookmarks", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 4, before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("no-initial-events", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={rv}", 3,
              before=[post(MAPS, cm("a"))], during=LIFE),
    WatchCase("labels", "resourceVersion={rv}&labelSelector=x=1", 5, during=LABELS),
    WatchCase("labels-metadata", "resourceVersion={rv}&labelSelector=x=1", 5, during=LABELS, accept=METADATA),
    WatchCase("labels-list-first", f"{LIST_FIRST}&labelSelector=x=1", 6, during=LABELS),
    WatchCase("finalizer", "resourceVersion={rv}", 3, during=HELD),
    WatchCase("one-name", "resourceVersion={rv}&fieldSelector=metadata.name=b", 3, during=[post(MAPS, cm("z")), *LIFE]),
    WatchCase("metadata", "resourceVersion={rv}", 3, during=LIFE, accept=METADATA),
    WatchCase("metadata-list-first", LIST_FIRST, 5, before=[post(MAPS, cm("a"))], during=LIFE, accept=METADATA),
    WatchCase("table", "resourceVersion={rv}", 3, during=LIFE, accept=TABLE),
    WatchCase("table-no-version", "", 4, before=[post(MAPS, cm("a"))], during=LIFE, accept=TABLE),
    WatchCase("pods-of-a-node", "resourceVersion={rv}&fieldSelector=spec.nodeName=n", 3, PODS, before=[post(PODS, pod())], during=BIND),
    WatchCase("unbound-pods", "resourceVersion={rv}&fieldSelector=spec.nodeName=", 1, PODS, before=[post(PODS, pod())], during=BIND),
    WatchCase("pod-not-bound", "resourceVersion={rv}", 3, PODS, during=[post(PODS, pod()), delete(f"{PODS}/p"), post(PODS, pod())]),
    WatchCase("pod-with-grace", "resourceVersion={rv}", 5, PODS, during=[post(PODS, pod(nodeName="n")), delete(f"{PODS}/p"), delete(f"{PODS}/p", {"gracePeriodSeconds": 0}), post(PODS, pod()), post(PODS, pod("q"))]),
    WatchCase("pod-done", "resourceVersion={rv}", 4, PODS, during=[post(PODS, pod(nodeName="n")), patch(f"{PODS}/p/status", {"status": {"phase": "Succeeded"}}), delete(f"{PODS}/p"), post(PODS, pod()), post(PODS, pod("q"))]),
    WatchCase("collection-deleted", "resourceVersion={rv}", 2, before=[post(MAPS, cm("a")), post(MAPS, cm("b"))], during=[delete(MAPS)]),
    WatchCase("put", "resourceVersion={rv}", 2, during=[post(MAPS, cm("b")), put(f"{MAPS}/b", cm("b")), put(f"{MAPS}/b", cm("b", data={"k": "x"}))]),
    WatchCase("custom", "resourceVersion={rv}", 3, WIDGETS,
              during=[post(WIDGETS, widget()), patch(f"{WIDGETS}/w", {"spec": {"color": "green"}}), delete(f"{WIDGETS}/w")]),
    WatchCase("custom-status", "resourceVersion={rv}", 3, WIDGETS,
              during=[post(WIDGETS, widget()), patch(f"{WIDGETS}/w/status", {"status": {"replicas": 1}}), delete(f"{WIDGETS}/w")]),
    WatchCase("custom-table", "resourceVersion={rv}", 2, WIDGETS, during=[post(WIDGETS, widget()), delete(f"{WIDGETS}/w")], accept=TABLE),
    WatchCase("services", "resourceVersion={rv}", 2, f"{CORE}/services",
              during=[post(f"{CORE}/services", named("s", spec={"clusterIP": "None", "selector": {"a": "b"}})), delete(f"{CORE}/services/s")]),
]  # fmt: skip
