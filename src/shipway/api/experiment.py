"""The Experiment kind as Argo Rollouts users write it (`argoproj.io/v1alpha1`), as frozen structs.

As with Rollouts only what the engine reads or writes is typed, and a field of the wrong type is a `ValueError` that starts with
its path. Defaults follow Argo Rollouts 1.9.
"""

import msgspec
from msgspec import field

from shipway.api.rollout import Condition, ExperimentAnalysis, RunMetadata, Wire, read_wire
from shipway.kube.objects.resource import Obj


class TemplateService(Wire, frozen=True):
    """A Service for the pods of one template; without a name it is called as its ReplicaSet."""

    name: str = ""


class ExperimentTemplate(Wire, frozen=True):
    """One variant: so many pods of one template."""

    name: str = ""
    replicas: int = 1
    min_ready_seconds: int = 0
    selector: Obj | None = None
    template: Obj = field(default_factory=dict)
    service: TemplateService | None = None


class ExperimentSpec(Wire, frozen=True):
    """Without `duration` and required analyses it runs until somebody terminates it."""

    templates: tuple[ExperimentTemplate, ...] = ()
    analyses: tuple[ExperimentAnalysis, ...] = ()
    duration: str = ""
    progress_deadline_seconds: int = 600
    scale_down_delay_seconds: int = 30
    terminate: bool = False
    dry_run: tuple[Obj, ...] = ()
    measurement_retention: tuple[Obj, ...] = ()
    analysis_run_metadata: RunMetadata = RunMetadata()


class TemplateStatus(Wire, frozen=True):
    """`status` is Progressing, Running, Successful, Failed or Error."""

    name: str = ""
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    last_transition_time: str = ""
    status: str = ""
    message: str = ""
    service_name: str = ""
    pod_template_hash: str = ""


class AnalysisStatus(Wire, frozen=True):
    """What became of one of `spec.analyses`; `analysis_run` is the name of its run."""

    name: str = ""
    analysis_run: str = ""
    phase: str = ""
    message: str = ""


class ExperimentStatus(Wire, frozen=True):
    """`available_at`: when all templates were available first, from when on the duration counts."""

    phase: str = ""
    message: str = ""
    available_at: str = ""
    conditions: tuple[Condition, ...] = ()
    template_statuses: tuple[TemplateStatus, ...] = ()
    analysis_runs: tuple[AnalysisStatus, ...] = ()


def read_experiment(experiment: Obj) -> ExperimentSpec:
    """The typed spec. Raises ValueError that starts with the path of the field at fault."""
    return read_wire(experiment.get("spec") or {}, ExperimentSpec, "spec")


def read_experiment_status(experiment: Obj) -> ExperimentStatus:
    """The stored status; one that cannot be read (somebody else's hand) counts as none."""
    try:
        return read_wire(experiment.get("status") or {}, ExperimentStatus, "status")
    except ValueError:
        return ExperimentStatus()


def write_experiment_status(status: ExperimentStatus) -> Obj:
    """The status as JSON; counts of templates are written though they are zero."""
    wire: Obj = msgspec.to_builtins(status)
    for template in wire.get("templateStatuses", ()):
        for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
            template.setdefault(key, 0)
    return wire
