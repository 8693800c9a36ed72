"""A world in a dictionary for tables and laws: the shell's loop over one Rollout, and somebody who plays the pods.

It carries out a decision exactly as the shell does (batches in order, conclude, one change guarded by its resourceVersion),
without waiting for anything, so that a whole canary takes milliseconds. The real shell and API server are used in
`test_on_api_server.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    HTTP_ROUTES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.objects.patches import json_patch, merge_patch
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, dig, labels_of, metadata, name_of, namespace_of, uid_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Action, Change, Create, Decision, Delete, Evict, Note, Outcome, Patch
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.rollout.watches import by_owner
from shipway.rollouts.settings import RolloutSettings

START = parse_rfc3339("2026-11-21T08:00:00Z")
NS = "shop"
KEY = ObjectKey(NS, "web")


class Crash(Exception):
    """The process died between two writes."""


class Sandbox:
    """Objects by kind, namespace and name; `events` in the order they were told; `writes` counts what changed something."""

    def __init__(self, *objs: tuple[Resource, Obj]) -> None:
        self.now = START
        self.objs: dict[tuple[str, str, str], Obj] = {}
        self.events: list[Note] = []
        self.writes = 0
        self.crash_after: int | None = None
        self.healthy: dict[str, bool] = {}
        self._version = 0
        self.controller = RolloutController(RolloutSettings())
        self.on_write: Callable[[Sandbox], None] = lambda _: None
        for resource, obj in objs:
            self.put(resource, obj)

    # --- World

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        return self.objs.get((resource.kind, namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        return [obj for (kind, ns, _), obj in self.objs.items() if kind == resource.kind and namespace in ("", ns)]

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        return [obj for obj in self.list(resource) if value in by_owner(obj)]

    def is_synced(self, resource: Resource) -> bool:
        return True

    def resource_for(self, group: str, kind: str) -> Resource | None:
        return HTTP_ROUTES if kind == "HTTPRoute" else None

    def served(self) -> tuple[Resource, ...]:
        return (HTTP_ROUTES,)

    def answer(self, ask: object) -> None:
        return None

    # --- the server

    def put(self, resource: Resource, obj: Obj) -> Obj:
        """Creates or replaces an object, filling in what a server would."""
        self._version += 1
        key = (resource.kind, namespace_of(obj), name_of(obj))
        before = self.objs.get(key)
        stored = copy_obj({"apiVersion": resource.api_version, "kind": resource.kind, **obj})
        meta = stored["metadata"]
        meta["resourceVersion"] = str(self._version)
        if before is None:
            meta.setdefault("uid", f"uid-{self._version}")
            meta.setdefault("creationTimestamp", rfc3339(self.now + self._version * 0.001))
            meta["generation"] = 1
        elif before.get("spec") != stored.get("spec"):
            meta["generation"] = metadata(before)["generation"] + 1
        self.objs[key] = stored
        return stored

    def perform(self, action: Action) -> Obj:
        if self.crash_after is not None:
            if self.crash_after <= 0:
                raise Crash
            self.crash_after -= 1
        result = self._perform(action)
        self.on_write(self)
        return result

    def _perform(self, action: Action) -> Obj:
        if isinstance(action, Create):
            there = self.get(action.resource, namespace_of(action.obj), name_of(action.obj))
            if there is not None:
                if tuple(by_owner(there)) != tuple(by_owner(action.obj)):
                    raise Conflict("the name is taken", reason="NameTaken")
                return there
            self.writes += 1
            return self.put(action.resource, action.obj)
        if isinstance(action, Evict):
            return self._remove("Pod", action.namespace, action.name)
        assert isinstance(action, Patch | Delete)
        here = self.get(action.resource, action.namespace, action.name)
        if here is None:
            if isinstance(action, Delete):
                return {}
            raise NotFound(f"{action.name} is not there")
        if isinstance(action, Delete):
            return self._remove(action.resource.kind, action.namespace, action.name)
        after = json_patch(here, action.body) if action.type == "json" else merge_patch(here, action.body)
        if metadata(after)["resourceVersion"] != metadata(here)["resourceVersion"]:
            raise Conflict("written meanwhile")
        if after == here:
            return here
        self.writes += 1
        return self.put(action.resource, after)

    def _remove(self, kind: str, namespace: str, name: str) -> Obj:
        self.writes += 1
        return self.objs.pop((kind, namespace, name), {})

    def write(self, change: Change) -> None:
        here = self.get(change.resource, change.namespace, change.name)
        if here is None or metadata(here)["resourceVersion"] != change.resource_version:
            raise Conflict("written meanwhile")
        if self.crash_after is not None:
            if self.crash_after <= 0:
                raise Crash
            self.crash_after -= 1
        after = merge_patch(here, change.root)
        if change.status is not None:
            after = merge_patch(after, {"status": change.status})
        if after != here:
            self.writes += 1
            self.put(change.resource, after)
            self.on_write(self)

    # --- the shell

    def reconcile(self, before_write: Callable[[], None] = lambda: None) -> Decision | None:
        """One pass. `before_write` runs between the actions and the change, as a client might."""
        seen = self.controller.observe(KEY, self)
        if seen is None:
            return None
        decision = self.controller.decide(seen, self.now)
        outcomes = self._execute(decision)
        before_write()
        for _ in range(3):
            fresh = self.controller.observe(KEY, self)
            if fresh is None:
                return decision
            conclusion = self.controller.conclude(fresh, decision, outcomes, self.now)
            assert conclusion is not None
            if conclusion.change is None:
                break
            try:
                self.write(conclusion.change)
                break
            except Conflict:
                continue
        self.events += conclusion.notes
        return decision

    def _execute(self, decision: Decision) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        stopped = False
        for batch in decision.batches:
            failed = False
            for action in batch.actions:
                if stopped:
                    outcomes.append(Outcome(action=action))
                    continue
                try:
                    outcomes.append(Outcome(action=action, result=self.perform(action)))
                except ShipwayError as error:
                    failed = True
                    outcomes.append(Outcome(action=action, error=error))
            stopped = stopped or (failed and batch.on_failure == "stop")
        return tuple(outcomes)

    def settle(self, passes: int = 60) -> int:
        """Passes until one writes nothing; their number. More than `passes` is a controller that never rests."""
        for number in range(passes):
            before = self.writes
            self.reconcile()
            self.play_pods()
            if self.writes == before:
                return number
        raise AssertionError(f"still writing after {passes} passes: {[note.message for note in self.events[-5:]]}")

    def wait(self, seconds: float) -> None:
        self.now = Instant(self.now + seconds)

    # --- pods

    def play_pods(self) -> None:
        """The ReplicaSet controller and its pods: what is asked for exists, and is available unless its hash is unhealthy."""
        for rs in tuple(self.list(REPLICA_SETS)):
            wanted = dig(rs, "spec", "replicas", default=1)
            available = wanted if self.healthy.get(labels_of(rs)[HASH_LABEL], True) else 0
            self.report(rs, wanted, available)

    def report(self, rs: Obj, current: int, available: int) -> None:
        counts = {"replicas": current, "readyReplicas": available, "availableReplicas": available}
        status = {key: value for key, value in counts.items() if value}
        status = {"replicas": current, **status, "observedGeneration": metadata(rs)["generation"]}
        if rs.get("status") != status:
            self.writes += 1
            self.put(REPLICA_SETS, {**rs, "status": status})

    def grow_pods(self) -> None:
        """Pod objects for every ReplicaSet, ready, as old as they are."""
        for rs in self.list(REPLICA_SETS):
            have = [pod for pod in self.list(PODS) if uid_of(rs) in by_owner(pod)]
            for number in range(dig(rs, "spec", "replicas", default=0) - len(have)):
                self._version += 1
                self.put(PODS, pod_of(rs, f"{name_of(rs)}-{self._version}-{number}", self.now))

    # --- looks

    @property
    def rollout(self) -> Obj:
        return self.objs[("Rollout", NS, "web")]

    @property
    def status(self) -> Obj:
        return self.rollout.get("status") or {}

    @property
    def reasons(self) -> list[str]:
        return [note.reason for note in self.events]

    def replica_sets(self) -> dict[str, int]:
        """Asked-for replicas by hash."""
        return {labels_of(rs)[HASH_LABEL]: dig(rs, "spec", "replicas", default=1) for rs in self.list(REPLICA_SETS)}

    def available(self, pod_hash: str) -> int:
        return sum(
            dig(rs, "status", "availableReplicas", default=0)
            for rs in self.list(REPLICA_SETS)
            if labels_of(rs)[HASH_LABEL] == pod_hash
        )

    def weights(self) -> tuple[int, int]:
        """(canary, stable) in the first rule of the route."""
        refs = dig(self.objs[("HTTPRoute", NS, "web")], "spec", "rules", 0, "backendRefs")
        by_name = {ref["name"]: ref.get("weight", 1) for ref in refs}
        return by_name["web-canary"], by_name["web-stable"]

    def points_at(self, service: str) -> str:
        return dig(self.objs[("Service", NS, service)], "spec", "selector", HASH_LABEL, default="")

    # --- people

    def edit(self, **spec: Any) -> None:
        self.put(ROLLOUTS, merge_patch(self.rollout, {"spec": spec}))

    def set_image(self, image: str) -> None:
        template = copy_obj(self.rollout["spec"]["template"])
        template["spec"]["containers"][0]["image"] = image
        self.put(ROLLOUTS, {**self.rollout, "spec": {**self.rollout["spec"], "template": template}})

    def patch_status(self, **status: Any) -> None:
        self.put(ROLLOUTS, merge_patch(self.rollout, {"status": status}))

    def finish_run(self, phase: str, message: str = "", *, kind: str = "") -> None:
        """Every unfinished run (of that kind) ends."""
        for run in tuple(self.list(ANALYSIS_RUNS)):
            if kind and labels_of(run).get("rollout-type") != kind:
                continue
            if dig(run, "status", "phase", default="") in ("", "Running", "Pending"):
                self.put(ANALYSIS_RUNS, {**run, "status": {"phase": phase, "message": message}})


def pod_of(rs: Obj, name: str, now: Instant) -> Obj:
    return {
        "metadata": {
            "name": name,
            "namespace": NS,
            "labels": labels_of(dig(rs, "spec", "template", default={})),
            "creationTimestamp": rfc3339(now),
            "ownerReferences": [{"kind": "ReplicaSet", "name": name_of(rs), "uid": uid_of(rs), "controller": True}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(now)}]},
    }


def rollout(*steps: Obj, replicas: int | None = 4, routed: bool = False, canary: Obj | None = None, **spec: Any) -> Obj:
    """A Rollout `web`; `routed` sends its traffic through the HTTPRoute `web`."""
    strategy: Obj = {"steps": list(steps)} if steps else {}
    if routed:
        strategy |= {"canaryService": "web-canary", "stableService": "web-stable"}
        strategy["trafficRouting"] = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}}}
    strategy = merge_patch(strategy, canary or {})
    return {
        "metadata": {"name": "web", "namespace": NS},
        "spec": {
            **({"replicas": replicas} if replicas is not None else {}),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "shop/web:v1"}]},
            },
            "strategy": {"canary": strategy},
            **spec,
        },
    }


def service(name: str) -> Obj:
    return {"metadata": {"name": name, "namespace": NS}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}


def route(*rules: Obj) -> Obj:
    split = {
        "backendRefs": [{"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]
    }
    return {"metadata": {"name": "web", "namespace": NS}, "spec": {"rules": list(rules) or [split]}}


def template(name: str, *metrics: str) -> Obj:
    return {
        "metadata": {"name": name, "namespace": NS},
        "spec": {"metrics": [{"name": metric, "provider": {"web": {"url": "http://x"}}} for metric in metrics or (name,)]},
    }


def plain(*steps: Obj, **more: Any) -> Sandbox:
    """A canary by pod counts."""
    return Sandbox((ANALYSIS_TEMPLATES, template("errors")), (ROLLOUTS, rollout(*steps, **more)))


def routed(*steps: Obj, **more: Any) -> Sandbox:
    """A canary behind an HTTPRoute, with its services and the template `errors`."""
    return Sandbox(
        (SERVICES, service("web-canary")),
        (SERVICES, service("web-stable")),
        (HTTP_ROUTES, route()),
        (ANALYSIS_TEMPLATES, template("errors")),
        (ROLLOUTS, rollout(*steps, routed=True, **more)),
    )


def deployed(sandbox: Sandbox) -> Sandbox:
    """The sandbox after its first deployment has come to rest; events forgotten."""
    sandbox.settle()
    sandbox.events.clear()
    return sandbox


def blue_green(replicas: int = 3, *, preview: bool = True, **strategy: Any) -> Sandbox:
    """A blue-green Rollout with its services and the template `errors`."""
    obj = rollout(replicas=replicas)
    settings = {"activeService": "web", **({"previewService": "web-preview"} if preview else {}), **strategy}
    obj["spec"]["strategy"] = {"blueGreen": settings}
    return Sandbox(
        (SERVICES, service("web")),
        (SERVICES, service("web-preview")),
        (ANALYSIS_TEMPLATES, template("errors")),
        (ROLLOUTS, obj),
    )
