"""The `kayenta` metric: a canary analysis that Kayenta carries out by itself, scored against two thresholds.

It is started, and asked for its score every 15 seconds; its id stands in the measurement until then, so that another
process goes on with it. The thresholds judge, conditions are not asked.
"""

from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson

from shipway.api.measured import address_of, document, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

EXECUTION = "canaryExecutionId"
"""The key in a measurement's metadata under which the id of its execution stands, as in Argo Rollouts."""
PAUSE = 15.0
"""Seconds between two questions whether an execution has ended."""
TIMEOUT = 15.0


async def measure(fetch: Fetch, settings: Obj, measurement: bytes = b"") -> Sample:
    """Starts an execution, or asks how the one of `measurement` (as JSON) goes. `settings`: the metric's `provider.kayenta`.

    Raises InvalidInput, Denied or Unavailable."""
    known: Obj = (orjson.loads(measurement).get("metadata") or {}) if measurement else {}
    return await _resume(fetch, settings, known.get(EXECUTION) or "") if measurement else await _begin(fetch, settings)


async def _begin(fetch: Fetch, settings: Obj) -> Sample:
    address, server = _where(settings)
    asked = orjson.dumps({"scopes": _scopes(settings), "thresholds": _thresholds(settings)})
    config = await _config(fetch, settings)
    accounts = ("application", "metricsAccountName", "configurationAccountName", "storageAccountName")
    call = HttpCall(
        purpose=f"cannot start an analysis by {server}",
        url=f"{address}/canary/{quote(config, safe='')}?{urlencode({name: settings.get(name) or '' for name in accounts})}",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=asked,
        timeout=TIMEOUT,
        follows_redirects=False,
    )
    answer = document(await fetch(call), server)
    execution = answer.get(EXECUTION) if isinstance(answer, dict) else None
    if not isinstance(execution, str) or not execution:
        raise Unavailable(f"{server}: Invalid canaryExecutionId: is the address right?")
    return _going_on(execution)


async def _resume(fetch: Fetch, settings: Obj, execution: str) -> Sample:
    address, server = _where(settings)
    call = HttpCall(f"cannot ask {server} for a score", f"{address}/canary/{quote(execution, safe='')}", timeout=TIMEOUT)
    return read_score(document(await fetch(call), server), server, settings) or _going_on(execution)


def _going_on(execution: str) -> Sample:
    return Sample(None, "", {EXECUTION: execution}, phase="Running", resume_after=PAUSE)


async def _config(fetch: Fetch, settings: Obj) -> str:
    """The id of the canary config with the name that the metric gives."""
    address, server = _where(settings)
    named = {"application": settings.get("application") or ""}
    query = urlencode({**named, "configurationAccountName": settings.get("configurationAccountName") or ""})
    call = HttpCall(f"cannot ask {server} for its canary configs", f"{address}/canaryConfig?{query}", timeout=TIMEOUT)
    found = document(await fetch(call), server)
    if not isinstance(found, list) or not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found):
        raise wrong_shape(server)
    name = settings.get("canaryConfigName")
    ids = [one["id"] for one in found if one.get("name") == name]
    if not ids:
        raise InvalidInput(f"{server} has no canary config {name!r} for application {named['application']!r}")
    return ids[0]


def _where(settings: Obj) -> tuple[str, str]:
    """(address, how messages name the server)."""
    address = address_of(settings, "kayenta")
    return address, f"Kayenta at {shown_address(address)}"


def _thresholds(settings: Obj) -> dict[Literal["pass", "marginal"], int]:
    given: Obj = settings.get("threshold") or {}
    return {
        "pass": _whole(given.get("pass"), "threshold.pass"),
        "marginal": _whole(given.get("marginal"), "threshold.marginal"),
    }


def _scopes(settings: Obj) -> Obj:
    found: Obj = {}
    for index, raw in enumerate(settings.get("scopes") or []):
        if not isinstance(raw, dict):
            raise InvalidInput(f"kayenta metric: scopes[{index}] is no scope")
        sides = ("controlScope", "experimentScope")
        found[raw.get("name") or ""] = {side: _side(raw.get(side) or {}, f"scopes[{index}].{side}") for side in sides}
    return found


def _side(raw: Obj, where: str) -> Obj:
    texts = {name: raw.get(name) or "" for name in ("scope", "region", "start", "end")}
    return {**texts, "step": _whole(raw.get("step") or 0, f"{where}.step")}


def _whole(given: Any, where: str) -> int:
    try:
        return int(str(given))
    except ValueError:
        raise InvalidInput(f"kayenta metric: {where} {given!r} is no whole number") from None


def read_score(answer: Any, server: str, settings: Obj) -> Sample | None:
    """The score, cut to a whole number, and what the thresholds make of it; None while the execution goes on."""
    if not isinstance(answer, dict):
        raise wrong_shape(server)
    if not isinstance(answer.get("complete"), bool):
        raise Unavailable(f"{server}: Missing Complete Status: is the address right?")
    if not answer["complete"]:
        return None
    try:
        score = answer["result"]["judgeResult"]["score"]["score"]
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise TypeError(score)
    except (KeyError, TypeError):
        raise Unavailable(f"{server}: Missing Score: the execution ended {answer.get('status') or 'without one'}") from None
    return scored(int(score), settings)


def scored(score: int, settings: Obj) -> Sample:
    """What the thresholds make of a score: marginal is Inconclusive."""
    limits = _thresholds(settings)
    verdict = "Successful" if score >= limits["pass"] else "Inconclusive" if score >= limits["marginal"] else "Failed"
    return Sample(score, str(score), phase=verdict)
