"""`pods/eviction`: a delete that asks the PodDisruptionBudgets first (policy/v1)."""

from msgspec.structs import replace as with_fields

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import condition_of, is_deleting, labels_of, spec_of, status_of
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.deleting import delete
from shipway.localcluster.apiserver.options import parse_delete_options, write_options
from shipway.localcluster.apiserver.problems import Refused, bad_request, internal
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import created, read_body

_BUDGETS = ("policy", "v1", "poddisruptionbudgets")


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    options = write_options(request, "CreateOptions")
    body = read_body(request, "policy/v1", "Eviction")
    if (body["metadata"].get("name") or target.name) != target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    pod = backend.read(target.kind, target.namespace, target.name)
    how = parse_delete_options(body.get("deleteOptions") or {})
    dry_run = options.dry_run or how.dry_run
    budget = _budget_of(backend, pod)
    if budget and not _needs_no_budget(pod) and not _may_go_unhealthy(budget, pod):
        _take(backend, budget, pod, dry_run=dry_run)
    delete(backend, with_fields(target, subresource=""), with_fields(how, dry_run=dry_run))
    return created()


def _needs_no_budget(pod: Obj) -> bool:
    """Pods that are over, not started or already going do not count."""
    return status_of(pod).get("phase") in ("Succeeded", "Failed", "Pending") or is_deleting(pod)


def _may_go_unhealthy(budget: Obj, pod: Obj) -> bool:
    """A pod that is not ready may go as long as enough others are, or always if the budget says so."""
    ready = condition_of(pod, "Ready")
    if ready is not None and ready.get("status") == "True":
        return False
    if spec_of(budget).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = status_of(budget)
    wanted = status.get("desiredHealthy") or 0
    return wanted > 0 and (status.get("currentHealthy") or 0) >= wanted


def _budget_of(backend: Backend, pod: Obj) -> Obj | None:
    kind = backend.registry.find(*_BUDGETS)
    assert kind is not None
    budgets = backend.records_in(kind, pod["metadata"]["namespace"])
    found = [b for b in budgets if label_selector_of(spec_of(b).get("selector")).matches(labels_of(pod))]
    if len(found) > 1:
        raise internal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
    return found[0] if found else None


def _take(backend: Backend, budget: Obj, pod: Obj, *, dry_run: bool) -> None:
    """Takes one disruption from the budget. Raises Refused(429) when there is none left."""
    name, status = budget["metadata"]["name"], status_of(budget)
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise _later(text, {"retryAfterSeconds": 10}, "10")
    if (status.get("disruptionsAllowed") or 0) < 1:
        healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        text = f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
        raise _later(text, {}, "")
    if dry_run:
        return
    taken = dict(status.get("disruptedPods") or {}) | {pod["metadata"]["name"]: pod["metadata"]["creationTimestamp"]}
    budget["status"] = {**status, "disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": taken}
    backend.store.commit(("policy", "poddisruptionbudgets"), budget)


def _later(cause: str, details: Obj, retry_after: str) -> Refused:
    details = {**details, "causes": [{"reason": "DisruptionBudget", "message": cause}]}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return Refused(
        429, "TooManyRequests", message, details=details, headers={"retry-after": retry_after} if retry_after else {}
    )
