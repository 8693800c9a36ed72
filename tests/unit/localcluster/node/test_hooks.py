"""What a lifecycle hook does, and what it says when it cannot."""

from typing import Any

import pytest

from shipway.localcluster.node.hooks import run_hook
from shipway.localcluster.node.probes import Probe
from tests.unit.localcluster.apiserver.conftest import SteppedClock

PORTS = [{"name": "http", "containerPort": 8080}]


@pytest.mark.parametrize(
    ("hook", "asked", "expected"),
    [
        ({"exec": {"command": ["sh", "-c", "x"]}}, [("exec", 0, "/", ("sh", "-c", "x"))], "no"),
        ({"httpGet": {"path": "/bye", "port": "http"}}, [("http", 8080, "/bye", ())], "no"),
        ({"tcpSocket": {"port": 1}}, [], "tcpSocket hooks are not run, as on a real node: use exec, httpGet or sleep"),
        ({"sleep": {"seconds": 7}}, [], ""),
        ({}, [], ""),
    ],
)
async def test_a_hook(hook: dict[str, Any], asked: list[Any], expected: str) -> None:
    seen: list[Any] = []

    async def ask(probe: Probe) -> tuple[bool, str]:
        seen.append((probe.kind, probe.port, probe.path, probe.command))
        return False, "no"

    clock = SteppedClock()
    began = clock.now()
    container = {"name": "c", "ports": PORTS, "lifecycle": {"preStop": hook}}
    assert await run_hook(container, "preStop", ask, clock) == expected
    assert await run_hook(container, "postStart", ask, clock) == ""
    assert seen == asked
    assert clock.now() - began == (7 if "sleep" in hook else 0)


async def test_a_hook_that_succeeds_says_nothing() -> None:
    async def ask(probe: Probe) -> tuple[bool, str]:
        return True, "some output"

    assert await run_hook({"lifecycle": {"postStart": {"exec": {"command": ["a"]}}}}, "postStart", ask, SteppedClock()) == ""
