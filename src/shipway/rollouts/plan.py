"""What a Rollout's strategy would do with a new version, step by step, before it does it: pure over the object.

Each row says what the step is, who gets how much of the traffic while it holds, how many pods that takes, and what it waits
for. Counts are those of the engine's own arithmetic at full availability. `way_back` says what it takes to undo it all.
"""

from msgspec import Struct

from shipway.api.rollout import BlueGreen, Canary, RolloutSpec, Step
from shipway.kube.objects.resource import Obj
from shipway.rollouts.budget.pinned import with_steps, without_pin
from shipway.rollouts.budget.policy import policy_of
from shipway.rollouts.rollout.facts import DEFAULT_DELAY
from shipway.rollouts.rollout.observe import is_updating
from shipway.rollouts.rollout.replicas import Aim, dynamic_counts, limits, nearest_split, routed_counts
from shipway.rollouts.rollout.spec import max_weight, readable
from shipway.rollouts.rollout.steps import describe


class PlanRow(Struct, frozen=True):
    """`weight` is what the step asks for, `canary` and `stable` are pods; `waits`: for what.

    `reaches` is the impact radius: the percentage of requests that the new version answers. A router splits as asked; without
    one a request may meet any pod, so it is the new version's share of the pods. (Requests with the header of a header route
    come on top.)
    """

    number: int
    step: str
    weight: int
    reaches: float
    canary: int
    stable: int
    waits: str


class PacePlan(Struct, frozen=True):
    """One of the strategies that a release may take. `at_least`: the share of the error budget that has to be left."""

    pace: str
    at_least: float | None
    steps: tuple[PlanRow, ...]


class WayBack(Struct, frozen=True):
    """What it takes to have the version before back after a promotion: the time until all is safe again, in its parts.

    For `kept` seconds its pods still run and none has to start; later `starts` pods start first, and count as available
    `ready_after` seconds after they are ready. `walks`: it comes back by the steps of the strategy, as any version does.
    """

    kept: int
    starts: int
    ready_after: int
    walks: bool


def way_back(rollout: Obj) -> WayBack:
    """Raises InvalidInput with the words of InvalidSpec."""
    spec = readable(rollout)
    strategy = spec.strategy.blue_green or spec.strategy.canary or Canary()
    stays = not isinstance(strategy, Canary) or (strategy.traffic_routing is not None and not strategy.dynamic_stable_scale)
    given = strategy.scale_down_delay_seconds
    kept = (DEFAULT_DELAY if given is None else given) if stays else 0
    window = spec.rollback_window
    walks = isinstance(strategy, Canary) and bool(strategy.steps) and (window is None or window.revisions < 1)
    return WayBack(0 if walks else kept, _replicas(spec), spec.min_ready_seconds, walks)


def told(back: WayBack) -> tuple[str, ...]:
    """The way back in a sentence or two."""
    then = f" and have been ready for {back.ready_after} s" if back.ready_after else ""
    cold = f"once {back.starts} pods have started{then}"
    if back.walks:
        return (f"Going back after the promotion takes the steps again ({cold}); spec.rollbackWindow skips them.",)
    if not back.kept:
        return (f"Going back after the promotion: safe {cold}.",)
    return (
        f"Going back within {back.kept} s of the promotion: safe at once, no pod has to start.",
        f"Going back later (or with scaleDownDelaySeconds: 0): safe {cold}.",
    )


def plan(rollout: Obj) -> tuple[PlanRow, ...]:
    """The rows in order, full promotion last: of the update under way, else of the next one, by the Rollout's own steps.

    Raises InvalidInput with the words of InvalidSpec.
    """
    spec = readable(rollout if is_updating(rollout) else without_pin(rollout))
    replicas = _replicas(spec)
    if spec.strategy.blue_green is not None:
        return _blue_green_rows(spec.strategy.blue_green, replicas)
    return _canary_rows(spec, spec.strategy.canary or Canary(), replicas)


def plans_by_budget(rollout: Obj) -> tuple[PacePlan, ...]:
    """What the next release may come to, from the fastest to the slowest, where its error budget decides."""
    policy = policy_of(rollout)
    if policy is None or is_updating(rollout):
        return ()
    plain = without_pin(rollout)
    return tuple(
        PacePlan(one.pace, one.at_least, plan(with_steps(plain, list(one.steps)) if one.steps is not None else plain))
        for one in policy.strategies
    )


def _replicas(spec: RolloutSpec) -> int:
    return 1 if spec.replicas is None else spec.replicas


def _reaches(canary: Canary, weight: int, new: int, stable: int) -> float:
    if canary.traffic_routing is not None:
        return round(100.0 * weight / max_weight(canary), 1)
    return round(100.0 * new / (new + stable), 1) if new else 0.0


def _on_trial(step: Step) -> int:
    """The weight of variants that an Experiment makes of the new version."""
    templates = step.experiment.templates if step.experiment is not None else ()
    return sum(template.weight or 0 for template in templates if template.spec_ref == "canary")


def _canary_rows(spec: RolloutSpec, canary: Canary, replicas: int) -> tuple[PlanRow, ...]:
    rows: list[PlanRow] = []
    weight, most, scale = 0, max_weight(canary), None
    for number, step in enumerate(canary.steps, start=1):
        if step.set_weight is not None:
            weight = step.set_weight
        if step.set_canary_scale is not None:
            scale = None if step.set_canary_scale.match_traffic_weight else step.set_canary_scale
        explicit = scale.replicas if scale is not None else None
        sized_for = scale.weight if scale is not None and scale.weight is not None else weight
        new, stable = _counts(canary, replicas, Aim(sized_for, most, explicit, canary.min_pods_per_replica_set or 0))
        reaches = _reaches(canary, weight + _on_trial(step), new, stable)
        rows.append(PlanRow(number, describe(step), weight, reaches, new, stable, _waits(step)))
    done = PlanRow(len(rows) + 1, "full promotion", most, 100.0, replicas, 0, "until every pod is available")
    return (*rows, done)


def _counts(canary: Canary, replicas: int, aim: Aim) -> tuple[int, int]:
    if canary.traffic_routing is not None and canary.dynamic_stable_scale:
        return dynamic_counts(replicas, aim, None, aborted=False)
    if canary.traffic_routing is not None:
        return routed_counts(replicas, aim)
    surge = limits(replicas, canary.max_surge, canary.max_unavailable).surge
    return nearest_split(replicas, aim.weight, aim.most, surge)


def _waits(step: Step) -> str:
    if step.pause is not None:
        return "for a person" if step.pause.duration is None else f"{step.pause.seconds} s"
    if step.analysis is not None:
        names = ", ".join(ref.template_name for ref in step.analysis.templates)
        return f"until the analysis succeeds ({names})"
    if step.experiment is not None:
        return f"until the Experiment succeeds ({', '.join(template.name for template in step.experiment.templates)})"
    if step.plugin is not None:
        return f"until the plugin succeeds ({step.plugin.name})"
    return "until the pods are available"


def _blue_green_rows(blue_green: BlueGreen, replicas: int) -> tuple[PlanRow, ...]:
    preview = blue_green.preview_replica_count or replicas
    shown = f"preview behind {blue_green.preview_service}" if blue_green.preview_service else "start beside the old version"
    rows = [(shown, 0, preview, "until the pods are available")]
    for when, analysis in (("before", blue_green.pre_promotion_analysis), ("after", blue_green.post_promotion_analysis)):
        if when == "after":
            rows += [*_hold(blue_green, preview), (f"switch {blue_green.active_service}", 100, replicas, "")]
        if analysis is not None and analysis.templates:
            names = ", ".join(ref.template_name for ref in analysis.templates)
            waits = f"until the analysis succeeds ({names})"
            pods, weight = (preview, 0) if when == "before" else (replicas, 100)
            rows.append((f"analysis {when} the switch", weight, pods, waits))
    return tuple(
        PlanRow(number, step, weight, float(weight), new, replicas, waits)
        for number, (step, weight, new, waits) in enumerate(rows, 1)
    )


def _hold(blue_green: BlueGreen, preview: int) -> list[tuple[str, int, int, str]]:
    if blue_green.auto_promotion_seconds > 0:
        return [("pause", 0, preview, f"{blue_green.auto_promotion_seconds} s, or for a person")]
    return [("pause", 0, preview, "for a person")] if blue_green.auto_promotion_enabled is False else []
