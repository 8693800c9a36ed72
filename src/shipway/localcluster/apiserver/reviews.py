"""Reviews: questions about access, answered and never stored. Whoever is authenticated may do everything."""

from collections.abc import Callable, Mapping

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import IMPERSONATE_USER, Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.problems import FieldProblem, Named, bad_request, invalid, invalid_value
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import answer_with, read_body
from shipway.localcluster.apiserver.tokens import ISSUER, Account, read

USER_HEADER, GROUP_HEADER = "x-remote-user", "x-remote-group"
"""How the HTTP front tells who asks; requests in this process are the administrator's."""
ADMIN, ADMIN_GROUPS = "kubernetes-admin", ("system:masters", "system:authenticated")
_ACCOUNT = "system:serviceaccount:"
_ACCESS = Named("authorization.k8s.io", "", "", "")
"""What an answer about a malformed question is about: a real server names neither kind nor object."""


def account_of(backend: Backend, token: str) -> Account | str:
    """The service account that a token stands for now, or why it stands for none."""
    found = read(backend.signing_key, token, backend.clock.now())
    if isinstance(found, str):
        return found
    record = backend.store.get(("", "serviceaccounts"), found.namespace, found.name)
    if record is None or record.uid != found.uid:
        return "service account has been deleted"
    return found


def _allowed(backend: Backend, request: Request, body: Obj) -> Obj:
    if problems := _access_problems(body):
        raise invalid(_ACCESS, problems)
    return {"allowed": True, "reason": "the embedded cluster allows everything to authenticated users"}


def _access_problems(body: Obj) -> list[FieldProblem]:
    spec = body.get("spec") or {}
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid_value("spec.resourceAttributes", None, text)]
    problems: list[FieldProblem] = []
    if resource is not None and other is not None:
        shown = {"Path": other.get("path", ""), "Verb": other.get("verb", "")}
        text = "cannot be specified in combination with resourceAttributes"
        problems.append(invalid_value("spec.nonResourceAttributes", shown, text))
    if body["kind"] != "SelfSubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        problems.append(invalid_value("spec.user", "", "at least one of user or group must be specified"))
    namespace = dig(body, "metadata", "namespace", default="")
    if body["kind"] == "LocalSubjectAccessReview" and resource and resource.get("namespace", "") != namespace:
        found = resource.get("namespace", "")
        problems.append(invalid_value("spec.resourceAttributes.namespace", found, "must match metadata.namespace"))
    return problems


def _rules(backend: Backend, request: Request, body: Obj) -> Obj:
    if not dig(body, "spec", "namespace", default=""):
        raise bad_request("no namespace on request")
    body["spec"] = {}
    everything = ["*"]
    resources = [{"verbs": everything, "apiGroups": everything, "resources": everything}]
    others = [{"verbs": everything, "nonResourceURLs": everything}]
    return {"resourceRules": resources, "nonResourceRules": others, "incomplete": False}


def _self(backend: Backend, request: Request, body: Obj) -> Obj:
    body["metadata"] = {"creationTimestamp": rfc3339(backend.clock.now())}
    name, groups = _who_asks(request)
    return {"userInfo": {"username": name, "groups": groups}}


def _who_asks(request: Request) -> tuple[str, list[str]]:
    """Name and groups; those of somebody else where whoever asks says so."""
    name = request.headers.get(IMPERSONATE_USER, "")
    if name.startswith(_ACCOUNT):
        namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
        return name, ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    if name:
        return name, ["system:authenticated"]
    groups = request.headers.get(GROUP_HEADER, "")
    return request.headers.get(USER_HEADER, ADMIN), groups.split(",") if groups else list(ADMIN_GROUPS)


def _token(backend: Backend, request: Request, body: Obj) -> Obj:
    spec = body.get("spec") or {}
    if not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    found = account_of(backend, spec["token"])
    if isinstance(found, str):
        return {"user": {}, "error": f"[{found}]"}
    wanted = spec.get("audiences") or [ISSUER]
    heard = [audience for audience in wanted if audience in found.audiences]
    if not heard:
        return {"user": {}, "error": f"[invalid bearer token, token audiences {list(found.audiences)} is invalid]"}
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={found.token_id}"]}
    user = {"username": found.user, "uid": found.uid, "groups": list(found.groups), "extra": extra}
    return {"authenticated": True, "user": user, "audiences": heard}


_ANSWERS: Mapping[str, Callable[[Backend, Request, Obj], Obj]] = {
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
    """The body with its status filled in. Raises Refused."""
    kind = target.kind
    body = read_body(request, kind.api_version, kind.kind)
    body["status"] = _ANSWERS[kind.kind](backend, request, body)
    return answer_with(body, 201)
