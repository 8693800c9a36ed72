"""The state on disk: what was acknowledged is there after a restart and after a kill."""

import asyncio
import random
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from shipway.base.errors import InvalidInput
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.unit.localcluster.apiserver.conftest import CORE, Api, SteppedClock, config_map, names

MAPS = f"{CORE}/configmaps"

WRITER = """
import asyncio, sys
from pathlib import Path
import orjson
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer

async def main():
    server = await ApiServer.open(path=Path(sys.argv[1]), clock=SystemClock(), ids=RandomIds())
    async def write(number):
        body = orjson.dumps({"metadata": {"name": f"m{number}"}, "data": {"n": str(number)}})
        answer = await server.send(Request("POST", "/api/v1/namespaces/default/configmaps", body=body))
        print(f"m{number}", orjson.loads(answer.body)["metadata"]["resourceVersion"], flush=True)
    async def lane(first):
        for number in range(first, 500, 5):
            await write(number)
    async with asyncio.TaskGroup() as group:
        for first in range(5):
            group.create_task(lane(first))

asyncio.run(main())
"""


async def reopened(path: Path) -> Api:
    clock = SteppedClock()
    return Api(await ApiServer.open(path=path, clock=clock, ids=RandomIds(random.Random(1))), clock)


async def test_a_restart_keeps_objects_and_moves_the_version_on(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first = await reopened(path)
    made = (await first.post(MAPS, config_map("a"))).body
    await first.post(MAPS, config_map("b"))
    await first.delete(f"{MAPS}/b")
    version = int((await first.get(MAPS)).body["metadata"]["resourceVersion"])
    await first.server.close()

    second = await reopened(path)
    assert (await second.get(f"{MAPS}/a")).body == made
    listed = await second.get(MAPS)
    assert names(listed) == ["a"]
    assert int(listed.body["metadata"]["resourceVersion"]) > version
    (event,) = await second.watched(f"{MAPS}?watch=true&resourceVersion={version}", 1)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    await second.server.close()


async def test_custom_kinds_come_back(tmp_path: Path) -> None:
    from tests.unit.localcluster.apiserver.test_crds import CRDS, WIDGETS, widget, widgets_crd

    path = tmp_path / "state.db"
    first = await reopened(path)
    await first.post(CRDS, widgets_crd())
    await first.post(WIDGETS, widget("w"))
    await first.server.close()
    second = await reopened(path)
    assert names(await second.get(WIDGETS)) == ["w"]
    await second.server.close()


async def test_every_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    acknowledged: dict[str, int] = {}
    async with asyncio.timeout(120):
        while len(acknowledged) < 250:
            name, version = (await process.stdout.readline()).decode().split()
            acknowledged[name] = int(version)
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
    for line in rest.decode().splitlines():
        if len(parts := line.split()) == 2:
            acknowledged[parts[0]] = int(parts[1])

    api = await reopened(path)
    listed = (await api.get(MAPS)).body
    stored = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in listed["items"]}
    assert {name: stored.get(name) for name in acknowledged} == acknowledged
    assert int(listed["metadata"]["resourceVersion"]) > max(stored.values())
    await api.server.close()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is no database, and it is long enough to be looked at" * 50)
    with pytest.raises(InvalidInput, match=r"state\.db"):
        await reopened(path)


FILLER = """
import asyncio, resource, signal, sys
from pathlib import Path
import orjson
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"

async def main():
    server = await ApiServer.open(path=Path(sys.argv[1]), clock=SystemClock(), ids=RandomIds())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, unlimited))
    number, refused = 0, False
    while number < 200:
        body = orjson.dumps({"metadata": {"name": f"m{number}"}, "data": {"n": "x" * 20_000}})
        answer = await server.send(Request("POST", MAPS, body=body))
        print(f"m{number}", answer.status, flush=True)
        if answer.status == 201 and refused:
            return
        if answer.status != 201 and not refused:
            refused = True
            print("refused", answer.body.decode(), (await server.send(Request("GET", MAPS))).status, flush=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
        if refused:
            await asyncio.sleep(0.05)
        number += 1

asyncio.run(main())
"""


async def test_a_full_disk_loses_nothing_that_was_acknowledged_and_the_server_recovers(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FILLER, str(path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    lines = [line.split(maxsplit=1) for line in out.decode().splitlines()]
    answers = [(name, said) for name, said in lines if name != "refused"]
    (refusal,) = [said for name, said in lines if name == "refused"]
    assert {said for _, said in answers} == {"201", "500"}
    assert answers[-1][1] == "201"
    assert "free some space" in refusal
    assert refusal.endswith(" 200")
    api = await reopened(path)
    stored = set(names(await api.get(MAPS)))
    assert {name for name, code in answers if code == "201"} <= stored
    await api.server.close()


async def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first = await reopened(path)
    await first.post(MAPS, config_map("a"))
    await first.server.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE objects SET data = ? WHERE name = 'a'", (b'{"metadata": ',))
    with pytest.raises(InvalidInput, match="can not be read"):
        await reopened(path)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
async def test_a_half_written_file_is_named(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "state.db"
    first = await reopened(path)
    for number in range(40):
        await first.post(MAPS, config_map(f"m{number}", {"text": "x" * 2_000}))
    await first.server.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InvalidInput, match="move the file away"):
        await reopened(path)


async def test_tokens_outlive_a_restart_and_expire(tmp_path: Path) -> None:
    path, accounts = tmp_path / "state.db", "/api/v1/namespaces/default/serviceaccounts"
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    first = await reopened(path)
    await first.post(accounts, {"metadata": {"name": "robot"}})
    token = (await first.post(f"{accounts}/robot/token", {"spec": {"expirationSeconds": 600}})).body["status"]["token"]
    await first.server.close()
    second = await reopened(path)
    asked = {"spec": {"token": token}}
    assert (await second.post(reviews, asked)).body["status"]["user"]["username"] == "system:serviceaccount:default:robot"
    await second.clock.sleep(601)
    assert "expired" in (await second.post(reviews, asked)).body["status"]["error"]
    await second.server.close()
