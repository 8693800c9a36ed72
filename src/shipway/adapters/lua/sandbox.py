"""The worker's side of Lua: one script, one object, nothing of the machine.

Argo CD runs these scripts in Lua 5.1. Of the libraries there are `string`, `table`, `math` and of `os` the clock, and `require`
gives these and no others; what reads files, starts programs, loads code or reaches into Python is taken away, also with
`useOpenLibs`. Time is bounded by counting instructions; a single pattern match that never ends is bounded by the pool, which
kills the process.
"""

import json
import time
from typing import Any, cast

from lupa.lua51 import LuaError, LuaMemoryError, LuaRuntime, LuaSyntaxError, lua_type

from shipway.base.errors import InvalidInput

MEMORY_BYTES = 64 << 20
_DEEPEST = 200
_INSTRUCTIONS = 10_000
"""How many instructions run between two looks at the clock."""

_LOADER = """
local source, check, every = ...
local chunk, problem = loadstring(source, "script")
if chunk == nil then error(problem, 0) end
local sethook = debug.sethook
local clock, date = os.time, os.date
for _, name in ipairs({"io", "package", "module", "require", "load", "loadfile", "loadstring", "dofile", "debug", "python",
                       "newproxy", "collectgarbage", "gcinfo", "getfenv", "setfenv", "print", "xpcall", "coroutine"}) do
  _G[name] = nil
end
_G.os = {time = clock, date = date}
string.dump = nil
local harmless = {os = os, string = string, table = table, math = math}
require = function(name)
  local found = harmless[name]
  if found == nil then error("module '" .. tostring(name) .. "' is out of reach", 0) end
  return found
end
local protected = pcall
pcall = function(...)
  check()
  local said = {protected(...)}
  check()
  return unpack(said)
end
sethook(function() check() end, "", every)
return chunk
"""


class _TookTooLong(Exception):
    """Raised into the script when its time is over."""


def run(job: dict[str, Any]) -> Any:
    """See `LuaEngine.run`."""
    runtime = cast(Any, LuaRuntime)(  # its stubs know nothing of these parameters
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_no_attributes,
        max_memory=MEMORY_BYTES,
    )
    seconds: float = job["seconds"]
    until = time.process_time() + seconds

    def check(*_: Any) -> None:
        if time.process_time() > until:
            raise _TookTooLong

    try:
        runtime.globals().obj = runtime.table_from(json.loads(job["obj"]), recursive=True)
        runtime.globals().actionParams = runtime.table_from(job.get("params") or {})
        chunk = runtime.execute(_LOADER, job["script"], check, _INSTRUCTIONS)
        returned = chunk()
        return _plain(returned[0] if isinstance(returned, tuple) else returned)
    except _TookTooLong:
        raise InvalidInput(f"the script ran for more than {seconds:g} s", reason="LuaTookTooLong") from None
    except LuaMemoryError:
        raise InvalidInput(f"the script wanted more than {MEMORY_BYTES >> 20} MiB", reason="LuaOutOfMemory") from None
    except (LuaSyntaxError, LuaError) as error:
        raise InvalidInput(f"the script failed: {_told(error)}", reason="LuaFailed") from None


def _no_attributes(_: Any, name: Any, __: bool) -> Any:
    raise AttributeError(f"{name} is out of reach")


def _told(error: Exception) -> str:
    return str(error).removeprefix("error loading code: ").splitlines()[0].replace('[string "script"]', "line")


def _plain(value: Any, depth: int = 0) -> Any:
    """A Lua value as JSON: a table with keys 1..n is a list, an empty one a map."""
    if depth > _DEEPEST:
        raise InvalidInput("the script returned a table that nests too deeply", reason="LuaFailed")
    kind = lua_type(value)
    if kind == "table":
        keys = list(value.keys())
        if keys and keys == list(range(1, len(keys) + 1)):
            return [_plain(value[key], depth + 1) for key in keys]
        return {str(key): _plain(value[key], depth + 1) for key in keys}
    if kind is not None:
        raise InvalidInput(f"the script returned a {kind}", reason="LuaFailed")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
