"""The Rollout kind as Argo Rollouts users write it (`argoproj.io/v1alpha1`), as frozen structs.

Only what the engine reads or writes is typed; unknown fields are ignored on the way in and never touched on the way out,
because all writes are merge patches. Defaults follow Argo Rollouts 1.9. A field of the wrong type is a `ValueError` whose
text starts with the field's path, so that it can stand in an InvalidSpec condition as it is.
"""

from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, field

from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Obj

T = TypeVar("T")


class Wire(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A struct that is read from and written to Kubernetes JSON."""


class StringMatch(Wire, frozen=True):
    exact: str = ""
    prefix: str = ""
    regex: str = ""


class HeaderMatch(Wire, frozen=True):
    header_name: str = ""
    header_value: StringMatch | None = None


class SetHeaderRoute(Wire, frozen=True):
    name: str = ""
    match: tuple[HeaderMatch, ...] | None = None


class SetCanaryScale(Wire, frozen=True):
    replicas: int | None = None
    weight: int | None = None
    match_traffic_weight: bool = False


class Pause(Wire, frozen=True):
    """`duration` is seconds as a number or numeric string, or a Go duration; without one the pause waits for a person."""

    duration: int | str | None = None

    @property
    def seconds(self) -> int:
        """Whole seconds; 0 without a duration, -1 for text that is no duration (which validation refuses)."""
        if self.duration is None:
            return 0
        if isinstance(self.duration, int):
            return self.duration
        try:
            return int(self.duration)
        except ValueError:
            pass
        try:
            return int(parse_duration(self.duration))
        except ValueError:
            return -1


class TemplateRef(Wire, frozen=True):
    template_name: str = ""
    cluster_scope: bool = False


class RunMetadata(Wire, frozen=True):
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class RolloutAnalysis(Wire, frozen=True):
    """Which templates make a run, and with what. `args`, `dry_run` and `measurement_retention` stay as they are written."""

    templates: tuple[TemplateRef, ...] = ()
    args: tuple[Obj, ...] = ()
    dry_run: tuple[Obj, ...] = ()
    measurement_retention: tuple[Obj, ...] = ()
    analysis_run_metadata: RunMetadata = RunMetadata()
    starting_step: int | None = None


class ExperimentAnalysis(Wire, frozen=True):
    """One run; `required_for_completion` says that its end is the Experiment's."""

    name: str = ""
    template_name: str = ""
    cluster_scope: bool = False
    args: tuple[Obj, ...] = ()
    required_for_completion: bool = False


class StepTemplate(Wire, frozen=True):
    """One variant of an experiment step: pods of the `canary` or the `stable` version, with `weight` percent of the traffic."""

    name: str = ""
    spec_ref: str = ""
    replicas: int | None = None
    metadata: RunMetadata = RunMetadata()
    selector: Obj | None = None
    weight: int | None = None
    service: Obj | None = None


class ExperimentStep(Wire, frozen=True):
    """What the Experiment of a step is made of."""

    templates: tuple[StepTemplate, ...] = ()
    duration: str = ""
    analyses: tuple[ExperimentAnalysis, ...] = ()
    dry_run: tuple[Obj, ...] = ()
    analysis_run_metadata: RunMetadata = RunMetadata()
    scale_down_delay_seconds: int | None = None


class PluginStep(Wire, frozen=True):
    """A step that a plugin of this name does; `config` is for it alone."""

    name: str = ""
    config: Obj | None = None


class Step(Wire, frozen=True):
    """One step of a canary: at most one of weight, pause, analysis, experiment and plugin; scale and routes alone or beside."""

    set_weight: int | None = None
    pause: Pause | None = None
    set_canary_scale: SetCanaryScale | None = None
    analysis: RolloutAnalysis | None = None
    set_header_route: SetHeaderRoute | None = None
    set_mirror_route: Obj | None = None
    experiment: ExperimentStep | None = None
    plugin: PluginStep | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that this step names, in the spelling of the manifest."""
        return tuple(wire for wire, name in STEP_KINDS.items() if getattr(self, name) is not None)


STEP_KINDS = {
    "experiment": "experiment",
    "pause": "pause",
    "setWeight": "set_weight",
    "analysis": "analysis",
    "plugin": "plugin",
    "setCanaryScale": "set_canary_scale",
    "setHeaderRoute": "set_header_route",
    "setMirrorRoute": "set_mirror_route",
}


class ManagedRoute(Wire, frozen=True):
    name: str = ""


class TrafficRouting(Wire, frozen=True):
    plugins: dict[str, Any] = field(default_factory=dict)
    managed_routes: tuple[ManagedRoute, ...] | None = None
    max_traffic_weight: int | None = None
    istio: Obj | None = None
    nginx: Obj | None = None
    alb: Obj | None = None
    smi: Obj | None = None
    ambassador: Obj | None = None
    app_mesh: Obj | None = None
    traefik: Obj | None = None
    apisix: Obj | None = None


class PodMetadata(Wire, frozen=True):
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class ProgressThreshold(Wire, frozen=True):
    """How many pods of the new version are enough to go on: `value` Percent or Pods."""

    type: str = ""
    value: int = 0


class PingPong(Wire, frozen=True):
    """Two services that take turns at being the stable one."""

    ping_service: str = ""
    pong_service: str = ""


class Canary(Wire, frozen=True):
    canary_service: str = ""
    stable_service: str = ""
    steps: tuple[Step, ...] = ()
    traffic_routing: TrafficRouting | None = None
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"
    analysis: RolloutAnalysis | None = None
    canary_metadata: PodMetadata | None = None
    stable_metadata: PodMetadata | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    dynamic_stable_scale: bool = False
    min_pods_per_replica_set: int | None = None
    ping_pong: PingPong | None = None
    anti_affinity: Obj | None = None
    replica_progress_threshold: ProgressThreshold | None = None


class BlueGreen(Wire, frozen=True):
    active_service: str = ""
    preview_service: str = ""
    auto_promotion_enabled: bool | None = None
    auto_promotion_seconds: int = 0
    preview_replica_count: int | None = None
    pre_promotion_analysis: RolloutAnalysis | None = None
    post_promotion_analysis: RolloutAnalysis | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    active_metadata: PodMetadata | None = None
    preview_metadata: PodMetadata | None = None
    anti_affinity: Obj | None = None
    max_unavailable: int | str = "25%"


class Strategy(Wire, frozen=True):
    canary: Canary | None = None
    blue_green: BlueGreen | None = None


class HistoryLimits(Wire, frozen=True):
    successful_run_history_limit: int = 5
    unsuccessful_run_history_limit: int = 5


class RollbackWindow(Wire, frozen=True):
    revisions: int = 0


class RolloutSpec(Wire, frozen=True):
    replicas: int | None = None
    selector: Obj | None = None
    template: Obj = field(default_factory=dict)
    workload_ref: Obj | None = None
    strategy: Strategy = Strategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    paused: bool = False
    progress_deadline_seconds: int = 600
    progress_deadline_abort: bool = False
    restart_at: str = ""
    rollback_window: RollbackWindow | None = None
    analysis: HistoryLimits = HistoryLimits()


class PauseCondition(Wire, frozen=True, omit_defaults=False):
    reason: str
    start_time: str


class Condition(Wire, frozen=True, omit_defaults=False):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_update_time: str = ""
    last_transition_time: str = ""


class RunStatus(Wire, frozen=True, omit_defaults=False):
    """What a Rollout's status says of one of its AnalysisRuns."""

    name: str
    status: str = ""
    message: str = ""


class Destination(Wire, frozen=True):
    weight: int = 0
    service_name: str = ""
    pod_template_hash: str = ""


class Weights(Wire, frozen=True, omit_defaults=False):
    canary: Destination
    stable: Destination
    additional: tuple[Destination, ...] | None = None
    verified: bool | None = None


class StepPluginStatus(Wire, frozen=True):
    """One operation of a step's plugin: Run, Terminate or Abort. `backoff`: until it is run again. `status`: its own notes."""

    index: int
    name: str
    operation: str = ""
    phase: str = ""
    message: str = ""
    started_at: str = ""
    updated_at: str = ""
    finished_at: str = ""
    backoff: str = ""
    executions: int = 0
    disabled: bool = False
    status: Obj | None = None


class CanaryStatus(Wire, frozen=True):
    weights: Weights | None = None
    current_step_analysis_run_status: RunStatus | None = None
    current_background_analysis_run_status: RunStatus | None = None
    stable_ping_pong: str = ""
    current_experiment: str = ""
    step_plugin_statuses: tuple[StepPluginStatus, ...] = ()


class BlueGreenStatus(Wire, frozen=True):
    active_selector: str = ""
    preview_selector: str = ""
    scale_up_preview_check_point: bool = False
    pre_promotion_analysis_run_status: RunStatus | None = None
    post_promotion_analysis_run_status: RunStatus | None = None


class RolloutStatus(Wire, frozen=True):
    abort: bool = False
    aborted_at: str | None = None
    available_replicas: int = 0
    blue_green: BlueGreenStatus = BlueGreenStatus()
    canary: CanaryStatus = CanaryStatus()
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()
    controller_pause: bool = False
    current_pod_hash: str = ""
    current_step_hash: str = ""
    current_step_index: int | None = None
    hpa_replicas: int = field(default=0, name="HPAReplicas")
    message: str = ""
    observed_generation: str = ""
    pause_conditions: tuple[PauseCondition, ...] = ()
    phase: str = ""
    promote_full: bool = False
    ready_replicas: int = 0
    replicas: int = 0
    restarted_at: str | None = None
    selector: str = ""
    stable_rs: str = field(default="", name="stableRS")
    updated_replicas: int = 0
    workload_observed_generation: str = ""


def read_spec(rollout: Obj) -> RolloutSpec:
    """The typed spec. Raises ValueError ("spec.replicas: Expected `int | null`, got `str`") when a field has another type."""
    return read_wire(rollout.get("spec") or {}, RolloutSpec, "spec")


def read_status(rollout: Obj) -> RolloutStatus:
    """The typed status; `{}` reads as the status of a Rollout that nobody has looked at yet. Raises ValueError."""
    return read_wire(rollout.get("status") or {}, RolloutStatus, "status")


def write_status(status: RolloutStatus) -> Obj:
    """The status as JSON; empty `canary` and `blueGreen` are written as Argo Rollouts writes them."""
    wire: Obj = msgspec.to_builtins(status)
    wire.setdefault("canary", {})
    wire.setdefault("blueGreen", {})
    weights = wire["canary"].get("weights")
    if weights is not None:
        for key in ("additional", "verified"):
            if weights.get(key) is None:
                weights.pop(key, None)
        for side in ("canary", "stable"):
            weights[side].setdefault("weight", 0)
    for run in _run_statuses(wire):
        if not run["message"]:
            del run["message"]
    return wire


def _run_statuses(wire: Obj) -> list[Obj]:
    places = (
        ("canary", "currentStepAnalysisRunStatus"),
        ("canary", "currentBackgroundAnalysisRunStatus"),
        ("blueGreen", "prePromotionAnalysisRunStatus"),
        ("blueGreen", "postPromotionAnalysisRunStatus"),
    )
    return [wire[parent][key] for parent, key in places if wire[parent].get(key) is not None]


def read_wire(raw: Any, kind: type[T], path: str) -> T:
    """`raw`, found at `path`, as a struct. Raises ValueError that starts with the path of the field at fault."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        pass  # most often for a null, which counts as absent: without them it is read again
    try:
        return msgspec.convert(_without_nulls(raw), kind)
    except msgspec.ValidationError as error:
        text = str(error)
        what, _, where = text.partition(" - at `$")
        raise ValueError(f"{path}{where.rstrip('`')}: {what}") from None


def _without_nulls(value: Any) -> Any:
    """A null is an absent field."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in cast(Obj, value).items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in cast(list[Any], value)]
    return value
