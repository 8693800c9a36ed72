"""Who may talk to the dashboard: it acts with the rights of whoever started it, so no page of somebody else may make it act.

It answers only under a name of this machine (a foreign name that was made to point here is DNS rebinding), and it acts for a
browser only with the token that stands in its own page. A browser always says from which page it sends a PUT; what says
nothing is no browser, and gets through as with Argo's dashboard.
"""

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shipway.base.errors import Denied

TOKEN_HEADER = "X-Shipway-Token"
OUR_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
FROM_A_PAGE = ("Origin", "Referer", "Sec-Fetch-Site")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""On every answer."""


def admit(method: str, host: str, headers: dict[str, str], token: str) -> None:
    """Raises Denied for a request that may come from a page of somebody else. `headers` by the names in `FROM_A_PAGE`."""
    if _name(f"//{host}") not in OUR_NAMES:
        raise Denied(
            f'the dashboard answers only as localhost or 127.0.0.1, not as "{host}": forward a local port to it',
            reason="ForeignHost",
        )
    origin = headers.get("Origin", "")
    if origin and urlsplit(origin).netloc != host:
        raise Denied("the request comes from a page of another address", reason="ForeignOrigin")
    is_reading = method in ("GET", "HEAD")
    if is_reading or not any(headers.get(name) for name in FROM_A_PAGE):
        return
    if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        raise Denied(
            "the page was served by a dashboard that has ended, or is none of ours: load it again", reason="ForeignPage"
        )


def guarded(token: str, refuse: Callable[[Exception], web.Response]) -> Middleware:
    """The middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = {name: request.headers.get(name, "") for name in (*FROM_A_PAGE, TOKEN_HEADER)}
        try:
            admit(request.method, request.headers.get("Host", ""), headers, token)
        except Denied as error:
            return refuse(error)
        return await handler(request)

    return middleware


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
