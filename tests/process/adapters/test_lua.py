"""Scripts as users write them, and what scripts may not do."""

import json

import pytest

from shipway.adapters.lua.engine import LuaEngine
from shipway.adapters.lua.sandbox import run
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.workers.pool import WorkerPool

CERTIFICATE_CHECK = """
hs = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for i, condition in ipairs(obj.status.conditions) do
    if condition.type == "Ready" and condition.status == "False" then
      hs.status = "Degraded"
      hs.message = condition.message
      return hs
    end
    if condition.type == "Ready" and condition.status == "True" then
      hs.status = "Healthy"
      hs.message = condition.message
      return hs
    end
  end
end
hs.status = "Progressing"
hs.message = "Waiting for certificate"
return hs
"""


OUT_OF_REACH = ["io", "os.execute", "os.getenv", "os.exit", "os.remove", "package", "load", "loadstring", "loadfile"]
OUT_OF_REACH += ["dofile", "debug", "python", "newproxy", "coroutine", "getfenv", "setfenv", "string.dump", "print"]


def ran(script: str, obj: object = None, seconds: float = 5.0):
    return run({"script": script, "obj": json.dumps(obj if obj is not None else {}), "seconds": seconds})


@pytest.mark.proves("gitops:lua-health")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, {"status": "Progressing", "message": "Waiting for certificate"}),
        ({"conditions": [{"type": "Ready", "status": "True", "message": "fine"}]}, {"status": "Healthy", "message": "fine"}),
        ({"conditions": [{"type": "Ready", "status": "False", "message": "no"}]}, {"status": "Degraded", "message": "no"}),
    ],
)
def test_a_health_check_as_users_write_it(status: object, expected: object):
    assert ran(CERTIFICATE_CHECK, {"status": status}) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("return nil", None),
        ("return {1, 2, 3}", [1, 2, 3]),
        ("return {a = {b = true, c = 1.5}}", {"a": {"b": True, "c": 1.5}}),
        ("return {}", {}),
        ("return string.format('%d of %d', obj.a, #obj.list)", "1 of 2"),
        ("return tostring(obj.missing)", "nil"),
        ("return ('Provisioning x'):find('^Provisioning') ~= nil", True),
        ("return type(os.time())", "number"),
        ("local ok = pcall(error, 'no') return ok", False),
        ("return #table.concat({'ä', 'b'})", 3),
    ],
)
def test_values_come_and_go_as_json_holds_them(script: str, expected: object):
    assert ran(script, {"a": 1, "list": [1, 2]}) == expected


@pytest.mark.proves("gitops:lua-sandbox")
@pytest.mark.parametrize(
    "name",
    OUT_OF_REACH,
)
def test_nothing_of_the_machine_is_in_reach(name: str):
    assert ran(f"return tostring({name})") == "nil"


@pytest.mark.proves("gitops:lua-sandbox")
def test_harmless_libraries_can_be_required_and_no_others():
    assert ran("local os = require('os') return type(os.date) .. tostring(os.execute)") == "functionnil"
    with pytest.raises(InvalidInput, match="module 'io' is out of reach"):
        ran("return require('io')")


@pytest.mark.parametrize(("params", "expected"), [({"replicas": "3"}, 3), ({}, None)])
def test_parameters_of_an_action_are_a_table(params: dict[str, str], expected: object):
    script = "return tonumber(actionParams['replicas'])"
    assert run({"script": script, "obj": "{}", "seconds": 5.0, "params": params}) == expected


@pytest.mark.proves("gitops:lua-sandbox")
@pytest.mark.parametrize(
    "script",
    ["while true do end", "while true do pcall(function() while true do end end) end", "local function f() return f() end f()"],
)
def test_a_script_that_never_ends_is_stopped(script: str):
    with pytest.raises(InvalidInput) as caught:
        ran(script, seconds=0.1)
    assert caught.value.reason == "LuaTookTooLong"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("local t = {} for i = 1, 1e9 do t[i] = {} end", "LuaOutOfMemory"),
        ("return (('x'):rep(1e9))", "LuaOutOfMemory"),
        ("return nil + 1", "LuaFailed"),
        ("retur nil", "LuaFailed"),
        ("return function() end", "LuaFailed"),
        ("local t = {} t.t = t return t", "LuaFailed"),
        ("error('by hand')", "LuaFailed"),
    ],
)
def test_what_fails_says_why(script: str, reason: str):
    with pytest.raises(InvalidInput) as caught:
        ran(script)
    assert caught.value.reason == reason
    assert "/" not in caught.value.message


@pytest.mark.proves("gitops:lua-sandbox")
async def test_a_pattern_that_never_ends_costs_a_worker_and_nothing_else():
    pool = WorkerPool("script", size=1, memory_bytes=1 << 30, timeout_seconds=8.0, clock=SystemClock())
    try:
        with pytest.raises(ShipwayError, match="no result"):
            await LuaEngine(pool).run(f"return ('a'):rep(200):find('{'.-' * 40}b')", b"{}")
        assert await LuaEngine(pool).run("return 1", b"{}") == 1
    finally:
        await pool.close()
