"""The workload that a Rollout takes over (`spec.workloadRef`): where its template comes from.

The template is read from a Deployment, a ReplicaSet or a PodTemplate at every pass and stored nowhere, so a change of the
workload is a change of the Rollout. How the workload steps aside is said in `hand_over.py`.
"""

from msgspec.structs import replace

from shipway.api.kinds import DEPLOYMENTS, POD_TEMPLATES, REPLICA_SETS
from shipway.api.rollout import RolloutSpec
from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.views import is_deleting, labels_of, spec_of
from shipway.rollouts.rollout.spec import Invalid, parse

KINDS = {("apps", "Deployment"): DEPLOYMENTS, ("apps", "ReplicaSet"): REPLICA_SETS, ("", "PodTemplate"): POD_TEMPLATES}


def workload_kind(spec: RolloutSpec) -> Resource | None:
    """The kind of the workload; None without one, or for a kind that validation refuses."""
    ref = spec.workload_ref
    return KINDS.get((split_api_version(ref.get("apiVersion") or "")[0], ref.get("kind") or "")) if ref else None


def resolved(rollout: Obj, spec: RolloutSpec, workload: Obj | None) -> RolloutSpec | Invalid:
    """The spec with the workload's template (and its selector, where the Rollout has none), checked as if it stood there."""
    ref = spec.workload_ref or {}
    kind = workload_kind(spec)
    assert kind is not None
    if workload is None or is_deleting(workload):
        group = f".{kind.group}" if kind.group else ""
        return Invalid("spec.workloadRef", f'{kind.plural}{group} "{ref.get("name", "")}" not found')
    template: Obj = (workload if kind == POD_TEMPLATES else spec_of(workload)).get("template") or {}
    selector: Obj | None = spec.selector or spec_of(workload).get("selector")
    if selector is None and kind == POD_TEMPLATES:
        selector = {"matchLabels": labels_of(template)}
    stated = parse({**rollout, "spec": {**spec_of(rollout), "template": template, "selector": selector, "workloadRef": None}})
    return stated if isinstance(stated, Invalid) else replace(stated, workload_ref=ref)
