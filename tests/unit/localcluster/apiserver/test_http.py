"""The HTTPS front: who may come in, what goes through."""

import asyncio
import io
import random
import ssl
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio

from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.unit.localcluster.apiserver.conftest import CORE, START, Api, SteppedClock, config_map
from tests.waiting import eventually

MAPS = f"{CORE}/configmaps"
TOKEN = {"Authorization": "Bearer good"}


@pytest_asyncio.fixture
async def session(api: Api, tmp_path: Path) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = ensure_tls(tmp_path, SystemClock().now())
    context = ssl.create_default_context(cafile=str(tls.ca))
    async with (
        serve(api.server, tokens={"good": Identity("me", ("team",))}, tls=tls) as url,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=context)) as session,
    ):
        yield session


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/readyz", {}, 200),
        ("/version", {}, 200),
        ("/api", {}, 401),
        ("/api", {"Authorization": "Bearer bad"}, 401),
        ("/api", {"Authorization": "Basic good"}, 401),
        ("/api", TOKEN, 200),
    ],
)
async def test_who_may_come_in(session: aiohttp.ClientSession, path: str, headers: dict[str, str], code: int) -> None:
    async with session.get(path, headers=headers) as answer:
        assert answer.status == code
        if code == 401:
            assert (await answer.json())["reason"] == "Unauthorized"


async def test_nobody_can_say_that_he_is_another(session: aiohttp.ClientSession) -> None:
    headers = {**TOKEN, "X-Remote-User": "root", "Content-Type": "application/json"}
    async with session.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", data=b"{}", headers=headers) as answer:
        assert (await answer.json())["status"]["userInfo"] == {"username": "me", "groups": ["team"]}


async def test_a_service_account_comes_in_by_its_token_until_it_expires(api: Api, session: aiohttp.ClientSession) -> None:
    accounts = f"{CORE}/serviceaccounts"
    await api.post(accounts, {"metadata": {"name": "robot"}})
    token = (await api.post(f"{accounts}/robot/token", {"spec": {"expirationSeconds": 600}})).body["status"]["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with session.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", data=b"{}", headers=headers) as answer:
        assert (await answer.json())["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    await api.clock.sleep(601)
    async with session.get("/api", headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")


async def test_a_token_goes_with_its_account(api: Api, session: aiohttp.ClientSession) -> None:
    accounts = f"{CORE}/serviceaccounts"
    await api.post(accounts, {"metadata": {"name": "robot"}})
    token = (await api.post(f"{accounts}/robot/token", {"spec": {}})).body["status"]["token"]
    await api.delete(f"{accounts}/robot")
    await api.post(accounts, {"metadata": {"name": "robot"}})
    async with session.get("/api", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401


async def test_writes_and_watches_go_through(api: Api, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{MAPS}?watch=true", headers=TOKEN) as watch:
        async with session.post(
            MAPS, data=orjson.dumps(config_map("a")), headers={**TOKEN, "Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 201
        line = await watch.content.readline()
    assert orjson.loads(line)["object"]["metadata"]["name"] == "a"


class _HeldClock(SteppedClock):
    """Nobody who sleeps wakes before `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds:
            await self.go.wait()
        await super().sleep(seconds)


async def test_after_the_first_change_a_burst_goes_out_in_one_piece() -> None:
    clock = _HeldClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(7)))
    api, pieces = Api(server, clock), list[bytes]()
    async with (
        serve(server, tokens={"good": Identity("me")}) as url,
        aiohttp.ClientSession(url) as session,
        session.get(f"{MAPS}?watch=true", headers=TOKEN) as watch,
    ):
        await api.post(MAPS, config_map("m0"))
        chunks = watch.content.iter_chunks()
        pieces.append((await anext(chunks))[0])
        for number in range(1, 20):
            await api.post(MAPS, config_map(f"m{number}"))
        clock.go.set()
        while b"".join(pieces).count(b"\n") < 20:
            pieces.append((await anext(chunks))[0])
    assert [piece.count(b"\n") for piece in pieces] == [1, 19]


async def test_a_body_that_is_too_large(session: aiohttp.ClientSession) -> None:
    body = io.BytesIO(b"x" * (4 * 1024 * 1024))
    async with session.post(MAPS, data=body, headers={**TOKEN, "Content-Type": "application/json"}) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"


async def test_a_port_that_is_taken(api: Api) -> None:
    async with serve(api.server, tokens={}) as url:
        with pytest.raises(Unavailable, match="cannot listen on"):
            async with serve(api.server, tokens={}, port=int(url.rpartition(":")[2])):
                pass


def test_certificates_are_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, START)
    first = files.certificate.read_bytes()
    assert ensure_tls(tmp_path, START).certificate.read_bytes() == first
    assert ensure_tls(tmp_path, type(START)(START + 10 * 365 * 86400)).certificate.read_bytes() != first
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_the_kubeconfig_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, server="https://127.0.0.1:1", token="t", ca_pem=b"pem")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = orjson.loads(path.read_bytes())
    assert config["users"][0]["user"] == {"token": "t"}
    assert config["clusters"][0]["cluster"]["certificate-authority-data"] == "cGVt"


async def test_a_watcher_that_leaves_is_forgotten(api: Api, session: aiohttp.ClientSession) -> None:
    shelf = api.server.backend.store.shelf(("", "configmaps"))
    async with session.get(f"{MAPS}?watch=true", headers=TOKEN):
        await eventually(lambda: shelf.listeners)
    await eventually(lambda: not shelf.listeners)
    assert not shelf.bells
