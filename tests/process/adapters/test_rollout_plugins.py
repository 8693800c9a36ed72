"""Step and metric plugins as real commands in real workers: what they are given, and what becomes of those that misbehave."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.adapters.plugins.caller import PluginCaller
from shipway.adapters.plugins.rollout_declaration import RolloutPlugin
from shipway.api.plugins import DeclaredPlugins, StepReply
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from tests.e2e.running import commands_with
from tests.waiting import eventually

ECHO = """
import json, os, sys
request = json.load(sys.stdin)
print(json.dumps({"phase": "Running", "status": {"request": request, "env": dict(os.environ), "here": os.getcwd()}}))
"""


def shell(script: str, kind: str = "StepPlugin", **more: Any) -> RolloutPlugin:
    return RolloutPlugin(kind, "acme/x", ("sh", "-c", script), **{"seconds": 20.0, **more})


@pytest.fixture
async def caller_of():
    made: list[PluginCaller] = []

    def build(*plugins: RolloutPlugin, hidden: tuple[str, ...] = (), **environment: str) -> PluginCaller:
        made.append(PluginCaller(plugins, SystemClock(), environment=environment, hidden=hidden))
        return made[-1]

    yield build
    for caller in made:
        await caller.close()


async def step(caller: PluginCaller, op: str = "run", **request: Any) -> StepReply:
    return await caller.step("acme/x", op, orjson.dumps(request))


async def test_a_plugin_sees_its_request_and_of_our_environment_what_it_names(caller_of):
    plugin = RolloutPlugin("StepPlugin", "acme/x", (sys.executable, "-c", ECHO), environment=("TIER", "API_TOKEN", "ABSENT"))
    reply = await step(caller_of(plugin, TIER="gold", API_TOKEN="hunter2", OTHER="x"), op="run", config={"a": ["ü", None]})
    assert reply.status is not None and reply.phase == "Running"
    assert reply.status["request"] == {"config": {"a": ["ü", None]}}
    env = reply.status["env"]
    env.pop("LC_CTYPE", None)
    assert set(env) <= {"PATH", "LANG", "HOME", "TMPDIR", "TIER", "API_TOKEN", "PWD", "SHLVL", "_", "OLDPWD"}
    assert env["HOME"].startswith(str(Path(reply.status["here"]).parent)) and (env["TIER"], env["API_TOKEN"]) == ("gold", "***")
    assert not os.path.exists(reply.status["here"])


async def test_what_is_declared(caller_of):
    rows = RolloutPlugin("MetricPlugin", "acme/rows", ("x",))
    caller = caller_of(shell(""), rows, RolloutPlugin("StepPlugin", "acme/off", ("x",), is_disabled=True))
    assert caller.declared == DeclaredPlugins(
        frozenset(("acme/x", "acme/off")), frozenset(("acme/rows",)), frozenset(("acme/off",))
    )
    reply = await caller.step("acme/off", "abort", b"{}")
    assert reply == StepReply("Successful", "step plugin acme/off is disabled: abort was not called")
    for undeclared in (await caller.step("acme/rows", "run", b"{}"), await caller.step("acme/none", "run", b"{}")):
        assert undeclared.phase == "Error" and "is not declared: declare its command in the folder" in undeclared.message


HUGE = """head -c 200000 /dev/zero | tr '\\0' x"""
BAD = [
    ("exit 3", {}, "failed with status 3: it said nothing on stderr"),
    ("echo $TOKEN of https://me:pw@x.test >&2; exit 4", {}, "failed with status 4: *** of https://***@x.test"),
    ("sleep 60", {"seconds": 2.0}, "was not done after 2 s, stopped with all that it started"),
    ("exec >&- 2>&-; sleep 60", {"seconds": 2.0}, "was not done after 2 s"),
    ("cat > /dev/null; cat", {}, "printed nothing"),
    ("yes", {}, "printed more than 1 MiB, stopped"),
    ("yes >&2", {"seconds": 2.0}, "was not done after 2 s"),
    ("kill -9 $$", {}, "failed with status 137"),
    ("echo garbage", {}, "acme/x: run answered badly: what it printed is not one JSON document"),
    ("printf '\\377\\376'", {}, "is not one JSON document"),
    ("true", {}, "printed nothing"),
    ("""echo '{"phase": "Promoted"}'""", {}, "phase 'Promoted' is unknown"),
    ("""echo '{"phase": "Failed"}{"phase": "Successful"}'""", {}, "is not one JSON document"),
    ("""echo '{"phase": "Running", "requeueAfter": "-1s"}'""", {}, "requeueAfter is -1s"),
    (f"""printf '{{"phase": "Running", "status": {{"x": "'; {HUGE}; printf '"}}}}'""", {}, "at most 16384 are kept"),
]


@pytest.mark.proves("rollouts:plugins-that-lie")
@pytest.mark.parametrize(("script", "more", "told"), BAD, ids=[script[:30] for script, _, _ in BAD])
async def test_a_step_plugin_that_misbehaves_ends_in_error_and_says_why(caller_of, script, more, told):
    reply = await step(caller_of(shell(script, environment=("TOKEN",), **more), TOKEN="hunter2"))
    assert reply.phase == "Error" and told in reply.message and "acme/x" in reply.message
    assert "hunter2" not in reply.message and len(reply.message) < 3000


async def test_a_plugin_that_eats_memory_or_is_not_there_ends_in_error(caller_of):
    eats = RolloutPlugin("StepPlugin", "acme/x", (sys.executable, "-c", "print(len('x' * (200 << 20)))"), memory=96 << 20)
    reply = await step(caller_of(eats))
    assert (reply.phase, "MemoryError" in reply.message) == ("Error", True)
    for command in (("no-such-program",), ("/no/such/program",)):
        reply = await step(caller_of(RolloutPlugin("StepPlugin", "acme/x", command)))
        assert reply.phase == "Error" and command[0] in reply.message


@pytest.mark.parametrize("ends", ["sleep 60", """echo '{"phase": "Successful"}'"""])
async def test_what_a_plugin_forks_is_ended_with_it(caller_of, ends):
    hangs, child = ends == "sleep 60", f"4343.{os.getpid()}"
    reply = await step(caller_of(shell(f"setsid sleep {child} & {ends}", seconds=2.0 if hangs else 30.0)))
    assert reply.phase == ("Error" if hangs else "Successful"), reply.message
    await eventually(lambda: not commands_with(child))


async def test_a_call_that_nobody_waits_for_any_more_ends_its_command(caller_of):
    child = f"4444.{os.getpid()}"
    caller = caller_of(shell(f"sleep {child}"))
    call = asyncio.create_task(step(caller))
    await eventually(lambda: commands_with(child))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(lambda: not commands_with(child))


async def test_metric_plugins(caller_of):
    caller = caller_of(shell("""echo '{"value": 0.5}'""", "MetricPlugin"))
    assert (await caller.measure("acme/x", "run", b"{}")).value == 0.5
    badly = "metric plugin acme/x: run answered badly: what it printed is not a JSON object"
    for script, seconds, told in (
        ("exit 3", 30.0, "failed with status 3"),
        ("echo 0.5", 30.0, badly),
        ("sleep 60", 2.0, "was not done after 2 s"),
    ):
        bad = caller_of(shell(script, "MetricPlugin", seconds=seconds))
        with pytest.raises(InvalidInput) as caught:
            await bad.measure("acme/x", "run", b"{}")
        assert told in caught.value.message


async def test_after_the_end_nothing_is_called_any_more(caller_of):
    caller = caller_of(shell("true"), shell("true", "MetricPlugin"))
    await caller.close()
    for call in (caller.step, caller.measure):
        with pytest.raises(Unavailable, match="closed"):
            await call("acme/x", "run", b"{}")


async def test_folders_of_logins_are_not_seen(caller_of, tmp_path):
    (tmp_path / "login").write_text("hunter2")
    script = f"""printf '{{"phase": "Successful", "message": "%s"}}' "$(ls {tmp_path})" """
    reply = await step(caller_of(shell(script), hidden=(str(tmp_path),)))
    assert reply == StepReply("Successful")
