"""The `wavefront` metric: for each series of a query the point next to now; one series is a float, several a list.

How far from now the points are stands in the measurement's metadata (`timestamps`, `drift` in seconds): Wavefront may
answer with points from outside the moment that was asked for.
"""

import math
import re
from typing import Any

from msgspec import Struct

from shipway.api.measured import MOST_WORDS, document, go_fixed, sealed, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

SECRET = "wavefront-api-tokens"  # the name of a Secret, not a secret: a token by the address it is for
TIMEOUT = 30.0
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]+)?")


class _Point(Struct, frozen=True):
    time: float
    value: float


async def measure(fetch: Fetch, settings: Obj, token: str, now: Instant) -> Sample:
    """One measurement. `settings` is the metric's `provider.wavefront`. Raises InvalidInput, Denied or Unavailable."""
    address = settings.get("address") or ""
    if not _HOST.fullmatch(address):
        raise InvalidInput(f"wavefront metric: the address {shown_address(address)!r} is no host: give example.wavefront.com")
    server = f"Wavefront at {address}"
    moment = str(int(now) * 1000)
    call = HttpCall(
        purpose=f"cannot query {server}",
        url=f"https://{address}/api/v2/chart/api",
        headers={"Authorization": f"Bearer {token}"},
        query={"q": settings.get("query") or "", "s": moment, "e": moment, "p": "1", "g": "s", "i": "true"},
        timeout=TIMEOUT,
        follows_redirects=False,
    )
    return read_answer(document(await sealed(fetch, token)(call), server), server, now)


def read_answer(answer: Any, server: str, now: Instant) -> Sample:
    """The values of the points next to `now`. No series are an error, as in Argo Rollouts."""
    if not isinstance(answer, dict):
        raise wrong_shape(server)
    if problem := answer.get("errorMessage") or answer.get("errorType"):
        raise InvalidInput(f"{server} refuses the query: {str(problem)[:MOST_WORDS]}", reason="BadQuery")
    warnings = answer.get("warnings")
    try:
        points = [_next_to(now, series["data"]) for series in answer.get("timeseries") or []]
    except (KeyError, TypeError, ValueError):
        raise wrong_shape(server) from None
    if not points:
        told = f": {warnings[:MOST_WORDS]}" if isinstance(warnings, str) and warnings else ""
        raise Unavailable(f"{server}: No TimeSeries found in response from Wavefront{told}")
    metadata = {
        "timestamps": _shown([f"{int(point.time)}" for point in points]),
        "drift": _shown([f"{int(point.time - int(now))}" for point in points]),
        **({"warnings": warnings} if isinstance(warnings, str) and warnings else {}),
    }
    values = [point.value for point in points]
    return Sample(values if len(values) > 1 else values[0], _shown([go_fixed(value, 2) for value in values]), metadata)


def _next_to(now: Instant, raw: Any) -> _Point:
    """Raises TypeError or ValueError for points that are none, or when there are none."""
    return min((_point(*pair) for pair in raw), key=lambda point: abs(point.time - int(now)))


def _point(time: Any, value: Any) -> _Point:
    if isinstance(value, bool) or not math.isfinite(float(time)):
        raise ValueError(time)
    return _Point(float(time), float(value))


def _shown(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
