"""Reviews: questions about access, answered and never stored. Whoever is authenticated may do everything."""

from collections.abc import Callable, Mapping

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import answer_with, read_body

USER_HEADER, GROUP_HEADER = "x-remote-user", "x-remote-group"
"""How the HTTP front tells who asks; requests in this process are the administrator's."""
ADMIN, ADMIN_GROUPS = "kubernetes-admin", ("system:masters", "system:authenticated")


def _allowed(request: Request, body: Obj) -> Obj:
    return {"allowed": True, "reason": "the embedded cluster allows everything to authenticated users"}


def _rules(request: Request, body: Obj) -> Obj:
    everything = ["*"]
    resources = [{"verbs": everything, "apiGroups": everything, "resources": everything}]
    others = [{"verbs": everything, "nonResourceURLs": everything}]
    return {"resourceRules": resources, "nonResourceRules": others, "incomplete": False}


def _self(request: Request, body: Obj) -> Obj:
    groups = request.headers.get(GROUP_HEADER, "")
    return {
        "userInfo": {
            "username": request.headers.get(USER_HEADER, ADMIN),
            "groups": groups.split(",") if groups else list(ADMIN_GROUPS),
        }
    }


def _token(request: Request, body: Obj) -> Obj:
    return {"authenticated": False, "error": "the embedded cluster does not review tokens"}


_ANSWERS: Mapping[str, Callable[[Request, Obj], Obj]] = {
    "SelfSubjectAccessReview": _allowed,
    "SubjectAccessReview": _allowed,
    "LocalSubjectAccessReview": _allowed,
    "SelfSubjectRulesReview": _rules,
    "SelfSubjectReview": _self,
    "TokenReview": _token,
}


def is_review(target: Target) -> bool:
    return target.kind.kind in _ANSWERS


def answer(backend: Backend, target: Target, request: Request) -> Response:
    """The body with its status filled in."""
    kind = target.kind
    body = read_body(request, kind.api_version, kind.kind)
    body["status"] = _ANSWERS[kind.kind](request, body)
    if kind.kind == "SelfSubjectReview":
        body["metadata"] = {"creationTimestamp": rfc3339(backend.clock.now())}
    return answer_with(body, 201)
