"""The frozen snapshot that one pass over an Experiment decides on: what it owns, and the templates of its analyses."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shipway.api.experiment import ExperimentSpec, ExperimentStatus, read_experiment, read_experiment_status
from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, SERVICES
from shipway.api.rollout import TemplateRef
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.rollouts.experiment.spec import problem_of
from shipway.rollouts.rollout.names import EXPERIMENT_TEMPLATE, INSTANCE_ID_LABEL
from shipway.rollouts.rollout.observe import BY_OWNER, templates_of


class ObservedExperiment(Struct, frozen=True):
    """`replica_sets` and `services` by the name of their template, `runs` by their own.

    `problem`: why the spec cannot be run. `refused`: what could not be created, by name, with the reason.
    """

    experiment: Obj
    spec: ExperimentSpec
    status: ExperimentStatus
    problem: str = ""
    replica_sets: Mapping[str, Obj] = {}
    services: Mapping[str, Obj] = {}
    runs: Mapping[str, Obj] = {}
    templates: Mapping[TemplateRef, Obj | None] = {}
    instance_id: str = ""
    refused: Mapping[str, str] = {}


def observe(key: ObjectKey, world: World, instance_id: str) -> ObservedExperiment | None:
    """None: the Experiment is gone, or belongs to a controller with another instance id."""
    experiment = world.get(EXPERIMENTS, key.namespace, key.name)
    if experiment is None or labels_of(experiment).get(INSTANCE_ID_LABEL, "") != instance_id:
        return None
    status, uid = read_experiment_status(experiment), uid_of(experiment)
    try:
        spec = read_experiment(experiment)
    except ValueError as error:
        spec, problem = ExperimentSpec(), str(error)
    else:
        problem = problem_of(spec, key.name)
    refs = [TemplateRef(analysis.template_name, analysis.cluster_scope) for analysis in spec.analyses]
    return ObservedExperiment(
        experiment=experiment,
        spec=spec,
        status=status,
        problem=problem,
        replica_sets=_by_template(world.indexed(REPLICA_SETS, BY_OWNER, uid)),
        services=_by_template(world.indexed(SERVICES, BY_OWNER, uid)),
        runs={name_of(run): run for run in world.indexed(ANALYSIS_RUNS, BY_OWNER, uid)},
        templates=templates_of(world, key.namespace, refs),
        instance_id=instance_id,
    )


def _by_template(objs: Iterable[Obj]) -> dict[str, Obj]:
    return {annotations_of(obj).get(EXPERIMENT_TEMPLATE, ""): obj for obj in objs}
