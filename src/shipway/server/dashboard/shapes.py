"""What the dashboard answers of a Rollout: the JSON of Argo Rollouts' dashboard, and beside it what our page shows more. Pure.

The shapes are those of `pkg/apiclient/rollout/rollout.proto` (1.9), so that what was written on them goes on. Left out is
what may hold secrets: annotations, pod templates (environment values) and the providers of metrics. All that Shipway adds is
below `shipway`; fields are only ever added.
"""

from collections.abc import Iterable

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, generation_of, labels_of, metadata, name_of, namespace_of
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.view import Family, ReplicaSetView, RolloutView, RunView, created_at, owned_by, view_of
from shipway.rollouts.why import why
from shipway.server.dashboard.choices import Choice, choices
from shipway.server.dashboard.measured import (
    JobInfo,
    MetricInfo,
    MetricView,
    NonJobInfo,
    Shape,
    jobs,
    metric_infos,
    metrics,
    values,
)
from shipway.server.dashboard.progress import StepView, steps

ICONS = {
    "Healthy": "fa-check-circle", "Successful": "fa-check-circle", "Running": "fa-check-circle", "Paused": "fa-pause-circle",
    "Progressing": "fa-circle-notch", "Pending": "fa-circle-notch", "ContainerCreating": "fa-circle-notch",
    "Degraded": "fa-times-circle", "Failed": "fa-times-circle", "CrashLoopBackOff": "fa-times-circle",
    "Error": "fa-exclamation-triangle", "ScaledDown": "fa-circle", "Inconclusive": "fa-question-circle",
}  # fmt: skip
UNKNOWN_ICON = "fa-question-circle"


class Meta(Shape, frozen=True):
    """The part of ObjectMeta that tells nothing secret."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: str
    labels: dict[str, str]


class PodInfo(Shape, frozen=True):
    object_meta: Meta
    status: str
    icon: str
    ready: str
    restarts: int


class ReplicaSetInfo(Shape, frozen=True):
    """`template` is the pod template's hash."""

    object_meta: Meta
    status: str
    icon: str
    revision: int
    stable: bool
    canary: bool
    active: bool
    preview: bool
    replicas: int
    available: int
    template: str
    scale_down_deadline: str
    images: list[str]
    pods: list[PodInfo]


class AnalysisRunInfo(Shape, frozen=True):
    object_meta: Meta
    icon: str
    revision: int
    status: str
    successful: int
    failed: int
    inconclusive: int
    error: int
    jobs: list[JobInfo]
    non_job_info: list[NonJobInfo]
    metrics: list[MetricInfo]


class ContainerInfo(Shape, frozen=True):
    name: str
    image: str


class RunDetail(Shape, frozen=True):
    """One AnalysisRun as the page draws it."""

    name: str
    phase: str
    message: str
    metrics: list[MetricView]


class Ours(Shape, frozen=True):
    """What Argo's dashboard does not say: the sentence, the steps in words, what each button would do, the measurements."""

    why: str
    steps: list[StepView]
    choices: list[Choice]
    runs: list[RunDetail]


class RolloutInfo(Shape, frozen=True):
    """One Rollout; numbers that Argo sends as texts are texts."""

    object_meta: Meta
    status: str
    message: str
    icon: str
    strategy: str
    step: str
    set_weight: str
    actual_weight: str
    ready: int
    current: int
    desired: int
    updated: int
    available: int
    restarted_at: str
    generation: str
    replica_sets: list[ReplicaSetInfo]
    experiments: list[Obj]
    analysis_runs: list[AnalysisRunInfo]
    containers: list[ContainerInfo]
    steps: list[Obj]
    shipway: Ours


def info_of(family: Family, now: Instant) -> RolloutInfo:
    """Everything that is shown of a Rollout."""
    rollout, view = family.rollout, view_of(family)
    runs = owned_by(rollout, family.runs)
    return RolloutInfo(
        object_meta=_meta(rollout),
        status=view.phase,
        message=view.message,
        icon=_icon(view.phase),
        strategy=view.strategy,
        step=f"{view.step}/{view.steps}" if view.step is not None else "",
        set_weight="" if view.set_weight is None else str(view.set_weight),
        actual_weight="" if view.actual_weight is None else str(view.actual_weight),
        ready=view.replicas.ready,
        current=view.replicas.current,
        desired=view.replicas.desired,
        updated=view.replicas.updated,
        available=view.replicas.available,
        restarted_at=dig(rollout, "status", "restartedAt", default=""),
        generation=str(generation_of(rollout)),
        replica_sets=_replica_sets(family, view),
        experiments=[],
        analysis_runs=_runs(runs, view),
        containers=[ContainerInfo(one.get("name") or "", one.get("image") or "") for one in _containers(rollout)],
        steps=[plain_step(step) for step in _steps(rollout)],
        shipway=Ours(
            why(rollout, runs, now),
            steps(rollout, runs),
            choices(rollout, family.replica_sets),
            [_detail(run) for run in sorted(runs, key=created_at, reverse=True)],
        ),
    )


def acted(rollout: Obj) -> Obj:
    """What a PUT answers: the Rollout without its pod template."""
    spec = {
        key: dig(rollout, "spec", key) for key in ("replicas", "paused", "restartAt") if dig(rollout, "spec", key) is not None
    }
    status = {
        key: dig(rollout, "status", key)
        for key in ("phase", "message", "abort", "promoteFull", "currentStepIndex", "stableRS", "currentPodHash")
        if dig(rollout, "status", key) is not None
    }
    meta = {
        "name": name_of(rollout), "namespace": namespace_of(rollout), "uid": metadata(rollout).get("uid"),
        "resourceVersion": metadata(rollout).get("resourceVersion"), "generation": generation_of(rollout),
    }  # fmt: skip
    return {"metadata": meta, "spec": spec, "status": status}


def plain_step(step: Obj) -> Obj:
    """A step as written, without what plugins and arguments were given: those may be anything."""
    shown = {key: step[key] for key in ("setWeight", "pause", "setCanaryScale") if key in step}
    if analysis := step.get("analysis"):
        shown["analysis"] = {"templates": analysis.get("templates") or []}
    for key, named in (("setHeaderRoute", "name"), ("setMirrorRoute", "name"), ("plugin", "name")):
        if key in step:
            shown[key] = {named: (step[key] or {}).get(named) or ""}
    if "experiment" in step:
        templates = (step["experiment"] or {}).get("templates") or []
        shown["experiment"] = {"templates": [{"name": one.get("name"), "specRef": one.get("specRef")} for one in templates]}
    return shown


def _steps(rollout: Obj) -> Iterable[Obj]:
    return dig(rollout, "spec", "strategy", "canary", "steps", default=[]) or []


def _containers(rollout: Obj) -> Iterable[Obj]:
    return dig(rollout, "spec", "template", "spec", "containers", default=[]) or []


def _meta(obj: Obj) -> Meta:
    meta = metadata(obj)
    return Meta(
        name_of(obj), namespace_of(obj), meta.get("uid") or "", meta.get("resourceVersion") or "", created_at(obj),
        dict(labels_of(obj)),
    )  # fmt: skip


def _icon(status: str) -> str:
    return ICONS.get(status, UNKNOWN_ICON)


def _replica_sets(family: Family, view: RolloutView) -> list[ReplicaSetInfo]:
    """Newest revision first."""
    sets = {name_of(obj): obj for obj in owned_by(family.rollout, family.replica_sets)}
    pods = {name_of(obj): obj for obj in family.pods}
    return [
        _replica_set(sets[one.name], one, revision.number, pods) for revision in view.revisions for one in revision.replica_sets
    ]


def _replica_set(obj: Obj, view: ReplicaSetView, revision: int, pods: dict[str, Obj]) -> ReplicaSetInfo:
    roles = {role: role in view.roles for role in ("stable", "canary", "active", "preview")}
    containers = dig(obj, "spec", "template", "spec", "containers", default=[])
    return ReplicaSetInfo(
        object_meta=_meta(obj),
        status=view.status,
        icon=_icon(view.status),
        revision=revision,
        **roles,
        replicas=view.desired,
        available=view.available,
        template=labels_of(obj).get(HASH_LABEL, ""),
        scale_down_deadline=view.scale_down_at,
        images=[container.get("image") or "" for container in containers],
        pods=[PodInfo(_meta(pods[one.name]), one.status, _icon(one.status), one.ready, one.restarts) for one in view.pods],
    )


def _runs(runs: Iterable[Obj], view: RolloutView) -> list[AnalysisRunInfo]:
    objs = {name_of(run): run for run in runs}
    return [_run(objs[one.name], one, revision.number) for revision in view.revisions for one in revision.runs]


def _run(obj: Obj, view: RunView, revision: int) -> AnalysisRunInfo:
    return AnalysisRunInfo(
        object_meta=_meta(obj),
        icon=_icon(view.phase),
        revision=revision,
        status=view.phase,
        successful=view.successful,
        failed=view.failed,
        inconclusive=view.inconclusive,
        error=view.error,
        jobs=jobs(obj),
        non_job_info=values(obj),
        metrics=metric_infos(obj),
    )


def _detail(run: Obj) -> RunDetail:
    status = run.get("status") or {}
    return RunDetail(name_of(run), status.get("phase") or "Pending", status.get("message") or "", metrics(run))
