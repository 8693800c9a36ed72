"""A small forge that takes nothing but what its documentation says: GitHub, GitLab and Gitea, as far as generators go.

A request with another path, method, parameter or token is answered as the real one does, and written down. For GitHub its
published description decides, over our answers, too (`tests/github_description.py`).
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.github_description import flaws, refusal

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
    "gitlab": {"state", "per_page", "page", "labels", "include_subgroups", "with_shared", "topic", "ref", "path"},
    "gitea": {"state", "limit", "page", "sort", "labels", "ref"},
}
ORGANIZATIONS = {
    "github": re.compile(r"/api/v3/orgs/acme/repos"),
    "gitlab": re.compile(r"/api/v4/groups/acme%2Fteam/projects"),
    "gitea": re.compile(r"/api/v1/orgs/acme/repos"),
}
REPOSITORIES = {
    "github": re.compile(r"/api/v3/repos/acme/(?P<name>[^/]+)/(?P<rest>.*)"),
    "gitlab": re.compile(r"/api/v4/projects/(?P<id>\d+)/repository/(?P<rest>.*)"),
    "gitea": re.compile(r"/api/v1/repos/acme/(?P<name>[^/]+)/(?P<rest>.*)"),
}
GITEA_PAGE = 50
"""Gitea gives no more at once, however many are asked for."""


class Repo:
    """`branches` by name, each a set of paths; the first is the default one."""

    def __init__(self, name: str, branches: dict[str, set[str]], *topics: str) -> None:
        self.name = name
        self.branches = branches
        self.topics = topics

    @property
    def number(self) -> int:
        return sum(self.name.encode())


class ForgeServer:
    """`pulls` are (number, branch, labels); `answer` takes the place of the list, with status and headers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pulls: list[tuple[int, str, tuple[str, ...]]] = []
        self.repos: list[Repo] = []
        self.answer: tuple[int, str, dict[str, str]] | None = None
        self.requests: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.rel_url.raw_path}")
        name, login = LOGINS[self.kind]
        if self.answer:
            status, text, headers = self.answer
            if status == 200 and request.query.get("page", "1") != "1":
                text = "[]"
            return web.Response(status=status, text=text, headers=headers)
        found = self._found(request.rel_url.raw_path, request.query)
        if request.method != "GET" or found is None:
            return web.json_response({"message": "404 Not Found"}, status=404)
        if request.headers.get(name) != login:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        if wrong := self._refusal(request):
            return web.json_response({"message": wrong}, status=422)
        if not isinstance(found, list):
            return self._answered(request, found)
        size = int(request.query.get("per_page") or request.query.get("limit") or 30)
        size = min(size, GITEA_PAGE if self.kind == "gitea" else 100)
        start = (int(request.query.get("page", 1)) - 1) * size
        return self._answered(request, found[start : start + size])

    def _refusal(self, request: web.Request) -> str:
        if self.kind == "github":
            return refusal(request.method, request.rel_url.raw_path, request.query)
        unknown = set(request.query) - PARAMETERS[self.kind]
        return f"unknown parameters {unknown}" if unknown else ""

    def _answered(self, request: web.Request, found: Any) -> web.Response:
        wrong = flaws(request.method, request.rel_url.raw_path, found) if self.kind == "github" else []
        return web.json_response({"message": wrong}, status=500) if wrong else web.json_response(found)

    def _found(self, path: str, query: Mapping[str, str]) -> Any:
        """What stands at a path; None for nothing."""
        if path == PATHS[self.kind]:
            return [self._pull(*one) for one in self.pulls]
        if ORGANIZATIONS[self.kind].fullmatch(path):
            return [self._repo(one) for one in self.repos]
        match = REPOSITORIES[self.kind].fullmatch(path)
        named = [one for one in self.repos if match and match[1] in (one.name, str(one.number))]
        return self._in_repo(named[0], match["rest"], query) if match and named else None

    def _in_repo(self, repo: Repo, rest: str, query: Mapping[str, str]) -> Any:
        if rest == "branches":
            return [self._branch(repo, name) for name in repo.branches]
        if rest.startswith("branches/"):
            name = unquote(rest.removeprefix("branches/"))
            return self._branch(repo, name) if name in repo.branches else None
        paths = repo.branches.get(query.get("ref", ""), set())
        if rest == "tree":
            return [{"name": one.rpartition("/")[2]} for one in sorted(paths) if one.rpartition("/")[0] == query.get("path")]
        there = unquote(rest.removeprefix("contents/"))
        return {"path": there} if rest.startswith("contents/") and there in paths else None

    def _branch(self, repo: Repo, name: str) -> dict[str, Any]:
        key = "sha" if self.kind == "github" else "id"
        return {"name": name, "commit": {key: hashlib.sha1(f"{repo.name} {name}".encode()).hexdigest()}}

    def _repo(self, repo: Repo) -> dict[str, Any]:
        without = "main" if self.kind == "github" else None  # GitHub names a branch that an empty repository does not have
        shared = {"id": repo.number, "default_branch": next(iter(repo.branches), without), "topics": list(repo.topics)}
        https, ssh = f"https://forge.test/acme/{repo.name}.git", f"git@forge.test:acme/{repo.name}.git"
        if self.kind == "gitlab":
            place = {"namespace": {"full_path": "acme/team"}, "path": repo.name, "name": repo.name.upper()}
            return {**shared, **place, "http_url_to_repo": https, "ssh_url_to_repo": ssh}
        return {**shared, "name": repo.name, "clone_url": https, "ssh_url": ssh}

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
