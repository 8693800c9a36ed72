"""`serviceaccounts/token`: a token that names its service account and expires. It is opaque: nothing here accepts it yet."""

import base64

import orjson

from shipway.base.clock import rfc3339
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import answer_with, read_body

ISSUER = "https://kubernetes.default.svc.cluster.local"
_DEFAULT_SECONDS = 3600
_LEAST_SECONDS = 600


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    account = backend.read(target.kind, target.namespace, target.name)
    body = read_body(request, "authentication.k8s.io/v1", "TokenRequest")
    spec = body["spec"]
    seconds = max(spec.get("expirationSeconds") or _DEFAULT_SECONDS, _LEAST_SECONDS)
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
    token = ".".join((_part({"alg": "none", "typ": "JWT"}), _part(claims), ""))
    answer_body = {
        **body,
        "metadata": {"name": target.name, "namespace": target.namespace, "creationTimestamp": rfc3339(now)},
        "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": rfc3339(now + seconds)},
    }
    return answer_with(answer_body, 201)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()
