"""Logging in as a GitHub App, against a server that checks signatures as GitHub does and gives tokens for a real Git."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from shipway.adapters.git.connection import connect
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.http.fetch import HttpFetch
from shipway.api.forges import PullRequestsQuery
from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.repositories import Credentials, GitHubApp
from shipway.api.sources import HeadRequest
from shipway.appsets.asks import PullRequestsAsk
from shipway.assembly.factories import Factories, ForgeAccess
from shipway.base.clock import Instant, SystemClock, rfc3339
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.base.ids import RandomIds
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from tests.git_hosts import Door, basic, secrets_in
from tests.github_description import flaws, refusal
from tests.repository import WorkingCopy

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@web.middleware
async def as_described(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Knows nothing that GitHub's published description does not, and answers nothing else."""
    if wrong := refusal(request.method, request.rel_url.raw_path, request.query):
        return web.json_response({"message": wrong}, status=422)
    response = await handler(request)
    assert isinstance(response, web.Response) and isinstance(response.body, bytes)
    wrong = flaws(request.method, request.rel_url.raw_path, orjson.loads(response.body)) if response.status < 300 else []
    return web.json_response({"message": wrong}, status=500) if wrong else response


class GitHub:
    """The App 7 with the installation 42 for the owner `shop`, below /api/v3. `lasts`: seconds that a token is good for."""

    def __init__(self) -> None:
        self.lasts = 3600.0
        self.tokens: list[str] = []
        self.seen: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["GitHub", None]:
        app = web.Application(middlewares=[as_described])
        app.router.add_post("/api/v3/app/installations/{id}/access_tokens", self._token)
        app.router.add_get("/api/v3/app/installations", self._installations)
        app.router.add_get("/api/v3/repos/shop/web/pulls", self._pulls)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _installations(self, request: web.Request) -> web.Response:
        self.seen.append(request.path)
        if not self._is_ours(request):
            return web.json_response({"message": "Bad credentials"}, status=401)
        return web.json_response([{"id": 1, "account": {"login": "other"}}, {"id": 42, "account": {"login": "Shop"}}])

    async def _token(self, request: web.Request) -> web.Response:
        self.seen.append(request.path)
        if not self._is_ours(request):
            return web.json_response({"message": "A JSON web token could not be decoded"}, status=401)
        if request.match_info["id"] != "42":
            return web.json_response({"message": "Not Found"}, status=404)
        self.tokens.append(f"ghs_{len(self.tokens)}_s3cr3t")
        ends = rfc3339(Instant(SystemClock().now() + self.lasts))
        return web.json_response({"token": self.tokens[-1], "expires_at": ends}, status=201)

    async def _pulls(self, request: web.Request) -> web.Response:
        self.seen.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {self.tokens[-1] if self.tokens else ''}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        ends = {"head": {"ref": "fix", "sha": "a" * 40}, "base": {"ref": "main", "sha": "0" * 40}, "user": {"login": "ada"}}
        return web.json_response([{"id": 9, "number": 3, "title": "Fix", "labels": [], **ends}])

    def _is_ours(self, request: web.Request) -> bool:
        kind, _, jwt = request.headers.get("Authorization", "").partition(" ")
        signed, _, signature = jwt.rpartition(".")
        header, claims = (orjson.loads(_decoded(part)) for part in signed.split("."))
        try:
            KEY.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        now = SystemClock().now()
        in_time = claims["iat"] <= now < claims["exp"] <= claims["iat"] + 600
        return kind == "Bearer" and header == {"alg": "RS256", "typ": "JWT"} and claims["iss"] == "7" and in_time


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Hosts:
    """GitHub's API, and its Git that opens to the last token only."""

    def __init__(self, github: GitHub, door: Door, home: Path) -> None:
        self.github = github
        self.home = home
        self.url = f"{door.url}/shop/web.git"
        self.app = GitHubApp("7", "42", PEM, github.url)
        door.admits = lambda request: bool(github.tokens) and basic("x-access-token", github.tokens[-1])(request)
        self.mirrors = self.process("mirrors")

    def process(self, name: str) -> Mirrors:
        return Mirrors(
            self.home / name, clock=SystemClock(), credentials=lambda *_: Credentials(github_app=self.app), fresh_seconds=0.0
        )

    async def head(self) -> str:
        return (await self.mirrors.head(HeadRequest(self.url, "main", b"{}"))).commit

    async def refused(self, name: str) -> str:
        self.mirrors = self.process(name)
        with pytest.raises(Unavailable) as caught:
            await self.head()
        assert caught.value.reason == "LoginRefused"
        return caught.value.message


@pytest_asyncio.fixture
async def hosts(tmp_path: Path) -> AsyncGenerator[Hosts, None]:
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop/web"))
    await asyncio.to_thread(copy.commit, {"a.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    async with GitHub().open() as github, Door(server, lambda _: False).open() as door:
        yield Hosts(github, door, tmp_path)
    await server.stop()


@pytest.mark.compat("argocd:repository.githubApp")
@pytest.mark.proves("gitops:github-app")
async def test_an_app_reads_with_one_token_for_many_looks(hosts: Hosts) -> None:
    heads = await asyncio.gather(*(hosts.head() for _ in range(5)))
    assert await hosts.head() == heads[0]
    assert (len(set(heads)), len(hosts.github.tokens)) == (1, 1)
    await connect(hosts.url, Credentials(github_app=hosts.app))
    assert len(hosts.github.tokens) == 2
    assert secrets_in(hosts.home / "mirrors", "s3cr3t", "PRIVATE KEY") == []


@pytest.mark.compat("argocd:repository.githubApp")
@pytest.mark.proves("gitops:github-app")
async def test_a_token_near_its_end_is_replaced(hosts: Hosts) -> None:
    hosts.github.lasts = 301.2
    await hosts.head()
    await SystemClock().sleep(1.5)
    before, hosts.github.lasts = len(hosts.github.tokens), 3600.0
    await hosts.head()
    assert len(hosts.github.tokens) == before + 1


@pytest.mark.compat("argocd:repository.githubApp")
async def test_the_installation_for_the_owner_is_found(hosts: Hosts) -> None:
    hosts.app = replace(hosts.app, installation_id="")
    await hosts.head()
    assert hosts.github.seen == ["/api/v3/app/installations", "/api/v3/app/installations/42/access_tokens"]


async def test_what_github_refuses_says_what_to_check(hosts: Hosts) -> None:
    ours = hosts.app
    hosts.app = replace(ours, app_id="8")
    assert "(401): check githubAppID and githubAppPrivateKey" in await hosts.refused("a")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    hosts.app = replace(ours, private_key=pem)
    assert "check githubAppID and githubAppPrivateKey" in (message := await hosts.refused("b"))
    assert message.startswith(f"repository {hosts.url} is unreachable: ")
    hosts.app = replace(ours, installation_id="1")
    assert "use its installation 1 (404): check githubAppInstallationID" in await hosts.refused("c")
    hosts.app = replace(ours, installation_id="")
    hosts.url = hosts.url.replace("/shop/", "/nobody/")
    assert "the GitHub App is not installed for nobody" in await hosts.refused("d")
    hosts.app, hosts.mirrors = replace(ours, private_key="-----BEGIN nonsense"), hosts.process("e")
    with pytest.raises(InvalidInput, match=r"nobody/web\.git: githubAppPrivateKey is no RSA private key"):
        await hosts.head()


@asynccontextmanager
async def generators_of(github: GitHub) -> AsyncGenerator[Factories, None]:
    """Who answers for generators, where the Secret `bot` holds the App and `broken` half of one."""
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="test")
    await client.create(NAMESPACES, {"metadata": {"name": "argocd"}})
    whole = {"githubAppID": "7", "githubAppPrivateKey": PEM, "githubAppEnterpriseBaseUrl": github.url}
    for name, values in (
        ("bot", whole),
        ("broken", {"githubAppID": "7"}),
        ("stale", {**whole, "githubAppInstallationID": "1"}),
    ):
        await client.create(SECRETS, {"metadata": {"namespace": "argocd", "name": name}, "stringData": values})
    unused: Any = None
    async with aiohttp.ClientSession() as session:
        access = ForgeAccess(client, "argocd", HttpFetch(session), InstallationTokens(SystemClock()))
        yield Factories(unused, unused, unused, access)
    await server.close()


def pulls_as(app: str, api: str = "") -> PullRequestsAsk:
    return PullRequestsAsk(PullRequestsQuery("github", "shop", "web", api=api, app_secret=app), "argocd")


@pytest.mark.compat("argocd:appset.pullRequest")
async def test_a_generator_asks_the_forge_as_an_app() -> None:
    async with GitHub().open() as github, generators_of(github) as generators:
        for ask in (pulls_as("bot"), pulls_as("bot", github.url.removesuffix("/api/v3"))):
            (one,) = await generators.pull_requests(ask)
            assert (one.number, one.branch) == (3, "fix")
        assert len(github.tokens) == 1, "one token for both"
        with pytest.raises(InvalidInput, match="Secret broken: githubAppPrivateKey is missing"):
            await generators.pull_requests(pulls_as("broken"))
        with pytest.raises(NotFound):
            await generators.pull_requests(pulls_as("nowhere"))
        with pytest.raises(Unavailable, match="check githubAppInstallationID"):
            await generators.pull_requests(pulls_as("stale"))
