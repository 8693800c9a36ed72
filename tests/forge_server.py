"""A small forge that takes nothing but what its documentation says: GitHub, GitLab and Gitea, as far as pull requests go.

A request with another path, method, parameter or token is answered as the real one does, and written down.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TOKEN = "s3cret-token"
PATHS = {
    "github": "/api/v3/repos/acme/shop/pulls",
    "gitlab": "/api/v4/projects/acme%2Fshop/merge_requests",
    "gitea": "/api/v1/repos/acme/shop/pulls",
}
LOGINS = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "gitea": ("Authorization", f"token {TOKEN}"),
}
PARAMETERS = {
    "github": {"state", "per_page", "page", "head", "base", "sort", "direction"},
    "gitlab": {"state", "per_page", "page", "labels"},
    "gitea": {"state", "limit", "page", "sort", "labels"},
}
GITEA_PAGE = 50
"""Gitea gives no more at once, however many are asked for."""


class ForgeServer:
    """`pulls` are (number, branch, labels); `answer` takes the place of the list, with status and headers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pulls: list[tuple[int, str, tuple[str, ...]]] = []
        self.answer: tuple[int, str, dict[str, str]] | None = None
        self.requests: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.rel_url.raw_path}")
        name, login = LOGINS[self.kind]
        if self.answer:
            status, text, headers = self.answer
            return web.Response(status=status, text=text, headers=headers)
        if request.method != "GET" or request.rel_url.raw_path != PATHS[self.kind]:
            return web.json_response({"message": "404 Not Found"}, status=404)
        if request.headers.get(name) != login:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        if set(request.query) - PARAMETERS[self.kind]:
            return web.json_response({"message": f"unknown parameters {set(request.query)}"}, status=422)
        size = int(request.query.get("per_page") or request.query.get("limit") or 30)
        size = min(size, GITEA_PAGE if self.kind == "gitea" else 100)
        start = (int(request.query.get("page", 1)) - 1) * size
        return web.json_response([self._pull(*one) for one in self.pulls[start : start + size]])

    def _pull(self, number: int, branch: str, labels: tuple[str, ...]) -> dict[str, Any]:
        sha = f"{number:040x}"
        if self.kind == "gitlab":
            ends = {"source_branch": branch, "target_branch": "main", "sha": sha, "author": {"username": "ada"}}
            return {"id": number + 1000, "iid": number, "title": f"Change {number}", "labels": list(labels), **ends}
        return {
            "id": number + 1000,
            "number": number,
            "title": f"Change {number}",
            "labels": [{"id": 1, "name": label} for label in labels],
            "head": {"ref": branch, "sha": sha},
            "base": {"ref": "main", "sha": "0" * 40},
            "user": {"login": "ada"},
        }


@asynccontextmanager
async def forge_server(kind: str) -> AsyncGenerator[ForgeServer, None]:
    """Listens on a free port until the block ends."""
    server = ForgeServer(kind)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
