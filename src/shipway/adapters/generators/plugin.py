"""Asks an ApplicationSet plugin for parameters, by the protocol of Argo CD: one POST, one JSON answer.

Plugins are programs of users. One that hangs, floods or answers something else is an error, never an empty list; neither its
address nor its answer is quoted, since both may hold what is secret.
"""

from typing import Any
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, Unavailable

DEEPEST = 32
"""Levels that a set of parameters may have."""
FAILED = "PluginFailed"


class Plugin(Struct, frozen=True):
    """Where a plugin is and how to log in. `called` begins every message about it."""

    called: str
    base_url: str
    token: str
    timeout: float = 30.0


async def parameters(fetch: Fetch, plugin: Plugin, set_name: str, told: Any) -> list[dict[str, Any]]:
    """What the plugin gives for `told`. Raises InvalidInput (no URL), Denied (the token) or Unavailable (anything else)."""
    address = urlsplit(plugin.base_url)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise InvalidInput(f"{plugin.called}: baseUrl is no URL: give http://host or https://host", reason="InvalidPlugin")
    call = HttpCall(
        purpose=plugin.called,
        url=f"{plugin.base_url.rstrip('/')}/api/v1/getparams.execute",
        method="POST",
        headers={
            "Authorization": f"Bearer {plugin.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "shipway",
        },
        body=orjson.dumps({"applicationSetName": set_name, "input": {"parameters": told}}),
        timeout=plugin.timeout,
        follows_redirects=False,
    )
    answer = await fetch(call)
    _check(answer, plugin.called)
    return _read(answer.body, plugin.called)


def _check(answer: HttpAnswer, called: str) -> None:
    if answer.is_good:
        return
    if answer.status in (401, 403):
        told = f"{called}: HTTP {answer.status}: it does not take the token that its ConfigMap names"
        raise Denied(told, reason="PluginLogin")
    raise Unavailable(f"{called}: HTTP {answer.status}", after=answer.retry_after, reason=FAILED)


def _read(body: bytes, called: str) -> list[dict[str, Any]]:
    wanted = '{"output": {"parameters": [{…}, …]}}'
    try:
        found: Any = orjson.loads(body)["output"]["parameters"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Unavailable(f"{called}: the answer is not {wanted}", reason=FAILED) from None
    found = [] if found is None else found  # how a Go program writes a list of nothing
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unavailable(f"{called}: output.parameters is no list of objects: the answer is {wanted}", reason=FAILED)
    if not _is_within(found, DEEPEST + 1):
        raise Unavailable(f"{called}: its parameters are nested more than {DEEPEST} levels deep", reason=FAILED)
    return found


def _is_within(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    children = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(one, levels - 1) for one in children)
