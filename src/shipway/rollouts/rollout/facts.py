"""What a pass knows: the observation, read and sorted once, with the questions everybody asks of it.

`aborted` and `index` are those the pass acts on: an abort that is decided in this pass (a failed analysis) already takes
traffic back in this pass, not in the next. `reaches` is what is to be remembered of the objects that the Rollout writes into.
"""

import msgspec
from msgspec import Struct

from shipway.api.kinds import ROLLOUTS
from shipway.api.rollout import BlueGreen, Canary, RolloutSpec, RolloutStatus, SetCanaryScale, Step, read_status
from shipway.api.verification import Rule
from shipway.base.clock import Instant, read_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, generation_of, metadata, name_of, namespace_of, spec_of
from shipway.kube.runtime.decision import Note, regarding
from shipway.rollouts.budget.pinned import in_force
from shipway.rollouts.rollout.anti_affinity import affinity_with_rule
from shipway.rollouts.rollout.leaving import reach_of
from shipway.rollouts.rollout.names import MAX_UNSCALED, PAUSE_INCONCLUSIVE, REVISION
from shipway.rollouts.rollout.observe import Observed
from shipway.rollouts.rollout.replica_set import ReplicaSet, read_replica_set
from shipway.rollouts.rollout.revision import Roles, assign_roles, revision_of_new
from shipway.rollouts.rollout.spec import Invalid, max_weight
from shipway.rollouts.rollout.template_hash import pod_template_hash, steps_hash

DEFAULT_DELAY = 30
PING, PONG = "ping", "pong"


class Facts(Struct, frozen=True):
    """Everything a part of the decision may look at.

    `rules` are the verification rules that judge the present update, `pinned` is how the Rollout remembers them, `refusal` why
    they let no update begin. `is_judged`: they have nothing against a promotion; `is_gated`: something against all the traffic.
    """

    seen: Observed
    now: Instant
    spec: RolloutSpec
    canary: Canary
    blue_green: BlueGreen | None
    status: RolloutStatus
    roles: Roles
    pod_hash: str
    step_hash: str
    aborted: bool
    reaches: str = ""
    pinned: str = ""
    rules: tuple[Rule, ...] = ()
    refusal: str = ""
    is_judged: bool = True
    is_gated: bool = False

    @property
    def rollout(self) -> Obj:
        return self.seen.rollout

    @property
    def name(self) -> str:
        return name_of(self.seen.rollout)

    @property
    def namespace(self) -> str:
        return namespace_of(self.seen.rollout)

    @property
    def replicas(self) -> int:
        return self.spec.replicas or 0

    @property
    def new(self) -> ReplicaSet | None:
        return self.roles.new

    @property
    def stable(self) -> ReplicaSet | None:
        return self.roles.stable

    @property
    def most(self) -> int:
        """The weight that means all traffic."""
        return max_weight(self.canary)

    @property
    def is_routed(self) -> bool:
        return self.canary.traffic_routing is not None

    @property
    def is_leaving_router(self) -> bool:
        """Whether a router that was taken out of the spec still leads traffic as it did."""
        return bool(self.seen.left_routers) and self.reaches != reach_of(self.rollout, self.spec).text

    @property
    def is_first_deploy(self) -> bool:
        return not self.status.stable_rs

    @property
    def is_promoted(self) -> bool:
        """Whether the present template is the stable one."""
        return self.status.stable_rs == self.status.current_pod_hash

    @property
    def template_changed(self) -> bool:
        return bool(self.status.current_pod_hash) and self.status.current_pod_hash != self.pod_hash

    @property
    def steps_changed(self) -> bool:
        """An empty stored hash counts as a change: nothing has been walked yet."""
        return self.status.current_step_hash != self.step_hash

    @property
    def index(self) -> int:
        """The current step; the number of steps when all are done."""
        return min(self.status.current_step_index or 0, len(self.canary.steps))

    @property
    def step(self) -> Step | None:
        return self.canary.steps[self.index] if self.index < len(self.canary.steps) else None

    @property
    def is_halted(self) -> bool:
        """Whether ReplicaSets stay as they are: a person paused the Rollout, or an analysis could not tell."""
        return self.spec.paused or any(pause.reason == PAUSE_INCONCLUSIVE for pause in self.status.pause_conditions)

    @property
    def is_quick_way_back(self) -> bool:
        """Whether the new version is a recent stable one whose pods still run. A retry after an abort is none."""
        return self.new is not None and self.new.deadline is not None and self.status.aborted_at is None

    @property
    def is_rollback_in_window(self) -> bool:
        """Whether the new ReplicaSet is an old one, with fewer than rollbackWindow.revisions between it and stable."""
        window, new, stable = self.spec.rollback_window, self.new, self.stable
        if window is None or window.revisions <= 0 or new is None or stable is None or new.created >= stable.created:
            return False
        between = sum(1 for rs in self.roles.all if new.created < rs.created < stable.created)
        return between < window.revisions

    @property
    def revision(self) -> int:
        """The revision on the Rollout itself, which events and analysis runs speak of; 0 before the first."""
        text = annotations_of(self.rollout).get(REVISION, "")
        return int(text) if text.isdigit() else 0

    @property
    def workload_generation(self) -> str:
        """The generation of the workload whose template this is; "" where the template is the Rollout's own."""
        return str(generation_of(self.seen.workload)) if self.seen.workload is not None else ""

    @property
    def next_revision(self) -> int:
        """The revision that the Rollout should carry."""
        return revision_of_new(self.roles)

    @property
    def affinity(self) -> Obj | None:
        """The affinity of new pods where they have to keep away from stable ones; None: as the template says."""
        wanted, stable = (self.blue_green or self.canary).anti_affinity, self.status.stable_rs
        if wanted is None or not stable or stable == self.pod_hash:
            return None
        return affinity_with_rule(self.spec.template, wanted, stable, self.namespace)

    @property
    def delays(self) -> bool:
        """Whether old pods may outlive their traffic: where a router or a service decides who gets it."""
        return self.is_routed or self.blue_green is not None

    @property
    def abort_delay(self) -> int | None:
        """Seconds that the new version outlives an abort; None: for good."""
        if not self.delays:
            return 0
        given = (self.blue_green or self.canary).abort_scale_down_delay_seconds
        return DEFAULT_DELAY if given is None else (given or None)

    @property
    def scale_down_delay(self) -> int:
        """Seconds that an old stable ReplicaSet is kept after promotion."""
        if not self.delays:
            return 0
        given = (self.blue_green or self.canary).scale_down_delay_seconds
        return DEFAULT_DELAY if given is None else given

    @property
    def kept_revisions(self) -> int:
        """How many old ReplicaSets a delay may keep at once."""
        limit = (self.blue_green or self.canary).scale_down_delay_revision_limit
        return MAX_UNSCALED if limit is None else limit

    def set_weight_at(self, index: int) -> int:
        """The weight of the nearest setWeight step at or before `index`; 0 without one."""
        weights = [step.set_weight for step in self.canary.steps[: index + 1] if step.set_weight is not None]
        return weights[-1] if weights else 0

    @property
    def gate(self) -> int:
        """The first step from which on the new version has all traffic; their number where only the promotion does."""
        index = len(self.canary.steps)
        while index > 0 and self.set_weight_at(index - 1) >= self.most:
            index -= 1
        return index

    @property
    def step_weight(self) -> int:
        """The weight that the canary may have now: none after an abort, all of it after the last step."""
        if self.aborted:
            return 0
        if self.is_gated and self.index >= self.gate > 0:
            return self.set_weight_at(self.gate - 1)
        return self.most if self.step is None else self.set_weight_at(self.index)

    @property
    def canary_scale(self) -> SetCanaryScale | None:
        """The setCanaryScale that holds now, if one does."""
        if not self.is_routed or self.step is None or (self.aborted and self.abort_delay is not None):
            return None
        scales = [step.set_canary_scale for step in self.canary.steps[: self.index + 1] if step.set_canary_scale is not None]
        return scales[-1] if scales and not scales[-1].match_traffic_weight else None

    def seconds_since(self, text: str) -> float | None:
        """Seconds since an RFC 3339 time; None when it cannot be read."""
        then = read_rfc3339(text)
        return self.now - then if then is not None else None

    def with_abort(self) -> "Facts":
        return msgspec.structs.replace(self, aborted=True)

    def note(self, reason: str, message: str, *, warning: bool = False) -> Note:
        return Note(regarding_of(self.rollout), reason, message, "Warning" if warning else "Normal")


def regarding_of(rollout: Obj) -> Obj:
    """The object an event is about."""
    return regarding(ROLLOUTS, rollout)


def gather(seen: Observed, now: Instant) -> Facts | Invalid:
    """The facts of an observation; Invalid when its spec or its template cannot be read."""
    spec = seen.spec
    if isinstance(spec, Invalid):
        return spec
    blue_green = spec.strategy.blue_green
    status = status_of_rollout(seen.rollout)
    canary = with_turns(spec.strategy.canary or Canary(), status.canary.stable_ping_pong)
    try:
        computed = pod_template_hash(spec.template, status.collision_count)
        roles = assign_roles(spec.template, status.collision_count, status.stable_rs, seen.replica_sets)
    except (ValueError, TypeError, AttributeError) as error:
        return Invalid("spec.template", f"Invalid value: {error}")
    raw_canary = (spec_of(in_force(seen.rollout)).get("strategy") or {}).get("canary") or {}
    return Facts(
        seen=seen,
        now=now,
        spec=spec,
        canary=canary,
        blue_green=blue_green,
        status=status,
        roles=roles,
        pod_hash=roles.new.hash if roles.new else computed,
        step_hash=steps_hash(raw_canary.get("steps")) if blue_green is None else "",
        aborted=status.abort and status.stable_rs != status.current_pod_hash,
        reaches=seen.reach.text or reach_of(seen.rollout, spec).text,
    )


def with_new(facts: Facts, obj: Obj) -> Facts:
    """The facts once the new ReplicaSet `obj` has been created."""
    every = with_replica_set(facts.seen, obj, facts.now).replica_sets
    roles = assign_roles(facts.spec.template, facts.status.collision_count, facts.status.stable_rs, every)
    return msgspec.structs.replace(facts, roles=roles)


def with_replica_set(seen: Observed, obj: Obj, now: Instant) -> Observed:
    """The observation with a ReplicaSet more, born now."""
    born = {**obj, "metadata": {**metadata(obj), "creationTimestamp": rfc3339(now)}}
    return msgspec.structs.replace(seen, replica_sets=(*seen.replica_sets, read_replica_set(born)))


def with_turns(canary: Canary, stable: str) -> Canary:
    """The canary with its services named for their present turn, where ping and pong alternate. Before the first: pong."""
    if canary.ping_pong is None:
        return canary
    pair = (canary.ping_pong.ping_service, canary.ping_pong.pong_service)
    stable_service, canary_service = pair if stable == PING else pair[::-1]
    return msgspec.structs.replace(canary, stable_service=stable_service, canary_service=canary_service)


def status_of_rollout(rollout: Obj) -> RolloutStatus:
    """The stored status; one that cannot be read (somebody else's) counts as none, and the next write mends it."""
    try:
        return read_status(rollout)
    except ValueError:
        return RolloutStatus()
