"""What subresource handlers share: their body in normal form, their answer."""

import orjson

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.gotypes import WrongType, normal_form
from shipway.localcluster.apiserver.negotiation import decode_body
from shipway.localcluster.apiserver.problems import bad_request


def read_body(request: Request, api_version: str, kind: str) -> Obj:
    """The body as a built-in kind. Raises Refused(400)."""
    body = decode_body(request.body, request.headers.get("content-type", ""), api_version, kind) if request.body else {}
    if not isinstance(body, dict):
        raise bad_request(f"the body must be a {kind} object")
    found = body.get("kind") or kind
    if found != kind:
        raise bad_request(f"{found} cannot be handled as a {kind}")
    try:
        return normal_form(body, api_version, kind)
    except WrongType as error:
        raise bad_request(f"{kind} cannot be read: {error}") from None


def answer_with(obj: Obj, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, orjson.dumps(obj))


def created() -> Response:
    """The Status of an action that leaves nothing to show."""
    return answer_with({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)
