"""The variants of an Experiment: a ReplicaSet per template, a Service where one is wished for, and how each is getting on.

Pods of an Experiment wear a hash of their own, even where a Rollout runs the same template: its Services select by hash, and
must not find pods that are only on trial.
"""

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.experiment import ExperimentTemplate, TemplateStatus
from shipway.api.kinds import REPLICA_SETS, SERVICES
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, dig, is_deleting, labels_of, name_of, namespace_of, uid_of
from shipway.kube.runtime.decision import Action, Create, Delete, Patch
from shipway.rollouts.experiment.observe import ObservedExperiment
from shipway.rollouts.rollout.names import EXPERIMENT_NAME, EXPERIMENT_TEMPLATE, HASH_LABEL, SCALE_DOWN_DEADLINE
from shipway.rollouts.rollout.replica_set import ReplicaSet, read_replica_set
from shipway.rollouts.rollout.template_hash import pod_template_hash, safe_hash

COMPLETED = ("Successful", "Failed", "Error")


class Situation(Struct, frozen=True):
    """What all variants are told: whether the Experiment is to end, and whether its time has passed."""

    is_ending: bool
    has_passed: bool
    now: Instant


class Variant(Struct, frozen=True):
    """One template in this pass: its status, what is to be done, and when to look again."""

    status: TemplateStatus
    actions: tuple[Action, ...] = ()
    wake: Instant | None = None


def plan_variant(seen: ObservedExperiment, template: ExperimentTemplate, at: Situation) -> Variant:
    """What to do about one template."""
    stored = _stored(seen, template.name)
    live = seen.replica_sets.get(template.name)
    rs = read_replica_set(live) if live is not None else None
    wanted = 0 if at.is_ending or stored.status in COMPLETED else template.replicas
    status = _assessed(seen, template, _counted(stored, rs, at.now), wanted, at)
    actions, wake = _sizes(seen, template, rs, wanted, at)
    service, status = _service(seen, template, rs, status, wanted)
    deadline = _deadline(seen, status, at.now) if status.status == "Progressing" else None
    wakes = [instant for instant in (wake, deadline) if instant is not None]
    return Variant(status, (*actions, *service), min(wakes, default=None))


def strays(seen: ObservedExperiment) -> tuple[Action, ...]:
    """What belongs to templates that the spec no longer has: nothing of it is kept."""
    known = {template.name for template in seen.spec.templates}
    return (
        *(
            Patch(REPLICA_SETS, namespace_of(rs), name_of(rs), {"spec": {"replicas": 0}}, uid=uid_of(rs))
            for name, rs in seen.replica_sets.items()
            if name not in known and dig(rs, "spec", "replicas", default=1)
        ),
        *(_removal(service) for name, service in seen.services.items() if name not in known and not is_deleting(service)),
    )


def hash_of(seen: ObservedExperiment, template: ExperimentTemplate) -> str:
    """The hash that the pods of a template wear."""
    live = seen.replica_sets.get(template.name)
    if live is not None:
        return labels_of(live).get(HASH_LABEL, "")
    pods = pod_template_hash(_plain(template), None)
    return safe_hash(f"{pods}/{uid_of(seen.experiment)}/{template.name}".encode())


def set_name(seen: ObservedExperiment, template: ExperimentTemplate) -> str:
    return f"{name_of(seen.experiment)}-{template.name}"


def _stored(seen: ObservedExperiment, name: str) -> TemplateStatus:
    return next((one for one in seen.status.template_statuses if one.name == name), TemplateStatus(name=name))


def _counted(stored: TemplateStatus, rs: ReplicaSet | None, now: Instant) -> TemplateStatus:
    """With the counts of now. The clock of the deadline starts anew whenever they move."""
    current, ready, available = (rs.current, rs.ready, rs.available) if rs is not None else (0, 0, 0)
    fresh = replace(stored, replicas=current, updated_replicas=current, ready_replicas=ready, available_replicas=available)
    return replace(fresh, last_transition_time=rfc3339(now)) if fresh != stored or not stored.last_transition_time else fresh


def _assessed(
    seen: ObservedExperiment, template: ExperimentTemplate, status: TemplateStatus, wanted: int, at: Situation
) -> TemplateStatus:
    if status.status in COMPLETED:
        return status
    for name in (set_name(seen, template), _service_name(seen, template)):
        if name in seen.refused:
            text = f"Failed to create {name} for template '{template.name}': {seen.refused[name]}"
            return replace(status, status="Error", message=text)
    if at.is_ending or (at.has_passed and wanted == status.available_replicas):
        return replace(status, status="Successful")
    if wanted == status.available_replicas:
        return replace(status, status="Running")
    if at.now >= _deadline(seen, status, at.now):
        limit = seen.spec.progress_deadline_seconds
        text = f"Template '{template.name}' exceeded its progressDeadlineSeconds ({limit})"
        return replace(status, status="Failed", message=text)
    return replace(status, status="Progressing")


def _deadline(seen: ObservedExperiment, status: TemplateStatus, now: Instant) -> Instant:
    since = parse_rfc3339(status.last_transition_time) if status.last_transition_time else now
    return Instant(since + seen.spec.progress_deadline_seconds + 0.001)


def _sizes(
    seen: ObservedExperiment, template: ExperimentTemplate, rs: ReplicaSet | None, wanted: int, at: Situation
) -> tuple[tuple[Action, ...], Instant | None]:
    if rs is None:
        return ((Create(REPLICA_SETS, _replica_set(seen, template)),) if wanted else ()), None
    if rs.deleting or rs.replicas == wanted:
        return (), None
    body: Obj = {"spec": {"replicas": wanted}}
    delay = seen.spec.scale_down_delay_seconds
    if wanted == 0 and delay:
        due = rs.deadline_at
        if due is None:
            due = Instant(at.now + delay)
            body = {"metadata": {"annotations": {SCALE_DOWN_DEADLINE: rfc3339(due)}}}
        elif due > at.now:
            return (), due
        return (_patch(seen, rs, body),), due if due > at.now else None
    return (_patch(seen, rs, body),), None


def _patch(seen: ObservedExperiment, rs: ReplicaSet, body: Obj) -> Patch:
    return Patch(REPLICA_SETS, namespace_of(seen.experiment), rs.name, body, uid=rs.uid)


def _service(
    seen: ObservedExperiment, template: ExperimentTemplate, rs: ReplicaSet | None, status: TemplateStatus, wanted: int
) -> tuple[tuple[Action, ...], TemplateStatus]:
    """The Service is there as long as pods are: it goes when the last of them has gone."""
    live = seen.services.get(template.name)
    is_over = wanted == 0 and (rs is None or (rs.replicas == 0 and rs.available == 0))
    if live is not None and (template.service is None or is_over):
        gone = () if is_deleting(live) else (_removal(live),)
        return gone, replace(status, service_name="", pod_template_hash="")
    if template.service is None or wanted == 0:
        return (), status
    if live is not None:
        return (), replace(status, service_name=name_of(live), pod_template_hash=hash_of(seen, template))
    made = _new_service(seen, template)
    return ((Create(SERVICES, made),) if made is not None else ()), status


def _removal(service: Obj) -> Delete:
    return Delete(SERVICES, namespace_of(service), name_of(service), uid=uid_of(service))


def _service_name(seen: ObservedExperiment, template: ExperimentTemplate) -> str:
    return (template.service.name if template.service is not None else "") or set_name(seen, template)


def _new_service(seen: ObservedExperiment, template: ExperimentTemplate) -> Obj | None:
    """One port for each port of the containers; None where they state none, for there is nothing to serve."""
    ports = [port for one in template.template["spec"]["containers"] for port in one.get("ports") or []]
    if not ports:
        return None
    listed = [
        {
            "port": port.get("containerPort"),
            "targetPort": port.get("containerPort"),
            "protocol": port.get("protocol") or "TCP",
            **({"name": port["name"]} if port.get("name") else {}),
        }
        for port in ports
    ]
    spec = {"selector": {HASH_LABEL: hash_of(seen, template)}, "ports": listed}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(seen, template, _service_name(seen, template)),
        "spec": spec,
    }


def _replica_set(seen: ObservedExperiment, template: ExperimentTemplate) -> Obj:
    pod_hash, pods = hash_of(seen, template), _plain(template)
    pods["metadata"]["labels"] = {**pods["metadata"]["labels"], HASH_LABEL: pod_hash}
    selector = copy_obj(template.selector or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: pod_hash}
    metadata = {**_metadata(seen, template, set_name(seen, template)), "labels": {HASH_LABEL: pod_hash}}
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": metadata,
        "spec": {
            "replicas": template.replicas,
            "minReadySeconds": template.min_ready_seconds,
            "selector": selector,
            "template": pods,
        },
    }


def _plain(template: ExperimentTemplate) -> Obj:
    """The pod template without a Rollout's hash."""
    pods = copy_obj(template.template)
    metadata = pods.setdefault("metadata", {})
    metadata["labels"] = {key: value for key, value in labels_of(pods).items() if key != HASH_LABEL}
    return pods


def _metadata(seen: ObservedExperiment, template: ExperimentTemplate, name: str) -> Obj:
    return {
        "name": name,
        "namespace": namespace_of(seen.experiment),
        "annotations": {EXPERIMENT_NAME: name_of(seen.experiment), EXPERIMENT_TEMPLATE: template.name},
        "ownerReferences": [controller_ref(seen.experiment)],
    }
