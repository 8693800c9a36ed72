"""Checks AWS signatures: worked out from the documents (docs.aws.amazon.com), not by our own code."""

import hashlib
import hmac

from aiohttp import web

KEYS = {"AKIDSHOP": ("kX/secret+hush", ""), "ASIASHOP": ("temporary/hush", "token/hush==")}
"""Secret and session token by key id."""


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def problem_of_signature(request: web.Request, body: bytes, service: str, *signed: str) -> str:
    """What AWS would say of the signature; `signed` are headers that have to be among the signed ones."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if not rest:
        return "MissingAuthenticationToken: Missing Authentication Token"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, day, region, named, end = parts["Credential"].split("/")
    stamp = request.headers["X-Amz-Date"]
    if scheme != "AWS4-HMAC-SHA256" or (region, named, end) != ("eu-west-1", service, "aws4_request") or stamp[:8] != day:
        return f"IncompleteSignature: {parts['Credential']}"
    secret, token = KEYS.get(key, ("", ""))
    if not secret or request.headers.get("X-Amz-Security-Token", "") != token:
        return "UnrecognizedClientException: The security token included in the request is invalid."
    names = parts["SignedHeaders"].split(";")
    if not {"host", "x-amz-date", *signed} <= set(names) or (token and "x-amz-security-token" not in names):
        return f"IncompleteSignature: {names}"
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    query = "&".join(sorted(request.rel_url.raw_query_string.split("&")))
    lines = [request.method, request.path, query, headers, parts["SignedHeaders"], hashlib.sha256(body).hexdigest()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    derived = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        derived = _hmac(derived, part)
    wanted = _hmac(derived, f"{scheme}\n{stamp}\n{day}/{region}/{service}/aws4_request\n{digest}").hex()
    return "" if hmac.compare_digest(wanted, parts["Signature"]) else "InvalidSignatureException: it does not match"
