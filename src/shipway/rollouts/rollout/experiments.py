"""The Experiment of a canary's `experiment` step: made when the step begins, followed to its end, ended when it is not wanted.

It is named after its place (`<rollout>-<hash>-<revision>-<step>`), and in the status before it is made, as runs are. What it
says comes back as moves, as with AnalysisRuns: Successful ends the step, Failed and Error abort, Inconclusive holds. While it
runs, its variants may have a share of the traffic. Running it is another controller's work.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from shipway.api.kinds import EXPERIMENTS
from shipway.api.rollout import Destination, ExperimentAnalysis, ExperimentStep, RunStatus, StepTemplate
from shipway.base.clock import Instant, read_rfc3339
from shipway.base.errors import InvalidInput
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, dig, labels_of, name_of, spec_of, status_of
from shipway.kube.runtime.decision import Create
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve_arg
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import (
    HASH_LABEL,
    INSTANCE_ID_LABEL,
    PAUSE_INCONCLUSIVE_EXPERIMENT,
    REVISION,
)
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.revision import plain_template
from shipway.rollouts.rollout.runs import (
    BAD,
    Slot,
    cancel,
    forget,
    is_skipped,
    needs_new,
    phase_of_run,
    reported,
    under_free_name,
)
from shipway.rollouts.traffic.router import Entrance

SETTLING = 2.0
"""Seconds between the first moment in which all variants are available and their first share of the traffic. Their Services are
new: a gateway answers 503 for those whose endpoints it has not seen, and it hears of endpoints and routes on different ways."""


class Trial(Struct, frozen=True):
    """The Experiment of the current step, what it says, and what is to be done about all of them."""

    experiment: RunStatus | None = None
    moves: Moves = Moves()
    effects: Effects = NOTHING


def plan_trial(facts: Facts) -> Trial:
    """What the Experiments of a canary come to in this pass."""
    every = facts.seen.experiments
    if is_skipped(facts):
        return Trial(effects=cancel(facts, EXPERIMENTS, every))
    try:
        slot = _slot(facts)
    except InvalidInput as error:
        return Trial(moves=Moves(abort=f"the Experiment of step {facts.index + 1} cannot be made: {error.message}"))
    kept = name_of(slot.occupant) if slot.occupant is not None else ""
    others = [one for one in every if name_of(one) != kept]
    effects = together(_created(facts, slot), cancel(facts, EXPERIMENTS, others), forget(facts, EXPERIMENTS, others))
    phase = phase_of_run(slot.run)
    if phase in BAD and slot.run is not None:
        message = status_of(slot.run).get("message") or f"Experiment '{name_of(slot.run)}' ended as {phase}"
        return Trial(moves=Moves(abort=message), effects=effects)
    moves = Moves(add=(PAUSE_INCONCLUSIVE_EXPERIMENT,)) if phase == "Inconclusive" else Moves()
    return Trial(reported(slot.occupant), moves, together(effects, Effects(wake=_settling_until(facts, slot.run))))


def _settling_until(facts: Facts, experiment: Obj | None) -> Instant | None:
    """When the variants may have their share, where that is still to come."""
    available = read_rfc3339(status_of(experiment).get("availableAt")) if experiment is not None else None
    return Instant(available + SETTLING) if available is not None and facts.now < available + SETTLING else None


def _created(facts: Facts, slot: Slot) -> Effects:
    if slot.create is None or name_of(slot.create) != facts.status.canary.current_experiment:
        return NOTHING
    create = Create(EXPERIMENTS, slot.create)
    note = facts.note("ExperimentCreated", f"Created Experiment '{name_of(slot.create)}'")
    return acting(create, notes=((create, note),))


def current_experiment(facts: Facts) -> Obj | None:
    """The Experiment that the status names, if it is that of the current step."""
    name, base = facts.status.canary.current_experiment, _base_name(facts)
    if name != base and not name.startswith(f"{base}-"):
        return None
    return next((one for one in facts.seen.experiments if name_of(one) == name), None)


def _base_name(facts: Facts) -> str:
    return f"{facts.name}-{facts.pod_hash}-{facts.next_revision}-{facts.index}"


def _slot(facts: Facts) -> Slot:
    step = facts.step
    if step is None or step.experiment is None or facts.stable is None or facts.new is None:
        return Slot()
    current = current_experiment(facts)
    if facts.status.pause_conditions or not needs_new(facts, current):
        return Slot(run=current)
    return under_free_name(_new_experiment(facts, step.experiment, facts.stable, facts.new), facts.seen.experiments, "-")


def _new_experiment(facts: Facts, step: ExperimentStep, stable: ReplicaSet, new: ReplicaSet) -> Obj:
    """Raises InvalidInput when an argument refers to a field that is not there, or a weight to pods that cannot be reached."""
    instance = {INSTANCE_ID_LABEL: facts.seen.instance_id} if facts.seen.instance_id else {}
    sides = {"canary": new, "stable": stable}
    about = AnalysisArgs(stable.hash, new.hash, facts.rollout)
    spec: Obj = {
        "progressDeadlineSeconds": facts.spec.progress_deadline_seconds,
        "templates": [_variant(template, sides[template.spec_ref]) for template in step.templates],
        "analyses": [_analysis(analysis, about) for analysis in step.analyses],
        "duration": step.duration,
        "dryRun": list(step.dry_run),
        "analysisRunMetadata": _stated(
            labels=step.analysis_run_metadata.labels, annotations=step.analysis_run_metadata.annotations
        ),
    }
    if step.scale_down_delay_seconds is not None:
        spec["scaleDownDelaySeconds"] = step.scale_down_delay_seconds
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": EXPERIMENTS.kind,
        "metadata": {
            "name": _base_name(facts),
            "namespace": facts.namespace,
            "labels": {**labels_of(facts.rollout), HASH_LABEL: facts.pod_hash, **instance},
            "annotations": {REVISION: str(facts.next_revision)},
            "ownerReferences": [controller_ref(facts.rollout)],
        },
        "spec": _stated(**spec),
    }


def _stated(**fields: object) -> Obj:
    return {key: value for key, value in fields.items() if value not in ("", [], {})}


def _variant(template: StepTemplate, side: ReplicaSet) -> Obj:
    """One template of the Experiment: the version's pods without what marks them as the Rollout's."""
    extra, pods = template.metadata, plain_template(side)
    selector = copy_obj(template.selector or dig(side.obj, "spec", "selector", default={}))
    labels = {key: value for key, value in (selector.get("matchLabels") or {}).items() if key != HASH_LABEL}
    selector["matchLabels"] = {**labels, **extra.labels}
    worn = pods["metadata"]
    worn.pop("creationTimestamp", None)
    both = {"labels": {**worn["labels"], **extra.labels}, "annotations": {**worn["annotations"], **extra.annotations}}
    pods["metadata"] = _stated(**{**worn, **both})
    if template.weight is not None and not any(one.get("ports") for one in pods["spec"]["containers"]):
        text = f"template '{template.name}' has a weight, and no container of its pods names a port"
        raise InvalidInput(f"{text}: add containerPort to the pods' template, or take the weight away", reason="NoPort")
    variant: Obj = {"name": template.name, "selector": selector, "template": pods}
    if template.replicas is not None:
        variant["replicas"] = template.replicas
    if seconds := spec_of(side.obj).get("minReadySeconds"):
        variant["minReadySeconds"] = seconds
    if template.service is not None or template.weight is not None:
        variant["service"] = _stated(name=(template.service or {}).get("name") or "")
    return variant


def _analysis(analysis: ExperimentAnalysis, about: AnalysisArgs) -> Obj:
    made: Obj = {"name": analysis.name, "templateName": analysis.template_name}
    if analysis.cluster_scope:
        made["clusterScope"] = True
    if analysis.required_for_completion:
        made["requiredForCompletion"] = True
    if analysis.args:
        made["args"] = [resolve_arg(arg, about) for arg in analysis.args]
    return made


def shares(facts: Facts) -> tuple[Destination, ...]:
    """What the variants of the running Experiment get of the traffic, each behind its Service."""
    step, experiment = facts.step, current_experiment(facts)
    if (
        step is None
        or step.experiment is None
        or experiment is None
        or phase_of_run(experiment) != "Running"
        or _settling_until(facts, experiment) is not None
        or is_skipped(facts)
    ):
        return ()
    weights = {template.name: template.weight for template in step.experiment.templates}
    found: list[Destination] = []
    for told in status_of(experiment).get("templateStatuses") or []:
        weight, service = weights.get(told.get("name")), told.get("serviceName")
        if weight is not None and service:
            found.append(Destination(weight, service, told.get("podTemplateHash") or ""))
    return tuple(found)


def entrances(facts: Facts) -> dict[str, Entrance]:
    """Where the Services of the running variants are entered."""
    experiment = current_experiment(facts)
    if experiment is None:
        return {}
    stable = facts.seen.services.get(facts.canary.stable_service) or {}
    found: dict[str, Entrance] = {}
    for template in spec_of(experiment).get("templates") or []:
        ports = [port for one in template["template"]["spec"]["containers"] for port in one.get("ports") or []]
        if ports and isinstance(template.get("service"), dict):
            found[_service_of(experiment, template)] = _entrance(spec_of(stable).get("ports") or [], ports)
    return found


def _entrance(stable: Sequence[Obj], ports: Sequence[Obj]) -> Entrance:
    """A variant's Service has the `ports` of its containers, the `stable` one has its own.

    A port of that is answered for by the container port to which it leads; where that is not to be found out, by the one named
    http, else by the first.
    """
    by_name: dict[str, int] = {port["name"]: port["containerPort"] for port in ports if port.get("name")}
    numbers: dict[int | str, int] = {**{port["containerPort"]: port["containerPort"] for port in ports}, **by_name}
    leads: dict[int, int | str] = {port["port"]: port.get("targetPort") or port["port"] for port in stable}
    first: int = ports[0]["containerPort"]
    return Entrance(by_name.get("http", first), {port: numbers[target] for port, target in leads.items() if target in numbers})


def former_services(facts: Facts) -> frozenset[str]:
    """Services of variants, past and present, that may stand in a route."""
    weights = facts.status.canary.weights
    written = (weights.additional or ()) if weights is not None else ()
    return frozenset((*(one.service_name for one in written), *_services(facts)))


def _services(facts: Facts) -> Iterator[str]:
    for experiment in facts.seen.experiments:
        for template in spec_of(experiment).get("templates") or []:
            if isinstance(template.get("service"), dict):
                yield _service_of(experiment, template)


def _service_of(experiment: Obj, template: Obj) -> str:
    return template["service"].get("name") or f"{name_of(experiment)}-{template.get('name')}"
