"""The EndpointSlice controller: woken by services, their slices, and pods that a service of the namespace may select."""

from collections.abc import Iterable

from shipway.api.kinds import ENDPOINT_SLICES, PODS, SERVICES
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Via, Watch
from shipway.localcluster.controllers.endpoints.decide import MANAGED_BY, MANAGER, SERVICE_NAME, decide
from shipway.localcluster.controllers.endpoints.observe import Observed, observe
from shipway.localcluster.controllers.kinds import ENDPOINTS
from shipway.localcluster.controllers.pods import by_namespace


def _service_of_slice(obj: Obj) -> Iterable[str]:
    labels = labels_of(obj)
    return (
        (f"{namespace_of(obj)}/{labels[SERVICE_NAME]}",) if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels else ()
    )


def _service_key(obj: Obj) -> Iterable[ObjectKey]:
    service = labels_of(obj).get(SERVICE_NAME)
    return (ObjectKey(namespace_of(obj), service),) if service else ()


def _one_pair(service: Obj) -> Iterable[str]:
    """Index of services: one `namespace/label=value` that all their pods have. A pod's labels find the few that fit."""
    selector: dict[str, str] = dig(service, "spec", "selector", default={})
    return tuple(f"{namespace_of(service)}/{key}={value}" for key, value in sorted(selector.items())[:1])


def _pairs(pod: Obj) -> Iterable[str]:
    return tuple(f"{namespace_of(pod)}/{key}={value}" for key, value in labels_of(pod).items())


class EndpointSliceController:
    """Keeps the endpoints of Services."""

    name = "endpointslice-controller"
    watches = (
        Watch(SERVICES, own_key, indexes={"pair": _one_pair}),
        Watch(PODS, lambda _: (), indexes={"namespace": by_namespace}, via=Via(SERVICES, "pair", _pairs)),
        Watch(ENDPOINT_SLICES, _service_key, indexes={"service": _service_of_slice}),
        Watch(ENDPOINTS, own_key),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None
