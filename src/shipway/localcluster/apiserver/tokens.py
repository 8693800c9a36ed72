"""Tokens of service accounts: signed by this server, named for an account that still is, good until they expire.

JWTs as a real server issues them, but signed with a key of our own (HS256): nobody else has to read them. `subresources/token`
issues, TokenReview and the HTTP front read.
"""

import base64
import binascii
import hashlib
import hmac

import orjson
from msgspec import Struct

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj

ISSUER = "https://kubernetes.default.svc.cluster.local"
_HEADER = {"alg": "HS256", "typ": "JWT"}


class Account(Struct, frozen=True):
    """Whom a valid token stands for."""

    namespace: str
    name: str
    uid: str
    token_id: str
    audiences: tuple[str, ...]

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> tuple[str, ...]:
        return "system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"


def issue(key: bytes, claims: Obj) -> str:
    """The signed token."""
    signed = f"{_part(orjson.dumps(_HEADER))}.{_part(orjson.dumps(claims))}"
    return f"{signed}.{_part(_signature(key, signed))}"


def read(key: bytes, token: str, now: Instant) -> Account | str:
    """The account of a token, or what is wrong with it."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_part(_signature(key, signed)).encode(), signature.encode()):
        return "invalid bearer token"
    try:
        claims = orjson.loads(_bytes(signed.partition(".")[2]))
    except (binascii.Error, orjson.JSONDecodeError):
        return "invalid bearer token"
    if claims["exp"] <= now:
        return "service account token has expired"
    holder = claims["kubernetes.io"]
    account = holder["serviceaccount"]
    return Account(holder["namespace"], account["name"], account["uid"], claims["jti"], tuple(claims["aud"]))


def _signature(key: bytes, signed: str) -> bytes:
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
