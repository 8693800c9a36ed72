"""Keeping pods of the new version off the nodes of the stable one (`antiAffinity`): a rule injected into the ReplicaSet.

The rule names the stable hash and stands among the user's own pod anti-affinity terms; it is no change of the template, so
it is taken out again before templates are compared.
"""

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, dig
from shipway.rollouts.rollout.names import HASH_LABEL

REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def affinity_with_rule(template: Obj, wanted: Obj, stable_hash: str, namespace: str) -> Obj:
    """The template's affinity, and the rule that keeps its pods away from those of `stable_hash`."""
    affinity = copy_obj(dig(template, "spec", "affinity", default={}))
    terms = affinity.setdefault("podAntiAffinity", {})
    rule = {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": [stable_hash]}]},
        "namespaces": [namespace],
        "topologyKey": "kubernetes.io/hostname",
    }
    if wanted.get(PREFERRED) is not None:
        terms[PREFERRED] = [*terms.get(PREFERRED, []), {"weight": wanted[PREFERRED].get("weight", 0), "podAffinityTerm": rule}]
    else:
        terms[REQUIRED] = [*terms.get(REQUIRED, []), rule]
    return affinity


def without_rule(template: Obj) -> Obj:
    """The template as its Rollout stated it: without injected rules, and without what was made only to hold them."""
    if not injected_hashes(template):
        return template
    template = copy_obj(template)
    affinity = template["spec"]["affinity"]
    terms = affinity["podAntiAffinity"]
    kept = {kind: [term for term in terms.get(kind) or [] if not _named(term)] for kind in (REQUIRED, PREFERRED)}
    affinity["podAntiAffinity"] = {kind: left for kind, left in kept.items() if left}
    template["spec"]["affinity"] = {kind: value for kind, value in affinity.items() if value}
    return template


def injected_hashes(template: Obj) -> set[str]:
    """The stable hashes that injected rules keep away from."""
    terms = dig(template, "spec", "affinity", "podAntiAffinity", default={})
    return {pod_hash for kind in (REQUIRED, PREFERRED) for term in terms.get(kind) or [] for pod_hash in _named(term)}


def _named(term: Obj) -> set[str]:
    expressions = dig(term.get("podAffinityTerm") or term, "labelSelector", "matchExpressions", default=[])
    return {value for one in expressions if one.get("key") == HASH_LABEL for value in one.get("values") or []}
