"""Answers that clients keep: a strong ETag, and 304 for who has the newest already."""

import hashlib

from shipway.kube.objects.wire import Request, Response


def cacheable(request: Request, body: bytes, content_type: str) -> Response:
    """The body, or 304 when `If-None-Match` names it."""
    etag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    headers = {"content-type": content_type, "etag": etag, "vary": "Accept", "cache-control": "public"}
    if request.headers.get("if-none-match") == etag:
        return Response(304, headers)
    return Response(200, headers, body)
