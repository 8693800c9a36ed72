"""The EndpointSlice controller: woken by services, their slices, and pods that a service of the namespace may select."""

from collections.abc import Iterable

from shipway.api.kinds import ENDPOINT_SLICES, PODS, SERVICES
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch
from shipway.localcluster.controllers.endpoints.decide import MANAGED_BY, MANAGER, SERVICE_NAME, decide
from shipway.localcluster.controllers.endpoints.observe import Observed, observe, selected_label
from shipway.localcluster.controllers.kinds import ENDPOINTS
from shipway.localcluster.controllers.pods import by_label


def _service_of_slice(obj: Obj) -> Iterable[str]:
    labels = labels_of(obj)
    is_ours = labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels
    return (f"{namespace_of(obj)}/{labels[SERVICE_NAME]}",) if is_ours else ()


def _service_key(obj: Obj) -> Iterable[ObjectKey]:
    service = labels_of(obj).get(SERVICE_NAME)
    return (ObjectKey(namespace_of(obj), service),) if service else ()


def _services_of_pod(pod: Obj) -> Iterable[Indexed]:
    return tuple(Indexed(SERVICES, "selected label", label) for label in by_label(pod))


class EndpointSliceController:
    """Keeps the endpoints of Services."""

    name = "endpointslice-controller"
    watches = (
        Watch(SERVICES, own_key, indexes={"selected label": selected_label}),
        Watch(PODS, _services_of_pod, indexes={"label": by_label}),
        Watch(ENDPOINT_SLICES, _service_key, indexes={"service": _service_of_slice}),
        Watch(ENDPOINTS, own_key),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None
