"""What a Service's pass looks at: the service, the pods it selects, and the slices and Endpoints it has."""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.kinds import ENDPOINT_SLICES, PODS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import matches_labels
from shipway.kube.objects.views import dig, labels_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.localcluster.controllers.kinds import ENDPOINTS


class Observed(Struct, frozen=True):
    """`slices` are those our controller keeps, whatever they hold."""

    service: Obj
    pods: tuple[Obj, ...] = ()
    slices: tuple[Obj, ...] = ()
    endpoints: Obj | None = None


def selected_label(service: Obj) -> Iterable[str]:
    """Index of services: one label (`namespace/key=value`) that all their pods have. It finds the few that may fit."""
    selector: dict[str, str] = dig(service, "spec", "selector", default={})
    return tuple(f"{namespace_of(service)}/{key}={value}" for key, value in sorted(selector.items())[:1])


def observe(key: ObjectKey, world: World) -> Observed | None:
    service = world.get(SERVICES, key.namespace, key.name)
    if service is None:
        return None
    selector: dict[str, str] = dig(service, "spec", "selector", default={})
    some = (pod for label in selected_label(service) for pod in world.indexed(PODS, "label", label))
    pods = (pod for pod in some if matches_labels(selector, labels_of(pod)))
    slices = world.indexed(ENDPOINT_SLICES, "service", f"{key.namespace}/{key.name}")
    return Observed(service, tuple(pods), tuple(slices), world.get(ENDPOINTS, key.namespace, key.name))
