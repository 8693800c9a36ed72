"""What a PodDisruptionBudget's pass looks at: the budget, the pods it covers, and how many there should be of them."""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import controller_of, dig, labels_of, namespace_of, spec_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.localcluster.controllers.kinds import POD_DISRUPTION_BUDGETS
from shipway.localcluster.controllers.pods import is_finished


class Observed(Struct, frozen=True):
    """`scales`: the wanted replicas of each controller of the pods, by its uid; None where it cannot be known."""

    budget: Obj
    pods: tuple[Obj, ...] = ()
    scales: dict[str, int | None] = {}


def observe(key: ObjectKey, world: World) -> Observed | None:
    budget = world.get(POD_DISRUPTION_BUDGETS, key.namespace, key.name)
    if budget is None:
        return None
    selector = label_selector_of(spec_of(budget).get("selector"))
    here = world.indexed(PODS, "namespace", key.namespace)
    pods = tuple(pod for pod in here if selector.matches(labels_of(pod)) and not is_finished(pod))
    return Observed(budget, pods, dict(_scales(pods, world)))


def _scales(pods: Iterable[Obj], world: World) -> Iterable[tuple[str, int | None]]:
    seen: set[str] = set()
    for pod in pods:
        owner = controller_of(pod)
        if owner is None or owner["uid"] in seen:
            continue
        seen.add(owner["uid"])
        yield _scale(owner, namespace_of(pod), world)


def _scale(owner: Obj, namespace: str, world: World) -> tuple[str, int | None]:
    """The pods of a Deployment's sets count once, as the deployment's."""
    kinds = {"ReplicaSet": REPLICA_SETS, "StatefulSet": STATEFUL_SETS}
    resource = kinds.get(owner.get("kind") or "")
    found = world.get(resource, namespace, owner["name"]) if resource else None
    if found is None:
        return owner["uid"], None
    above = controller_of(found)
    if above and above.get("kind") == "Deployment":
        deployment = world.get(DEPLOYMENTS, namespace, above["name"])
        return above["uid"], dig(deployment, "spec", "replicas", default=1) if deployment else None
    return owner["uid"], dig(found, "spec", "replicas", default=1)
