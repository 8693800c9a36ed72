"""Places that charts come from, for the tests: an HTTP repository of ours, and Debian's real registry."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from msgspec import Struct

from shipway.adapters.charts.charts import DIGEST, Charts
from shipway.api.repositories import Credentials
from shipway.api.sources import Head, HeadRequest
from shipway.base.clock import SystemClock
from shipway.workers.pool import WorkerPool
from tests.git_hosts import Admits
from tests.ports import free_port

READY_SECONDS = 60.0
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {version: {{ .Chart.Version }}, a: {{ .Values.a }}}\n"


def packed(name: str, version: str, files: Mapping[str, str | bytes] | None = None) -> bytes:
    """A chart's archive, with one template and `files` besides; the same input gives the same bytes."""
    content: dict[str, str | bytes] = {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        "values.yaml": "a: chart\n",
        "templates/config.yaml": TEMPLATE,
        **(files or {}),
    }
    return tar_gz({f"{name}/{path}": text for path, text in content.items()})


def tar_gz(files: Mapping[str, str | bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for path, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


class ChartHost:
    """An HTTP chart repository; `charts` may be changed. `seen` are (path, status, Authorization) of every request."""

    def __init__(self, admits: Admits = lambda _: True) -> None:
        self.charts: dict[tuple[str, str], bytes] = {}
        self.digests: dict[tuple[str, str], str] = {}
        self.admits = admits
        self.index: bytes | None = None
        self.elsewhere = ""
        self.seen: list[tuple[str, int, str]] = []
        self.url = ""

    @asynccontextmanager
    async def open(self, tls=None) -> AsyncGenerator["ChartHost", None]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/charts"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        answer = self._answer(request)
        self.seen.append((request.path, answer.status, request.headers.get("Authorization", "")))
        return answer

    def _answer(self, request: web.Request) -> web.Response:
        if not self.admits(request):
            return web.Response(status=401)
        name = request.path.removeprefix("/charts/")
        if name == "index.yaml":
            body = self.index if self.index is not None else self._index()
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304)
            return web.Response(body=body, headers={"ETag": etag})
        found = [content for (chart, version), content in self.charts.items() if name == f"{chart}-{version}.tgz"]
        return web.Response(body=found[0]) if found else web.Response(status=404)

    def _index(self) -> bytes:
        entries: dict[str, list[dict[str, object]]] = {}
        for (chart, version), content in self.charts.items():
            digest = self.digests.get((chart, version), hashlib.sha256(content).hexdigest())
            url = f"{self.elsewhere}{chart}-{version}.tgz"
            entries.setdefault(chart, []).append({"version": version, "urls": [url], "digest": digest})
        return json.dumps({"apiVersion": "v1", "entries": entries}).encode()

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".tgz") and status == 200 for path, status, _ in self.seen)


class Shelf(Struct):
    """Charts as `shipway run` has them; `login` may be changed."""

    charts: Charts
    login: Credentials = Credentials()
    logins: Callable[[str, str], Credentials] | None = None

    def login_for(self, url: str, project: str) -> Credentials:
        return self.logins(url, project) if self.logins else self.login

    async def head(self, repo_url: str, chart: str, revision: str, project: str = "", **helm: object) -> Head:
        source = {"repoURL": repo_url, "helm": helm, **({"chart": chart} if chart else {"path": "."})}
        return await self.charts.head(HeadRequest(repo_url, revision, json.dumps(source).encode(), project))

    async def read(self, repo_url: str, chart: str, revision: str, file: str = "Chart.yaml") -> str:
        head = await self.head(repo_url, chart, revision)
        return self.charts.snapshot(repo_url, head.trees).read(file).decode()


@asynccontextmanager
async def shelf(home: Path) -> AsyncGenerator[Shelf, None]:
    workers = WorkerPool("Charts", size=1, timeout_seconds=60, clock=SystemClock())
    async with aiohttp.ClientSession() as session:
        made = Shelf(
            Charts(
                home, clock=SystemClock(), workers=workers, session=session, credentials=lambda *asked: made.login_for(*asked)
            ),
        )
        try:
            yield made
        finally:
            await workers.close()


REGISTRY_CONFIG = """\
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "%s"}
"""
HTPASSWD = "me:$2b$05$ePxKJf0uNZ9lTbjVqvKAWekbFdcB1qZsK..o8iegj9q//zVAhcH0u\n"
"""me:s3cret; the registry takes bcrypt only."""


@asynccontextmanager
async def registry(
    program: Callable[[str], str], root: Path, *, htpasswd: str = "", port: int = 0
) -> AsyncGenerator[str, None]:
    """`host:port` of a running registry, at `port` or any that is free; open to all, or to the logins of `htpasswd`."""
    address = f"127.0.0.1:{port or free_port()}"
    config = REGISTRY_CONFIG % (root / "registry", address)
    if htpasswd:
        (root / "htpasswd").write_text(htpasswd)
        config += f"auth: {{htpasswd: {{realm: charts, path: {root / 'htpasswd'}}}}}\n"
    (root / "registry.yml").write_text(config)
    with (root / "registry.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program("docker-registry"), "serve", str(root / "registry.yml"), stdout=log, stderr=log, start_new_session=True
        )
        try:
            async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
                while not await _answers(session, address):
                    await asyncio.sleep(0.05)
            yield address
        finally:
            process.kill()
            await process.wait()


async def _answers(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(f"http://{address}/v2/") as answer:
            return answer.status in (200, 401)
    except aiohttp.ClientError:
        return False


async def push(
    address: str,
    name: str,
    tag: str,
    content: bytes,
    *,
    layer: str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    login: str = "",
) -> str:
    """Push an archive as `helm push` and `oras` do; the manifest's digest."""
    base = f"http://{address}/v2/{name}"
    async with aiohttp.ClientSession(headers={"Authorization": login} if login else {}, raise_for_status=True) as session:
        config = await _blob(session, base, b"{}")
        archive = await _blob(session, base, content)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": layer, "digest": archive, "size": len(content)}],
        }
        body = json.dumps(manifest).encode()
        await session.put(f"{base}/manifests/{tag}", data=body, headers={"Content-Type": manifest["mediaType"]})
        return DIGEST + hashlib.sha256(body).hexdigest()


async def _blob(session: aiohttp.ClientSession, base: str, content: bytes) -> str:
    digest = DIGEST + hashlib.sha256(content).hexdigest()
    async with session.post(f"{base}/blobs/uploads/") as started:
        place = started.headers["Location"]
    joined = "&" if "?" in place else "?"
    async with session.put(f"{place}{joined}digest={digest.replace(':', '%3A')}", data=content):
        return digest
