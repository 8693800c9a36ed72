"""The Rollout `web` in the cluster that rehearsals play in, for tables and laws: pods that come at once, people, crashes.

The real shell and API server are used in `tests/sim`.
"""

from __future__ import annotations

from collections.abc import Callable
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
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import copy_obj, dig, labels_of, name_of, uid_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Action, Change, Decision
from shipway.rehearsal.world import PlayedCluster
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.rollout.watches import by_owner
from shipway.rollouts.settings import RolloutSettings

START = parse_rfc3339("2026-11-21T08:00:00Z")
NS = "shop"
KEY = ObjectKey(NS, "web")


class Crash(Exception):
    """The process died between two writes."""


class Sandbox(PlayedCluster):
    """The Rollout `web` in a played cluster, with a process that may die before any write and somebody who watches each."""

    def __init__(self, *objs: tuple[Resource, Obj]) -> None:
        super().__init__(START)
        self.crash_after: int | None = None
        self.healthy: dict[str, bool] = {}
        self.controller = RolloutController(RolloutSettings())
        self.on_write: Callable[[Sandbox], None] = lambda _: None
        for resource, obj in objs:
            self.put(resource, obj)

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return HTTP_ROUTES if kind == "HTTPRoute" else None

    def perform(self, action: Action) -> Obj:
        self._maybe_crash()
        result = super().perform(action)
        self.on_write(self)
        return result

    def write(self, change: Change) -> None:
        self._maybe_crash()
        before = self.writes
        super().write(change)
        if self.writes != before:
            self.on_write(self)

    def _maybe_crash(self) -> None:
        if self.crash_after is not None:
            if self.crash_after <= 0:
                raise Crash
            self.crash_after -= 1

    def reconcile(self, before_write: Callable[[], None] | None = None) -> Decision | None:
        """One pass. `before_write` runs between the actions and the change, as a client might."""
        done = self.pass_over(self.controller, KEY, before_write)
        return done.decision if done is not None else None

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

    def grow_pods(self) -> None:
        """Pod objects for every ReplicaSet, ready, as old as they are."""
        for rs in self.list(REPLICA_SETS):
            have = [pod for pod in self.list(PODS) if uid_of(rs) in by_owner(pod)]
            for number in range(dig(rs, "spec", "replicas", default=0) - len(have)):
                self.version += 1
                self.put(PODS, pod_of(rs, f"{name_of(rs)}-{self.version}-{number}", self.now))

    # --- looks

    @property
    def rollout(self) -> Obj:
        return self.objs[Ref("argoproj.io", "Rollout", NS, "web")]

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
        refs = dig(self.objs[Ref("gateway.networking.k8s.io", "HTTPRoute", NS, "web")], "spec", "rules", 0, "backendRefs")
        by_name = {ref["name"]: ref.get("weight", 1) for ref in refs}
        return by_name["web-canary"], by_name["web-stable"]

    def points_at(self, service: str) -> str:
        return dig(self.objs[Ref("", "Service", NS, service)], "spec", "selector", HASH_LABEL, default="")

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
