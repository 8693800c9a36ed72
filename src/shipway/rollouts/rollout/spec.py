"""What a Rollout asks for, checked: either a readable spec or the one sentence that stands in its InvalidSpec condition.

Checks and texts follow Argo Rollouts 1.9 (`pkg/apis/rollouts/validation`), in its order; only the first problem is told, as
there. What this engine does not run yet is refused here in the same form and never skipped.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.rollout import (
    STEP_KINDS,
    BlueGreen,
    Canary,
    ExperimentStep,
    RolloutSpec,
    Step,
    StepTemplate,
    StringMatch,
    TrafficRouting,
    read_spec,
)
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of
from shipway.rollouts.budget.pinned import in_force, with_steps
from shipway.rollouts.budget.policy import read_policy
from shipway.rollouts.rollout.anti_affinity import PREFERRED, REQUIRED
from shipway.rollouts.rollout.names import STRATEGY_BY_BUDGET
from shipway.rollouts.traffic.gateway_api import PLUGIN
from shipway.rollouts.traffic.router import MirrorRoute, read_as
from shipway.rollouts.traffic.routers import (
    EXPERIMENT_ROUTERS,
    HEADER_ROUTERS,
    MIRROR_ROUTERS,
    PING_PONG_ROUTERS,
    READERS,
    WEIGHT_ROUTERS,
    has_only,
    has_router,
    needs_services,
    read_routers,
)

LEADING_KINDS = ("experiment", "pause", "setWeight", "analysis", "plugin")
"""A step has at most one of these; scale and routes may be set beside it."""
STEP_MESSAGE = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
SERVICES_MESSAGE = "Canary service and Stable service must to be set to use Traffic Routing"
MAX_WEIGHT_MESSAGE = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
PING_PONG_MESSAGE = "Ping-pong feature works with the ALB and Istio traffic routers only"
WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet"), ("v1", "PodTemplate"))
SPEC_REFS = ("canary", "stable")
SCALE_DOWNS = (None, "", "never", "onsuccess", "progressively")


class Invalid(Struct, frozen=True):
    """Why a spec cannot be run. `path` is the field, `text` all of what follows it."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def invalid(path: str, value: Any, detail: str) -> Invalid:
    """As Go's field.Invalid prints: the value quoted as JSON, then why."""
    return Invalid(path, f"Invalid value: {json.dumps(value)}: {detail}")


def required(path: str, detail: str) -> Invalid:
    return Invalid(path, f"Required value: {detail}")


def not_yet(path: str, what: str) -> Invalid:
    return Invalid(path, f"Forbidden: {what} is not supported yet; remove it or leave this Rollout to Argo Rollouts")


def parse(rollout: Obj) -> RolloutSpec | Invalid:
    """The spec of a Rollout, with the steps that are in force, or the first thing that is wrong with it."""
    meant = in_force(rollout)
    try:
        spec = read_spec(meant)
    except ValueError as error:
        path, _, text = str(error).partition(": ")
        return Invalid(path, text)
    problem = _problem(orjson.dumps(meant.get("spec")))
    if problem is None and (policy := annotations_of(rollout).get(STRATEGY_BY_BUDGET)):
        problem = _problem_by_budget(orjson.dumps(rollout.get("spec")), policy)
    return problem or spec


def readable(rollout: Obj) -> RolloutSpec:
    """The spec of a Rollout that the engine would run. Raises InvalidInput with the words of InvalidSpec."""
    spec = parse(rollout)
    if isinstance(spec, Invalid):
        raise InvalidInput(f'The Rollout "{name_of(rollout)}" is invalid: {spec}', reason="InvalidSpec")
    return spec


@lru_cache(maxsize=2048)
def _problem(raw: bytes) -> Invalid | None:
    """Remembered, because every event and every pass asks it of a spec that has not changed."""
    return next(_problems(read_spec({"spec": orjson.loads(raw)})), None)


@lru_cache(maxsize=512)
def _problem_by_budget(raw: bytes, text: str) -> Invalid | None:
    """What is wrong with the strategies that a Rollout of this spec may take by its error budget."""
    path, rollout = f"metadata.annotations[{STRATEGY_BY_BUDGET}]", {"spec": orjson.loads(raw)}
    try:
        policy = read_policy(text)
    except InvalidInput as error:
        return Invalid(path, error.message)
    if read_spec(rollout).strategy.canary is None:
        return Invalid(path, "only a canary has steps to choose, and this Rollout is blue-green: remove the annotation")
    for strategy in policy.strategies:
        read = parse(with_steps(rollout, list(strategy.steps))) if strategy.steps is not None else None
        if isinstance(read, Invalid):
            field = read.path.removeprefix("spec.strategy.").removeprefix("canary.")
            return Invalid(f"{path}.strategies.{strategy.pace}.{field}", read.text)
    return None


def _problems(spec: RolloutSpec) -> Iterator[Invalid]:
    if spec.replicas is not None and spec.replicas < 0:
        yield invalid("spec.replicas", spec.replicas, "must be greater than or equal to 0")
    yield from _workload_problems(spec)
    if spec.workload_ref is None:
        yield from _selector_problems(spec)
    if spec.min_ready_seconds < 0:
        yield invalid("spec.minReadySeconds", spec.min_ready_seconds, "must be greater than or equal to 0")
    if spec.revision_history_limit < 0:
        yield invalid("spec.revisionHistoryLimit", spec.revision_history_limit, "must be greater than or equal to 0")
    if spec.progress_deadline_seconds <= spec.min_ready_seconds:
        deadline = spec.progress_deadline_seconds
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    yield from _strategy_problems(spec)


def _workload_problems(spec: RolloutSpec) -> Iterator[Invalid]:
    """What can be said before the workload has been looked up."""
    ref = spec.workload_ref
    if ref is None:
        return
    kind = (ref.get("apiVersion") or "", ref.get("kind") or "")
    if kind not in WORKLOADS:
        known = ", ".join(f"{version} {name}" for version, name in WORKLOADS)
        yield invalid("spec.workloadRef", " ".join(kind), f"workload of this type is not supported: name one of {known}")
    # What Go prints for an empty template is none.
    if labels_of(spec.template) or (spec.template.get("spec") or {}).get("containers"):
        yield Invalid("spec.template", "Internal error: template must be empty for workload reference rollout")
    if not ref.get("name"):
        yield required("spec.workloadRef.name", "name the workload whose pods this Rollout takes over")
    if ref.get("scaleDown") not in SCALE_DOWNS:
        detail = "must be one of never, onsuccess, progressively"
        yield invalid("spec.workloadRef.scaleDown", ref.get("scaleDown"), detail)


def _selector_problems(spec: RolloutSpec) -> Iterator[Invalid]:
    if spec.selector is None:
        yield required("spec.selector", "Rollout has missing field '.spec.selector'")
        return
    labels = spec.selector.get("matchLabels") or {}
    if not labels and not spec.selector.get("matchExpressions"):
        yield invalid("spec.selector", spec.selector, "empty selector is invalid for deployment")
    worn = labels_of(spec.template)
    if any(worn.get(key) != value for key, value in labels.items()):
        yield invalid("spec.template.metadata.labels", worn, "`selector` does not match template `labels`")
    if not (spec.template.get("spec") or {}).get("containers"):
        yield Invalid("spec.template.spec.containers", "Required value")


def _strategy_problems(spec: RolloutSpec) -> Iterator[Invalid]:
    canary, blue_green = spec.strategy.canary, spec.strategy.blue_green
    if canary is None and blue_green is None:
        missing = "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
        yield required("spec.strategy.strategy", missing)
    elif canary is not None and blue_green is not None:
        yield invalid("spec.strategy.strategy", "blueGreen: true canary: true", "Multiple Strategies can not be listed")
    elif blue_green is not None:
        yield from _blue_green_problems(blue_green, spec.revision_history_limit)
    elif canary is not None:
        yield from _canary_problems(canary)


def _blue_green_problems(blue_green: BlueGreen, history: int) -> Iterator[Invalid]:
    if blue_green.active_service == blue_green.preview_service:
        detail = (
            "This rollout uses the same service for the active and preview services, but two different services are required."
        )
        yield invalid("spec.strategy.activeService", blue_green.active_service, detail)
    if not blue_green.active_service:
        yield required("spec.strategy.blueGreen.activeService", "blue-green needs the service to switch")
    kept = blue_green.scale_down_delay_revision_limit
    if kept is not None and history < kept:
        detail = "This rollout's revision history limit can not be smaller than the rollout's scale down limit"
        yield invalid("spec.strategy.scaleDownDelayRevisionLimit", kept, detail)
    yield from _anti_affinity_problems(blue_green.anti_affinity)


def _anti_affinity_problems(wanted: Obj | None) -> Iterator[Invalid]:
    if wanted is None:
        return
    preferred, required_one = wanted.get(PREFERRED), wanted.get(REQUIRED)
    if (preferred is None) == (required_one is None):
        detail = "AntiAffinity must have exactly one strategy listed"
        yield invalid("spec.strategy.antiAffinity", sorted(wanted), detail)
    elif preferred is not None and not 1 <= preferred.get("weight", 0) <= 100:
        detail = "AntiAffinity weight must be between 1-100"
        yield invalid("spec.strategy.antiAffinity.weight", preferred.get("weight", 0), detail)


def _canary_problems(canary: Canary) -> Iterator[Invalid]:
    if _amount(canary.max_surge) == 0 and _amount(canary.max_unavailable) == 0:
        yield invalid("spec.strategy.maxSurge", canary.max_surge, "MaxSurge and MaxUnavailable both can not be zero")
    if canary.canary_service and canary.canary_service == canary.stable_service:
        detail = (
            "This rollout uses the same service for the stable and canary services, but two different services are required."
        )
        yield invalid("spec.strategy.stableService", canary.stable_service, detail)
    yield from _ping_pong_problems(canary)
    threshold = canary.replica_progress_threshold
    if threshold is not None and threshold.type not in ("Percent", "Pods"):
        yield invalid("spec.strategy.canary.replicaProgressThreshold.type", threshold.type, "must be Percent or Pods")
    yield from _anti_affinity_problems(canary.anti_affinity)
    yield from _routing_problems(canary)
    for index, step in enumerate(canary.steps):
        path = f"spec.strategy.steps[{index}]"
        yield from _step_problems(canary, step, path)
        if step.experiment is not None:
            weight = next((one.set_weight for one in canary.steps[index::-1] if one.set_weight is not None), 0)
            yield from _experiment_problems(canary, step.experiment, weight, f"{path}.experiment")


def _ping_pong_problems(canary: Canary) -> Iterator[Invalid]:
    services, routing = canary.ping_pong, canary.traffic_routing
    if services is None:
        return
    if routing is None or not has_router(routing, *PING_PONG_ROUTERS):
        yield invalid("spec.strategy.trafficRouting.alb", None, PING_PONG_MESSAGE)
        return
    for key, name in (("pingService", services.ping_service), ("pongService", services.pong_service)):
        if not name:
            detail = "Ping service and Pong service must to be set to use Ping-Pong feature"
            yield invalid(f"spec.strategy.pingPong.{key}", name, detail)
    if services.ping_service == services.pong_service:
        detail = "This rollout uses the same service for the ping and pong services, but two different services are required."
        yield invalid("spec.strategy.pingPong.pingService", services.ping_service, detail)
    if routing.alb is not None and not routing.alb.get("rootService"):
        detail = "Root service field is required for the configuration with ALB and ping-pong feature enabled"
        yield invalid("spec.strategy.trafficRouting.alb.rootService", "", detail)


def _amount(value: int | str) -> int:
    return value if isinstance(value, int) else int(value.rstrip("%") or "0") if value.rstrip("%").isdigit() else 0


def _routing_problems(canary: Canary) -> Iterator[Invalid]:
    routing = canary.traffic_routing
    if routing is None:
        if canary.scale_down_delay_seconds is not None:
            detail = "Canary scaleDownDelaySeconds can only be used with traffic routing"
            yield invalid("spec.strategy.scaleDownDelaySeconds", canary.scale_down_delay_seconds, detail)
        if canary.dynamic_stable_scale:
            detail = "Canary dynamicStableScale can only be used with traffic routing"
            yield invalid("spec.strategy.dynamicStableScale", True, detail)
        return
    if canary.scale_down_delay_seconds is not None and canary.dynamic_stable_scale:
        detail = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"
        yield invalid("spec.strategy.dynamicStableScale", True, detail)
    routers = tuple(read_routers(routing))
    for path, router in routers:
        if isinstance(router, str):
            yield Invalid(f"spec.strategy.canary.trafficRouting.{path}", router)
    if not routers:
        detail = f'name a router: one of {", ".join(READERS)}, or plugins."{PLUGIN}"'
        yield required("spec.strategy.canary.trafficRouting", detail)
        return
    if routing.max_traffic_weight is not None and not has_router(routing, *WEIGHT_ROUTERS):
        yield invalid("spec.strategy.canary.trafficRouting.maxTrafficWeight", routing.max_traffic_weight, MAX_WEIGHT_MESSAGE)
    if canary.ping_pong is not None or not needs_services(routing):
        return
    if not canary.stable_service:
        yield invalid("spec.strategy.stableService", canary.stable_service, SERVICES_MESSAGE)
    if not canary.canary_service:
        yield invalid("spec.strategy.canaryService", canary.canary_service, SERVICES_MESSAGE)


def _step_problems(canary: Canary, step: Step, path: str) -> Iterator[Invalid]:
    if not step.kinds:
        yield invalid(path, " ".join(f"step.{kind[0].upper()}{kind[1:]}: true" for kind in STEP_KINDS), STEP_MESSAGE)
        return
    if sum(kind in LEADING_KINDS for kind in step.kinds) > 1:
        told = (kind for kind in LEADING_KINDS if kind != "plugin" or kind in step.kinds)  # Argo Rollouts does not look at it
        named = (f"step.{k[0].upper()}{k[1:]}: {str(k in step.kinds).lower()}" for k in told)
        yield invalid(path, " ".join(named), STEP_MESSAGE)
        return
    most = max_weight(canary)
    if step.set_weight is not None and not 0 <= step.set_weight <= most:
        yield invalid(f"{path}.setWeight", step.set_weight, f"SetWeight needs to be between 0 and {most}")
    if step.pause is not None and step.pause.seconds < 0:
        yield invalid(f"{path}.pause.duration", step.pause.seconds, "Duration needs to be greater than 0")
    if step.set_canary_scale is not None and canary.traffic_routing is None:
        yield required("spec.strategy.trafficRouting", "SetCanaryScale requires TrafficRouting to be set")
    if step.analysis is not None and not step.analysis.templates:
        yield required(f"{path}.analysis.templates", "an analysis step needs at least one template")
    if step.set_header_route is not None:
        yield from _header_route_problems(canary, step, f"{path}.setHeaderRoute")
    if step.set_mirror_route is not None:
        yield from _mirror_route_problems(canary, step.set_mirror_route, f"{path}.setMirrorRoute")
    if step.plugin is not None and not step.plugin.name:
        yield required(f"{path}.plugin.name", "name the plugin, as it is declared")


def _experiment_problems(canary: Canary, step: ExperimentStep, carried: int, path: str) -> Iterator[Invalid]:
    """`carried` is the canary's own weight at this step."""
    if not step.templates:
        yield required(f"{path}.templates", "an experiment step needs at least one template")
    for index, template in enumerate(step.templates):
        yield from _variant_problems(canary, template, f"{path}.templates[{index}]")
    for field, names in (
        ("templates", [template.name for template in step.templates]),
        ("analyses", [analysis.name for analysis in step.analyses]),
    ):
        wrong = next((name for index, name in enumerate(names) if not name or name in names[:index]), None)
        if wrong is not None:
            yield invalid(f"{path}.{field}", wrong, "each needs a name of its own")
    for index, analysis in enumerate(step.analyses):
        if not analysis.template_name:
            yield required(f"{path}.analyses[{index}].templateName", "name the AnalysisTemplate to run")
    total = carried + sum(template.weight or 0 for template in step.templates)
    if total > max_weight(canary):
        detail = f"the canary's weight and those of the templates come to {total}: at most {max_weight(canary)} can be shared"
        yield invalid(f"{path}.templates", total, detail)
    if step.duration and not _is_duration(step.duration):
        yield invalid(f"{path}.duration", step.duration, "write it like 30s, 5m or 1h30m")


def _variant_problems(canary: Canary, template: StepTemplate, path: str) -> Iterator[Invalid]:
    if template.spec_ref not in SPEC_REFS:
        yield invalid(f"{path}.specRef", template.spec_ref, "must be canary or stable")
    if template.replicas is not None and template.replicas < 0:
        yield invalid(f"{path}.replicas", template.replicas, "must be greater than or equal to 0")
    if template.weight is None:
        return
    if canary.traffic_routing is None:
        yield invalid(
            f"{path}.weight", template.weight, "Experiment template weight cannot be set unless TrafficRouting is enabled"
        )
    elif not has_router(canary.traffic_routing, *EXPERIMENT_ROUTERS):
        detail = "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time"
        yield invalid(f"{path}.weight", template.weight, detail)
    elif not has_only(canary.traffic_routing, *EXPERIMENT_ROUTERS):
        what = "a weight of an experiment template beside a router other than SMI, ALB, Istio and Plugins"
        yield not_yet(f"{path}.weight", what)
    elif template.weight < 0:
        yield invalid(f"{path}.weight", template.weight, "must be greater than or equal to 0")


def _is_duration(text: str) -> bool:
    try:
        return parse_duration(text) >= 0
    except ValueError:
        return False


def _header_route_problems(canary: Canary, step: Step, path: str) -> Iterator[Invalid]:
    route, routing = step.set_header_route, canary.traffic_routing
    assert route is not None
    if routing is None or not has_router(routing, *HEADER_ROUTERS):
        yield invalid(path, route.name, "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix")
        return
    for index, match in enumerate(route.match or ()):
        yield from _match_problems(match.header_value, f"{path}.match[{index}]")
    yield from _name_problems(routing, route.name, path)


def _mirror_route_problems(canary: Canary, raw: Obj, path: str) -> Iterator[Invalid]:
    route: MirrorRoute | str = read_as(raw, MirrorRoute)
    routing = canary.traffic_routing
    if isinstance(route, str):
        yield Invalid(path, route)
    elif routing is None or not has_router(routing, *MIRROR_ROUTERS):
        yield invalid(path, route.name, "SetMirrorRoute requires TrafficRouting, supports Istio only")
    else:
        for index, match in enumerate(route.match or ()):
            given = (match.method, match.path, *(match.headers or {}).values())
            for one in filter(None, given):
                yield from _match_problems(one, f"{path}.match[{index}]")
        if route.percentage is not None and not 0 <= route.percentage <= 100:
            yield invalid(f"{path}.percentage", route.percentage, "percentage needs to be between 0 and 100")
        yield from _name_problems(routing, route.name, path)


def _name_problems(routing: TrafficRouting, name: str, path: str) -> Iterator[Invalid]:
    if routing.managed_routes is None:
        detail = "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'"
        yield required("spec.strategy.trafficRouting.managedRoutes", detail)
    elif name not in {managed.name for managed in routing.managed_routes}:
        detail = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"
        yield invalid(path, name, detail)


def _match_problems(match: StringMatch | None, path: str) -> Iterator[Invalid]:
    given = [text for text in (match.exact, match.prefix, match.regex) if text] if match else []
    if not given:
        detail = "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
        yield invalid(path, None, detail)
    elif len(given) > 1:
        yield invalid(path, given, "StringMatch match value must have exactly one of the following: exact, regex, prefix")


def max_weight(canary: Canary) -> int:
    """trafficRouting.maxTrafficWeight, else 100."""
    return (canary.traffic_routing.max_traffic_weight if canary.traffic_routing else None) or 100
