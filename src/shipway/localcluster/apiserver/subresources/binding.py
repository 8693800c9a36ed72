"""`pods/binding`: the scheduler's word on which node runs a pod."""

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import is_deleting, spec_of
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.options import write_options
from shipway.localcluster.apiserver.problems import Named, Refused, conflict, invalid, invalid_value
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import created, read_body


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    options = write_options(request, "CreateOptions")
    body = read_body(request, "v1", "Binding")
    node = (body.get("target") or {}).get("name") or ""
    what = target.kind.named(target.name)
    if not node:
        raise Refused(500, "", "Required value: target.name")
    if (body["target"].get("kind") or "Node") != "Node":
        raise invalid(what, [invalid_value("target.kind", body["target"]["kind"], "must be Node")])
    pod = backend.read(target.kind, target.namespace, target.name)
    what = Named("", "pods/binding", "Binding", target.name)
    if is_deleting(pod):
        raise conflict(what, f"pod {target.name} is being deleted, cannot be assigned to a host")
    if spec_of(pod).get("nodeName"):
        raise conflict(what, f'pod {target.name} is already assigned to node "{spec_of(pod)["nodeName"]}"')
    if not options.dry_run:
        _bind(backend, target, pod, node)
    return created()


def _bind(backend: Backend, target: Target, pod: Obj, node: str) -> None:
    pod["spec"]["nodeName"] = node
    status = pod.setdefault("status", {})
    others = [c for c in status.get("conditions") or [] if c.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None,
                 "lastTransitionTime": rfc3339(backend.clock.now())}  # fmt: skip
    status["conditions"] = [*others, scheduled]
    backend.store.commit(target.kind.shelf, pod)
