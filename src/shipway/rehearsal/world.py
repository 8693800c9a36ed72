"""A cluster in a dictionary, and the shell's loop over one key of it: a decision is carried out exactly as in production.

Batches in order, then `conclude`, then one change guarded by its resourceVersion. Nothing waits and nothing is parsed, so
a whole canary takes milliseconds; the embedded API server, which does everything that a server does, needs a hundred times
as long. That both come to the same is held by `tests/sim/test_rehearsal.py`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from shipway.api.kinds import PODS, REPLICA_SETS
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.objects.patches import json_patch, merge_patch
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import dig, metadata, name_of, namespace_of
from shipway.kube.runtime.controller import Controller, ObjectKey
from shipway.kube.runtime.decision import (
    Action,
    Answer,
    Ask,
    Change,
    Conclusion,
    Create,
    Decision,
    Delete,
    Evict,
    Note,
    Outcome,
    Patch,
)
from shipway.rollouts.analysis.jobs import run_uid
from shipway.rollouts.analysis.observe import RUN_INDEX
from shipway.rollouts.rollout.departed import BY_VARIANTS, rollouts_in
from shipway.rollouts.rollout.watches import by_owner

TRIES = 3
"""How often a change is concluded again after somebody wrote in between."""


class Pass(Struct, frozen=True):
    """What one pass decided, and what became of it."""

    decision: Decision
    conclusion: Conclusion


class PlayedCluster:
    """Objects by group, kind, namespace and name. `writes` counts what changed something, `events` what was told, in order."""

    def __init__(self, now: Instant) -> None:
        self.now = now
        self.objs: dict[Ref, Obj] = {}
        self.answers: dict[Ask, Answer] = {}
        self.events: list[Note] = []
        self.writes = 0
        self.version = 0
        self._kinds: dict[tuple[str, str], Resource] = {}

    # --- what `observe` may look at

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        return self.objs.get(Ref(resource.group, resource.kind, namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        group, kind = resource.group_kind
        return [
            obj
            for ref, obj in self.objs.items()
            if ref.kind == kind and ref.group == group and namespace in ("", ref.namespace)
        ]

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        file_under = {RUN_INDEX: run_uid, BY_VARIANTS: rollouts_in}.get(index, by_owner)
        return [obj for obj in self.list(resource) if value in file_under(obj)]

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        return True

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return self._kinds.get((group, kind))

    def has_discovered(self, cluster: str, reach: Reach = EVERYWHERE) -> bool:
        return True

    def refusal(self, resource: Resource) -> str:
        return ""

    def served(self, cluster: str = "") -> tuple[Resource, ...]:
        return tuple(self._kinds.values())

    def answer(self, ask: Ask) -> Answer | None:
        return self.answers.get(ask)

    # --- the server

    def serve(self, resource: Resource) -> None:
        """Makes a kind known, as a CRD does."""
        self._kinds.setdefault(resource.group_kind, resource)

    def put(self, resource: Resource, obj: Obj) -> Obj:
        """Creates or replaces an object, filling in what a server would."""
        self.version += 1
        self.serve(resource)
        key = Ref(resource.group, resource.kind, namespace_of(obj), name_of(obj))
        before = self.objs.get(key)
        meta = {**metadata(obj)}
        stored = {"apiVersion": resource.api_version, "kind": resource.kind, **obj, "metadata": meta}
        meta["resourceVersion"] = str(self.version)
        if before is None:
            meta.setdefault("uid", f"uid-{self.version}")
            meta.setdefault("creationTimestamp", rfc3339(self.now))
            meta["generation"] = 1
        elif before.get("spec") != stored.get("spec"):
            meta["generation"] = metadata(before)["generation"] + 1
        self.objs[key] = stored
        return stored

    def perform(self, action: Action) -> Obj:
        """One action, as the server carries it out. Raises Conflict and NotFound as it does."""
        if isinstance(action, Create):
            return self._create(action)
        if isinstance(action, Evict):
            return self._remove(PODS, action.namespace, action.name)
        assert isinstance(action, Patch | Delete)
        here = self.get(action.resource, action.namespace, action.name)
        if here is None:
            if isinstance(action, Delete):
                return {}
            raise NotFound(f"{action.name} is not there")
        if isinstance(action, Delete):
            return self._remove(action.resource, action.namespace, action.name)
        after = json_patch(here, action.body) if action.type == "json" else merge_patch(here, action.body)
        if metadata(after)["resourceVersion"] != metadata(here)["resourceVersion"]:
            raise Conflict("written meanwhile")
        return here if after == here else self._written(action.resource, after)

    def _create(self, action: Create) -> Obj:
        there = self.get(action.resource, namespace_of(action.obj), name_of(action.obj))
        if there is None:
            return self._written(action.resource, action.obj)
        if tuple(by_owner(there)) != tuple(by_owner(action.obj)):
            raise Conflict("the name is taken", reason="NameTaken")
        return there

    def _written(self, resource: Resource, obj: Obj) -> Obj:
        self.writes += 1
        return self.put(resource, obj)

    def _remove(self, resource: Resource, namespace: str, name: str) -> Obj:
        self.writes += 1
        self.version += 1
        return self.objs.pop(Ref(resource.group, resource.kind, namespace, name), {})

    def write(self, change: Change) -> None:
        """The change of a pass. Raises Conflict when somebody wrote since it was observed."""
        here = self.get(change.resource, change.namespace, change.name)
        if here is None or metadata(here)["resourceVersion"] != change.resource_version:
            raise Conflict("written meanwhile")
        after = merge_patch(here, change.root)
        if change.status is not None:
            after = merge_patch(after, {"status": change.status})
        if after != here:
            self._written(change.resource, after)

    # --- the shell

    def pass_over(
        self, controller: Controller[ObjectKey, Any], key: ObjectKey, before_write: Callable[[], None] | None = None
    ) -> Pass | None:
        """One pass; None when there is nothing to decide. `before_write` runs between the actions and the change."""
        seen = controller.observe(key, self)
        if seen is None:
            return None
        decision = controller.decide(seen, self.now)
        outcomes = self._execute(decision)
        if before_write is not None:
            before_write()
        conclusion = Conclusion(decision.change, decision.wake, decision.notes)
        is_as_seen = not decision.batches and before_write is None
        for _ in range(TRIES):
            fresh = seen if is_as_seen else controller.observe(key, self)
            if fresh is None:
                return Pass(decision, Conclusion())
            conclusion = controller.conclude(fresh, decision, outcomes, self.now) or conclusion
            if conclusion.change is None:
                break
            try:
                self.write(conclusion.change)
                break
            except Conflict:
                continue
        self.events += conclusion.notes
        return Pass(decision, conclusion)

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

    # --- the ReplicaSet controller

    def report(self, rs: Obj, current: int, available: int) -> None:
        """What a ReplicaSet says of its pods."""
        counts = {"replicas": current, "readyReplicas": available, "availableReplicas": available}
        status = {key: value for key, value in counts.items() if value}
        status = {"replicas": current, **status, "observedGeneration": metadata(rs)["generation"]}
        if rs.get("status") != status:
            self._written(REPLICA_SETS, {**rs, "status": status})


def asked_for(rs: Obj) -> int:
    """The pods that a ReplicaSet should have."""
    return dig(rs, "spec", "replicas", default=1)
