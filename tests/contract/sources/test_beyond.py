"""Submodules and large files from real servers: each with a login of its own, bounded, and rendered like everything else."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors, Reach
from shipway.api.repositories import Credentials
from shipway.api.snapshot import Snapshot
from shipway.api.sources import HeadRequest
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from shipway.demo.git_server import GitServer
from tests.git_hosts import Door, basic, secrets_in
from tests.repository import WorkingCopy

SHOP, LIB = Credentials(username="shop", password="s3cr3t-shop"), Credentials(username="lib", password="s3cr3t-lib")


class Hosts:
    """A Git server behind a door that wants a login of its own for every repository, and mirrors of it."""

    def __init__(self, server: GitServer, door: Door, home: Path) -> None:
        self.server = server
        self.door = door
        self.home = home
        self.logins: dict[str, Credentials] = {}
        self.has_submodules = True
        self.mirrors = Mirrors(
            home / "mirrors",
            clock=SystemClock(),
            credentials=self._login,
            reach=Reach(has_submodules=lambda: self.has_submodules),
        )
        door.admits = self._admits

    def url(self, name: str) -> str:
        return f"{self.door.url}/{name}.git"

    async def push(
        self, name: str, files: dict[str, str | bytes | None], modules: dict[str, tuple[str, str]] | None = None
    ) -> str:
        """A commit of `files` and of submodules: path -> (URL, commit)."""
        copy = WorkingCopy(self.home / "copies" / name, self.server.create(name))
        return await asyncio.to_thread(self._push, copy, files, modules or {})

    async def read(self, name: str, look: str, project: str = "") -> bytes:
        """One file, read as a renderer reads: fetched first where it lies beyond."""
        head = await self.mirrors.head(HeadRequest(self.url(name), "main", b"{}", project))

        async def attempt() -> bytes:
            snapshot = self.mirrors.snapshot(self.url(name), head.trees)
            return await asyncio.to_thread(snapshot.read, look)

        return await self.mirrors.supplied(attempt)

    async def snapshot(self, name: str, warm: str) -> Snapshot:
        await self.read(name, warm)
        head = await self.mirrors.head(HeadRequest(self.url(name), "main", b"{}"))
        return self.mirrors.snapshot(self.url(name), head.trees)

    async def refused(self, name: str, look: str) -> ShipwayError:
        with pytest.raises(ShipwayError) as caught:
            await self.read(name, look)
        assert "s3cr3t" not in caught.value.message
        return caught.value

    def _push(self, copy: WorkingCopy, files: dict[str, str | bytes | None], modules: dict[str, tuple[str, str]]) -> str:
        listed = "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (url, _) in modules.items())
        copy.write({**files, **({".gitmodules": listed} if modules else {})})
        copy.git("add", "-A")
        for path, (_, commit) in modules.items():
            copy.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        copy.git("commit", "-q", "--allow-empty", "-m", "Change")
        copy.push()
        return copy.git("rev-parse", "HEAD")

    def _login(self, key: str, project: str = "") -> Credentials:
        found = next((login for name, login in self.logins.items() if key.endswith(f"/{name}")), Credentials())
        return found if found.project in ("", project) else Credentials()

    def _admits(self, request: web.Request) -> bool:
        login = self._login(request.path.partition(".git")[0])
        return not login.password or basic(login.username, login.password)(request)


@pytest_asyncio.fixture
async def hosts(tmp_path: Path) -> AsyncGenerator[Hosts, None]:
    server = GitServer(tmp_path / "root")
    await server.start()
    async with Door(server, lambda _: True).open() as door:
        yield Hosts(server, door, tmp_path)
    await server.stop()


# --- submodules ---------------------------------------------------------------------------------------------------------


@pytest.mark.compat("argocd:repository.submodules")
async def test_submodules_with_logins_of_their_own_down_to_the_second_level(hosts: Hosts) -> None:
    hosts.logins = {"shop": SHOP, "lib": LIB}
    deep = await hosts.push("deep", {"d.yaml": "d: 1\n"})
    lib = await hosts.push("lib", {"l.yaml": "l: 1\n", "sub/x.yaml": "x: 1\n"}, {"nested": ("../deep.git", deep)})
    await hosts.push("shop", {"apps/a.yaml": "a: 1\n"}, {"apps/lib": (hosts.url("lib"), lib)})
    assert await hosts.read("shop", "apps/lib/l.yaml") == b"l: 1\n"
    snapshot = await hosts.snapshot("shop", "apps/lib/nested/d.yaml")
    assert snapshot.files("apps/lib") == [
        *("apps/lib/.gitmodules", "apps/lib/l.yaml", "apps/lib/nested/d.yaml", "apps/lib/sub/x.yaml")
    ]
    assert snapshot.files("apps")[0] == "apps/a.yaml"
    assert (snapshot.kind("apps/lib"), snapshot.kind("apps/lib/sub"), snapshot.kind("apps/lib/none")) == (
        "dir",
        "dir",
        "missing",
    )
    snapshot.write(["apps"], str(hosts.home / "out"))
    assert (hosts.home / "out/apps/lib/nested/d.yaml").read_text() == "d: 1\n"
    assert snapshot.reads() == (".gitmodules", "apps")
    assert secrets_in(hosts.home / "mirrors", "s3cr3t") == []


async def test_what_is_read_of_a_submodule_is_its_commit(hosts: Hosts) -> None:
    """So a new commit of the submodule is news only once the repository names it."""
    lib = await hosts.push("lib", {"deploy/l.yaml": "l: 1\n"})
    await hosts.push("shop", {"a.yaml": "a: 1\n"}, {"lib": ("../lib.git", lib)})
    snapshot = await hosts.snapshot("shop", "lib/deploy/l.yaml")
    assert snapshot.files("lib/deploy") == ["lib/deploy/l.yaml"]
    assert snapshot.reads() == (".gitmodules", "lib")
    hosts.mirrors.remember_reads(hosts.url("shop"), b"{}", snapshot.reads())
    narrowed = await hosts.mirrors.head(HeadRequest(hosts.url("shop"), "main", b"{}"))
    assert [tree.oid for tree in narrowed.trees if tree.path == "lib"] == [f"commit:{lib}"]
    assert hosts.mirrors.snapshot(hosts.url("shop"), narrowed.trees).read("lib/deploy/l.yaml") == b"l: 1\n"


async def test_submodules_that_cannot_be_had(hosts: Hosts) -> None:
    lib = await hosts.push("lib", {"l.yaml": "l: 1\n"})
    for name, (url, commit) in {
        "unpushed": ("../lib.git", "f" * 40),
        "elsewhere": (f"file://{hosts.home}/root/lib.git", lib),
        "closed": ("../private.git", lib),
    }.items():
        await hosts.push(name, {"a.yaml": "a: 1\n"}, {"lib": (url, commit)})
    hosts.server.create("private")
    hosts.logins = {"private": LIB}
    hosts.door.admits = lambda request: "private" not in request.path
    assert "it has no commit ffffffffffff: was it pushed?" in (await hosts.refused("unpushed", "lib/l.yaml")).message
    assert "lies on this machine" in (await hosts.refused("elsewhere", "lib/l.yaml")).message
    assert (await hosts.refused("closed", "lib/l.yaml")).reason == "LoginRefused"
    assert await hosts.read("closed", "a.yaml") == b"a: 1\n"


async def test_a_login_of_one_project_opens_no_submodule(hosts: Hosts) -> None:
    """Whoever may write a commit could otherwise read what another project keeps to itself."""
    lib = await hosts.push("private", {"l.yaml": "l: 1\n"})
    await hosts.push("closed", {"a.yaml": "a: 1\n"}, {"lib": ("../private.git", lib)})
    hosts.door.admits = lambda request: "private" not in request.path or basic(LIB.username, LIB.password)(request)
    hosts.logins = {"private": LIB}
    assert await hosts.read("closed", "lib/l.yaml") == b"l: 1\n"
    hosts.mirrors = Mirrors(hosts.home / "others", clock=SystemClock(), credentials=hosts._login)
    hosts.logins = {"private": replace(LIB, project="bank")}
    assert (await hosts.refused("closed", "lib/l.yaml")).reason == "LoginRefused"


@pytest.mark.compat("argocd:repository.submodules")
@pytest.mark.parametrize("project", ["", "bank"])
async def test_a_submodule_at_the_same_host_is_opened_by_the_login_of_its_repository(hosts: Hosts, project: str) -> None:
    """As with Argo CD: one token of an organization. Whoever has no such login learns nothing that it has fetched."""
    hosts.logins = {"shop": replace(SHOP, project=project)}
    hosts.door.admits = lambda request: "open" in request.path or basic(SHOP.username, SHOP.password)(request)
    deep = await hosts.push("deep", {"d.yaml": "d: 1\n"})
    lib = await hosts.push("lib", {"l.yaml": "l: 1\n"}, {"nested": ("../deep.git", deep)})
    for name in ("shop", "open"):
        await hosts.push(name, {"a.yaml": "a: 1\n"}, {"lib": (hosts.url("lib"), lib)})
    assert await hosts.read("shop", "lib/nested/d.yaml", project) == b"d: 1\n"
    assert (await hosts.refused("open", "lib/l.yaml")).reason == "LoginRefused"
    head = HeadRequest(hosts.url("lib"), lib, b"{}", "other")
    with pytest.raises(Unavailable):
        await hosts.mirrors.head(head)


async def test_a_login_goes_to_no_other_host(hosts: Hosts) -> None:
    hosts.logins = {"shop": SHOP}
    async with Door(hosts.server, lambda _: True).open() as elsewhere:
        lib = await hosts.push("lib", {"l.yaml": "l: 1\n"})
        await hosts.push("shop", {"a.yaml": "a: 1\n"}, {"lib": (f"{elsewhere.url}/lib.git", lib)})
        assert await hosts.read("shop", "lib/l.yaml") == b"l: 1\n"
        assert {told for _, told in elsewhere.knocks} == {""}


async def test_submodules_in_a_circle_end(hosts: Hosts) -> None:
    """A commit cannot contain itself, but a chain of repositories can be of any length."""
    commit = await hosts.push("m0", {"x.yaml": "x: 0\n"})
    for number in range(1, 8):
        commit = await hosts.push(f"m{number}", {}, {"m": (f"../m{number - 1}.git", commit)})
    assert await hosts.read("m5", "m/m/m/m/m/x.yaml") == b"x: 0\n"
    with pytest.raises(InvalidInput, match="more than 5 inside of one another"):
        await hosts.read("m7", "m/m/m/m/m/m/m/x.yaml")


@pytest.mark.compat("argocd:repository.submodules")
async def test_submodules_can_be_switched_off(hosts: Hosts) -> None:
    hosts.has_submodules = False
    lib = await hosts.push("lib", {"l.yaml": "l: 1\n"})
    await hosts.push("shop", {"a.yaml": "a: 1\n"}, {"lib": ("../lib.git", lib)})
    snapshot = await hosts.snapshot("shop", "a.yaml")
    assert snapshot.files("") == [".gitmodules", "a.yaml"]
    assert snapshot.kind("lib/l.yaml") == "missing"
    assert not any("lib.git" in path for path, _ in hosts.door.knocks)


# --- large files --------------------------------------------------------------------------------------------------------


class LfsServer:
    """The batch API for the repositories of a door, and the objects behind it, in memory."""

    def __init__(self, door: Door) -> None:
        self.objects: dict[str, bytes] = {}
        self.batches = 0
        self._door = door
        self._git = door.handle
        door.handle = self._handle

    def put(self, content: bytes, *, served: bytes | None = None, size: int | None = None) -> str:
        """Keeps `content` (or, faulty, `served` in its place) and returns its pointer."""
        oid = hashlib.sha256(content).hexdigest()
        self.objects[oid] = content if served is None else served
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content) if size is None else size}\n"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "/info/lfs/" not in request.path and "/large/" not in request.path:
            return await self._git(request)
        if not self._door.admits(request):
            return web.Response(status=401)
        if "/large/" in request.path:
            return web.Response(body=self.objects[request.path.rpartition("/")[2]])
        self.batches += 1
        asked = orjson.loads(await request.read())
        assert (asked["operation"], request.headers["Accept"]) == ("download", "application/vnd.git-lfs+json")
        (wanted,) = asked["objects"]
        place = f"{self._door.url}{request.path.partition('/info/')[0]}/large/{wanted['oid']}"
        found = {"actions": {"download": {"href": place}}} if wanted["oid"] in self.objects else {"error": {"message": "gone"}}
        return web.Response(body=orjson.dumps({"objects": [{**wanted, **found}]}), content_type="application/vnd.git-lfs+json")


@pytest.mark.compat("argocd:repository.enableLfs")
async def test_large_files_are_fetched_with_the_repository_s_login(hosts: Hosts) -> None:
    lfs = LfsServer(hosts.door)
    hosts.logins = {"shop": Credentials(username="shop", password="s3cr3t-shop", lfs=True)}
    content = b"data: " + b"x" * 100_000
    pointer = lfs.put(content)
    await hosts.push("shop", {"a.yaml": pointer, "b/a.yaml": pointer})
    assert await hosts.read("shop", "a.yaml") == content
    assert await hosts.read("shop", "b/a.yaml") == content
    assert lfs.batches == 1
    assert secrets_in(hosts.home / "mirrors", "s3cr3t") == []


@pytest.mark.compat("argocd:repository.enableLfs")
async def test_without_enable_lfs_a_pointer_is_its_text(hosts: Hosts) -> None:
    lfs = LfsServer(hosts.door)
    pointer = lfs.put(b"content")
    await hosts.push("shop", {"a.yaml": pointer})
    assert await hosts.read("shop", "a.yaml") == pointer.encode()


async def test_large_files_that_cannot_be_had(hosts: Hosts) -> None:
    lfs = LfsServer(hosts.door)
    hosts.logins = {"shop": Credentials(lfs=True), "closed": Credentials(username="x", password="s3cr3t-x", lfs=True)}
    files = {
        "other": lfs.put(b"right", served=b"wrong"),
        "flood": lfs.put(b"short", served=b"x" * 1_000_000),
        "huge": lfs.put(b"huge", size=70 << 20),
        "gone": lfs.put(b"gone"),
    }
    lfs.objects.pop(hashlib.sha256(b"gone").hexdigest())
    await hosts.push("shop", {f"{name}.bin": pointer for name, pointer in files.items()})
    assert "other content than was asked for" in (await hosts.refused("shop", "other.bin")).message
    assert "sends more than was asked for" in (await hosts.refused("shop", "flood.bin")).message
    assert "70 MiB in Git LFS, more than 64 MiB" in (await hosts.refused("shop", "huge.bin")).message
    assert (await hosts.refused("shop", "gone.bin")).message.endswith("gone")
    await hosts.push("closed", {"a.bin": lfs.put(b"secret")})
    hosts.door.admits = lambda request: "/info/lfs/" not in request.path
    refused = await hosts.refused("closed", "a.bin")
    assert isinstance(refused, Unavailable)
    assert refused.reason == "LoginRefused"
