"""`serviceaccounts/token`: a token that names its service account and expires."""

from shipway.base.clock import rfc3339
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.problems import FieldProblem, Named, invalid, invalid_value
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import answer_with, read_body
from shipway.localcluster.apiserver.tokens import ISSUER, issue

_DEFAULT_SECONDS = 3600
_LEAST_SECONDS, _MOST_SECONDS = 600, 1 << 32
_WHAT = Named("authentication.k8s.io", "", "TokenRequest", "")


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    account = backend.read(target.kind, target.namespace, target.name)
    body = read_body(request, "authentication.k8s.io/v1", "TokenRequest")
    spec = body["spec"]
    seconds = spec.get("expirationSeconds") or _DEFAULT_SECONDS
    if problems := _problems(seconds):
        raise invalid(_WHAT, problems)
    audiences = spec.get("audiences") or [ISSUER]
    now = backend.clock.now()
    claims = {
        "aud": audiences,
        "exp": int(now + seconds),
        "iat": int(now),
        "iss": ISSUER,
        "jti": backend.ids.uid(),
        "sub": f"system:serviceaccount:{target.namespace}:{target.name}",
        "kubernetes.io": {
            "namespace": target.namespace,
            "serviceaccount": {"name": target.name, "uid": account["metadata"]["uid"]},
        },
    }
    answer_body = {
        **body,
        "metadata": {"name": target.name, "namespace": target.namespace, "creationTimestamp": rfc3339(now)},
        "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": issue(backend.signing_key, claims), "expirationTimestamp": rfc3339(now + seconds)},
    }
    return answer_with(answer_body, 201)


def _problems(seconds: int) -> list[FieldProblem]:
    if seconds < _LEAST_SECONDS:
        return [invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _MOST_SECONDS:
        return [invalid_value("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
