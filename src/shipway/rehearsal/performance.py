"""Plays one update: the engines' own controllers pass over a played cluster, and time jumps from wake to wake.

    settle   every key that has something new to look at gets its pass, until nobody has        (at one instant)
    look     what has changed in the strategy's course goes into the timeline
    jump     to the next wake of a key, the next pod that is ready, or the moment at which the person promotes

No clock, no loop and no randomness take part: the same play is the same timeline to the last byte.
"""

from collections.abc import Iterator

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, JOBS, REPLICA_SETS, ROLLOUTS
from shipway.api.rollout import RolloutSpec, RolloutStatus
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, name_of, resource_version_of
from shipway.kube.runtime.controller import ObjectKey, key_of
from shipway.kube.runtime.decision import Answer, Ask
from shipway.rehearsal.answers import answer, budget
from shipway.rehearsal.pods import Pods
from shipway.rehearsal.recording import Recording
from shipway.rehearsal.stage import passed_over, set_up
from shipway.rehearsal.timeline import Ending, Measured, Moment, Outcome, Timeline
from shipway.rollouts.actions import promote
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.analysis.jobs import METRIC_NAME
from shipway.rollouts.budget.asks import BudgetAsk
from shipway.rollouts.budget.pinned import Pinned, pinned_of
from shipway.rollouts.budget.policy import told
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.effects import earliest
from shipway.rollouts.rollout.facts import status_of_rollout
from shipway.rollouts.rollout.names import HASH_LABEL, PAUSE_INCONCLUSIVE, RUN_TYPE_LABEL
from shipway.rollouts.rollout.spec import Invalid, max_weight, parse
from shipway.rollouts.rollout.steps import describe
from shipway.rollouts.settings import RolloutSettings

DAY = 86_400.0
PATIENCE = 3600.0
"""Seconds for which analyses go on while nobody comes to promote; then that is the end."""
MOST_PASSES = 500
"""Passes at one instant after which the engine is taken to be going round in circles."""


class Play(Struct, frozen=True):
    """What is rehearsed. `pod_start`: seconds until a pod is ready; `promote_after`: None, nobody comes; `limit`: seconds."""

    rollout: Obj
    others: tuple[Obj, ...] = ()
    recording: Recording = Recording()
    pod_start: float = 5.0
    promote_after: float | None = None
    limit: float = DAY


class _Slot(Struct):
    """When a key was last passed over, and when it wants to be again."""

    seen: int = -1
    wake: Instant | None = None


def rehearse(play: Play) -> Timeline:
    """Raises InvalidInput with the engine's words for a Rollout that it would not run."""
    return _Performance(play).run()


class _Performance:
    def __init__(self, play: Play) -> None:
        self._play = play
        self._rollouts = RolloutController(RolloutSettings(plugins=passed_over(play.rollout)))
        self._analyses = AnalysisRunController(plugins=None)
        stage = set_up(play.rollout, play.others, play.recording.start, self._rollouts)
        self._cluster, self._key, self._spec = stage.cluster, stage.key, stage.spec
        self._pods = Pods(self._cluster, play.pod_start, stage.spec.min_ready_seconds)
        self._slot = _Slot()
        self._seen: tuple[object, ...] = ()
        self._seen_version = -1
        self._runs: dict[ObjectKey, _Slot] = {}
        self._pinned: Pinned | None = None
        self._budgets: dict[Ask, Answer] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._moments: list[Moment] = []
        self._measured: list[Measured] = []
        self._exposed = 0.0
        self._waiting_since: float | None = None

    def run(self) -> Timeline:
        while True:
            self._settle()
            status = self._look()
            outcome = self._outcome(status)
            following = self._next(status)
            if outcome is None and (following is None or self._is_left_alone()):
                outcome = "waiting"
            if outcome is None and following is not None and self._seconds(following) > self._play.limit:
                outcome = "unfinished"
            if outcome is not None or following is None:
                return self._timeline(outcome or "waiting", status)
            self._jump(following)

    # --- one instant

    def _settle(self) -> None:
        for _ in range(MOST_PASSES):
            self._pods.play()
            if not (self._pass_over_rollout() or self._pass_over_runs()):
                return
        raise InvalidInput(f"the strategy goes round in circles {self._seconds(self._cluster.now):g} s after its beginning")

    def _pass_over_rollout(self) -> bool:
        slot = self._slot
        if not (self._news() or _is_due(slot, self._cluster.now)):
            return False
        done = self._cluster.pass_over(self._rollouts, self._key)
        slot.wake = done.conclusion.wake if done is not None else None
        for ask in done.decision.asks if done is not None else ():
            if isinstance(ask, BudgetAsk):
                slot.wake = earliest(slot.wake, self._measure_budget(ask))
        return True

    def _measure_budget(self, ask: BudgetAsk) -> Instant:
        """When the answer is to be looked at: at once where it is news, else when it is asked again."""
        now, before = self._cluster.now, self._budgets.get(ask)
        given = _as_answer(budget(self._play.recording, ask, self._seconds(now)), now)
        self._budgets[ask] = self._cluster.answers[ask] = given
        is_news = before is None or (before.value, str(before.error)) != (given.value, str(given.error))
        return now if is_news else Instant(now + ask.poll_seconds)

    def _news(self) -> bool:
        """Whether there is something new to a Rollout. Of a run it reads the phase and the message, not the measurements."""
        if self._cluster.version == self._seen_version:
            return False
        self._seen_version = self._cluster.version
        picture = tuple(
            (key, dig(obj, "status", "phase"), dig(obj, "status", "message"))
            if key.kind == ANALYSIS_RUNS.kind
            else (key, resource_version_of(obj))
            for key, obj in self._cluster.objs.items()
            if key.kind != JOBS.kind
        )
        is_new, self._seen = picture != self._seen, picture
        return is_new

    def _pass_over_runs(self) -> bool:
        passed = False
        for run in tuple(self._cluster.list(ANALYSIS_RUNS)):
            key = key_of(run)
            slot = self._runs.setdefault(key, _Slot())
            while int(resource_version_of(run)) > slot.seen or _is_due(slot, self._cluster.now):
                passed = True
                run = self._pass_over_run(key, slot)
        return passed

    def _pass_over_run(self, key: ObjectKey, slot: _Slot) -> Obj:
        """A pass, and the answers to what it asks: so the next one has them. What a run writes itself is no news to it."""
        run = self._cluster.get(ANALYSIS_RUNS, key.namespace, key.name) or {}
        slot.seen, slot.wake = int(resource_version_of(run)), None
        done = self._cluster.pass_over(self._analyses, key)
        if done is None:
            return run
        slot.wake = done.conclusion.wake
        self._cluster.answers.clear()
        self._cluster.answers.update(self._budgets)
        for ask in done.decision.asks:
            if isinstance(ask, MeasureAsk):
                self._cluster.answers[ask] = self._answer(ask)
                slot.wake = self._cluster.now
        if self._finish_jobs():
            slot.wake = self._cluster.now
        after = self._cluster.get(ANALYSIS_RUNS, key.namespace, key.name) or {}
        slot.seen = int(resource_version_of(after) or slot.seen)
        self._note_measurements(after)
        return after

    def _answer(self, ask: MeasureAsk) -> Answer:
        now = self._cluster.now
        given = answer(self._play.recording, ask, self._seconds(now), is_hit=self._weight > 0)
        return _as_answer(given, now)

    def _finish_jobs(self) -> bool:
        """A Job ends at once: well, unless the recording has a series for its metric that is 0 now."""
        finished = False
        for job in self._cluster.list(JOBS):
            if dig(job, "status", "conditions"):
                continue
            shape = self._play.recording.series.get(annotations_of(job).get(METRIC_NAME, ""))
            good = shape is None or bool(shape.at(self._seconds(self._cluster.now), is_hit=self._weight > 0))
            condition = {"type": "Complete" if good else "Failed", "status": "True"}
            self._cluster.put(JOBS, {**job, "status": {"conditions": [condition]}})
            finished = True
        return finished

    # --- the timeline

    def _note_measurements(self, run: Obj) -> None:
        kind = labels_of(run).get(RUN_TYPE_LABEL, "")
        for result in dig(run, "status", "metricResults", default=[]):
            key = (name_of(run), result["name"])
            count = (result.get("count") or 0) + (result.get("error") or 0)
            if count <= self._counts.get(key, 0):
                continue
            self._counts[key] = count
            last = result["measurements"][-1]
            at = self._seconds(self._cluster.now)
            value, message = last.get("value", ""), last.get("message", "")
            self._measured.append(Measured(at, kind, result["name"], last["phase"], value, message))

    def _look(self) -> RolloutStatus:
        rollout = self._cluster.get(ROLLOUTS, self._key.namespace, self._key.name) or {}
        status = status_of_rollout(rollout)
        self._spec = self._in_force(rollout)
        self._note_choice(rollout)
        counts = {labels_of(rs).get(HASH_LABEL, ""): _counts(rs) for rs in self._cluster.list(REPLICA_SETS)}
        canary, canary_ready = counts.get(status.current_pod_hash, (0, 0))
        stable, stable_ready = counts.get(status.stable_rs, (0, 0)) if status.stable_rs != status.current_pod_hash else (0, 0)
        moment = Moment(
            self._seconds(self._cluster.now),
            self._step(status),
            self._weight_of(status, canary_ready, stable_ready),
            canary,
            canary_ready,
            stable,
            stable_ready,
            status.phase,
            status.message,
        )
        if not self._moments or _but_for_time(self._moments[-1]) != _but_for_time(moment):
            self._moments.append(moment)
        return status

    def _note_choice(self, rollout: Obj) -> None:
        """The strategy that the error budget has chosen stands among the measurements."""
        pinned, before = pinned_of(rollout), self._pinned
        self._pinned = pinned
        if pinned is not None and (before is None or before.pace != pinned.pace):
            at = self._seconds(self._cluster.now)
            self._measured.append(Measured(at, "Budget", pinned.objective, pinned.pace, told(pinned.known)))

    def _in_force(self, rollout: Obj) -> RolloutSpec:
        """With the steps of the strategy that the error budget has chosen by now."""
        spec = parse(rollout)
        return self._spec if isinstance(spec, Invalid) else spec

    def _step(self, status: RolloutStatus) -> str:
        canary = self._spec.strategy.canary
        if canary is None or not canary.steps:
            return ""
        index = status.current_step_index or 0
        return f"{index + 1}: {describe(canary.steps[index])}" if index < len(canary.steps) else "done"

    def _weight_of(self, status: RolloutStatus, canary_ready: int, stable_ready: int) -> float:
        """Percent: by the router's weights, else by ready pods; blue-green all or nothing."""
        canary = self._spec.strategy.canary
        if canary is None:
            return 100.0 if status.blue_green.active_selector == status.current_pod_hash else 0.0
        if status.stable_rs == status.current_pod_hash:
            return 100.0
        if canary.traffic_routing is None:
            return round(100.0 * canary_ready / (canary_ready + stable_ready), 3) if canary_ready else 0.0
        weights = status.canary.weights
        return round(100.0 * weights.canary.weight / max_weight(canary), 3) if weights is not None else 0.0

    @property
    def _weight(self) -> float:
        return self._moments[-1].weight if self._moments else 0.0

    # --- time

    def _outcome(self, status: RolloutStatus) -> Outcome | None:
        if status.abort and self._weight == 0.0:
            return "aborted"
        if status.phase == "Degraded" and status.message.startswith("InvalidSpec"):
            raise InvalidInput(status.message, reason="InvalidSpec")
        if status.phase == "Degraded" and not status.abort:
            return "stuck"
        if status.phase == "Healthy" and status.stable_rs == status.current_pod_hash and len(self._moments) > 1:
            return "promoted"
        return None

    def _next(self, status: RolloutStatus) -> Instant | None:
        """The next moment at which something happens by itself or by the person."""
        now = self._cluster.now
        wakes = [slot.wake for slot in (self._slot, *self._runs.values()) if slot.wake is not None and slot.wake > now]
        ready = self._pods.next_ready()
        person = self._person_comes(status)
        return min([*wakes, *([ready] if ready is not None else []), *([person] if person is not None else [])], default=None)

    def _person_comes(self, status: RolloutStatus) -> Instant | None:
        """A pause without an end waits for a person, whatever else may be due meanwhile."""
        if not self._needs_person(status):
            self._waiting_since = None
            return None
        if self._waiting_since is None:
            self._waiting_since = self._cluster.now
        after = self._play.promote_after
        return Instant(self._waiting_since + after) if after is not None else None

    def _is_left_alone(self) -> bool:
        since = self._waiting_since
        return since is not None and self._play.promote_after is None and self._cluster.now - since >= PATIENCE

    def _needs_person(self, status: RolloutStatus) -> bool:
        if status.phase != "Paused":
            return False
        canary = self._spec.strategy.canary
        index = status.current_step_index or 0
        step = canary.steps[index] if canary is not None and index < len(canary.steps) else None
        has_end = step is not None and step.pause is not None and step.pause.duration is not None
        blue_green = self._spec.strategy.blue_green
        has_end = has_end or (blue_green is not None and blue_green.auto_promotion_seconds > 0)
        return not has_end or all(pause.reason == PAUSE_INCONCLUSIVE for pause in status.pause_conditions)

    def _jump(self, to: Instant) -> None:
        before, after = self._seconds(self._cluster.now), self._seconds(to)
        self._exposed += self._play.recording.requests(before, after) * self._weight / 100.0
        self._cluster.now = to
        after_wait = self._play.promote_after
        since = self._waiting_since
        if since is not None and after_wait is not None and to >= since + after_wait:
            self._waiting_since = None
            rollout = self._cluster.get(ROLLOUTS, self._key.namespace, self._key.name) or {}
            patches = promote(rollout)
            self._cluster.put(ROLLOUTS, merge_patch(merge_patch(rollout, patches.root), {"status": patches.status}))

    def _seconds(self, at: Instant) -> float:
        return round(at - self._play.recording.start, 3)

    def _timeline(self, outcome: Outcome, status: RolloutStatus) -> Timeline:
        before = next((one for one in reversed(self._moments) if one.weight > 0), self._moments[-1])
        reached = before if outcome == "aborted" else self._moments[-1]
        at = self._moments[-1].at if outcome in ("aborted", "stuck") else self._seconds(self._cluster.now)
        return Timeline(
            rollout=self._key.name,
            namespace=self._key.namespace,
            moments=tuple(self._moments),
            measurements=tuple(self._measured),
            ending=Ending(outcome, at, reached.step, reached.weight, status.message),
            exposed=round(self._exposed, 1),
            warnings=(*self._play.recording.warnings(), *_of_plugins(self._spec)),
        )


def _of_plugins(spec: RolloutSpec) -> Iterator[str]:
    """What is to be said of the steps that are not played."""
    for number, step in enumerate(spec.strategy.canary.steps if spec.strategy.canary is not None else (), start=1):
        if step.plugin is not None:
            yield f"step {number} ({describe(step)}): a rehearsal runs no plugin, it counts as Successful at once"


def _as_answer(given: object, now: Instant) -> Answer:
    return Answer(error=given, at=now) if isinstance(given, ShipwayError) else Answer(value=given, at=now)


def _is_due(slot: _Slot, now: Instant) -> bool:
    return slot.wake is not None and slot.wake <= now


def _counts(rs: Obj) -> tuple[int, int]:
    return dig(rs, "spec", "replicas", default=0), dig(rs, "status", "availableReplicas", default=0)


def _but_for_time(moment: Moment) -> tuple[object, ...]:
    return (moment.step, moment.weight, moment.canary, moment.canary_ready, moment.stable, moment.stable_ready,
            moment.phase, moment.message)  # fmt: skip
