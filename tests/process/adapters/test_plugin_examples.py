"""The plugins of deploy/plugins, really run: the templates do every operation, the examples what they say."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from shipway.adapters.plugins.caller import PluginCaller
from shipway.adapters.plugins.rollout_declaration import load_rollout_plugins
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput

FOLDER = Path(__file__).parents[3] / "deploy" / "plugins"


@pytest.fixture
async def caller() -> AsyncIterator[PluginCaller]:
    made = PluginCaller(load_rollout_plugins(FOLDER), SystemClock(), environment={})
    yield made
    await made.close()


def request(op: str, config: Any = None, status: Any = None) -> bytes:
    return orjson.dumps({"op": op, "id": "u.1", "rollout": {"name": "web"}, "config": config, "status": status})


def test_what_the_folder_declares() -> None:
    assert sorted(plugin.name for plugin in load_rollout_plugins(FOLDER)) == [
        "example/lines",
        "example/wait-for-http",
        "template/metric",
        "template/step",
    ]


async def test_the_templates_do_every_operation(caller: PluginCaller) -> None:
    for op, message in (("run", "did nothing for web"), ("abort", "nothing to abort"), ("terminate", "nothing to terminate")):
        reply = await caller.step("template/step", op, request(op))
        assert (reply.phase, reply.message) == ("Successful", message)
    for op, value in (("run", 2), ("resume", 2), ("terminate", None)):
        assert (await caller.measure("template/metric", op, request(op, {"a": 1, "b": 2}))).value == value


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[str, list[int]]]:
    """An address, and what it answers in turn."""
    answers = [503, 200]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=answers.pop(0))

    app = web.Application()
    app.router.add_get("/ready", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/ready", answers
    await runner.cleanup()


async def test_waiting_for_http(caller: PluginCaller, endpoint: tuple[str, list[int]]) -> None:
    url, answers = endpoint
    first = await caller.step("example/wait-for-http", "run", request("run", {"url": url}))
    assert (first.phase, first.message, first.requeue_after) == ("Running", f"{url} answered 503 (try 1 of 20)", 15.0)
    second = await caller.step("example/wait-for-http", "run", request("run", {"url": url}, first.status))
    assert (second.phase, second.message) == ("Successful", f"{url} answered 200 (try 2 of 20)")
    answers.append(500)
    given_up = await caller.step("example/wait-for-http", "run", request("run", {"url": url, "tries": 1}))
    assert (given_up.phase, given_up.message) == ("Failed", f"{url} answered 500 (try 1 of 1)")
    assert (await caller.step("example/wait-for-http", "abort", request("abort", {"url": url}))).phase == "Successful"
    unsaid = await caller.step("example/wait-for-http", "run", request("run"))
    assert unsaid.phase == "Error" and "config.url is missing: name the address" in unsaid.message


async def test_the_number_that_a_command_prints(caller: PluginCaller) -> None:
    lines = Path("/etc/hosts").read_text().count("\n")
    assert (await caller.measure("example/lines", "run", request("run"))).value == lines


async def test_a_command_that_prints_no_number_is_an_error(tmp_path: Path) -> None:
    declared = FOLDER.joinpath("examples.yaml").read_text().replace('grep, -c, "", /etc/hosts', "echo, many")
    (tmp_path / "number_of.sh").symlink_to(FOLDER / "number_of.sh")
    (tmp_path / "a.yaml").write_text(declared)
    caller = PluginCaller(load_rollout_plugins(tmp_path), SystemClock(), environment={})
    with pytest.raises(InvalidInput, match="is not one JSON document"):
        await caller.measure("example/lines", "run", request("run"))
    await caller.close()
