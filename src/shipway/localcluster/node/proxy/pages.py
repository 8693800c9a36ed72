"""What the proxy says about itself: metrics for Prometheus, and the JSON of one Service for an AnalysisRun.

/-/healthz
/-/metrics                                          Prometheus text
/-/services/<namespace>/<service>?window=5s         totals, and the last seconds under "window"
"""

import ipaddress
from urllib.parse import parse_qs, urlsplit

import orjson
from msgspec import Struct

from shipway.base.durations import parse_duration
from shipway.localcluster.node.proxy.counters import KEPT_SECONDS, Counters

DEFAULT_WINDOW_SECONDS = 10.0


class Page(Struct, frozen=True):
    status: int
    text: str
    kind: str = "text/plain; charset=utf-8"


def is_own_host(host: str) -> bool:
    """Only an address or plain localhost: what is routed by name keeps its whole path space."""
    if host in ("localhost", ""):
        return True
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


def own_page(target: str, counters: Counters, now: float) -> Page:
    """The page at `target`, which begins with `/-/`."""
    url = urlsplit(target)
    match url.path.strip("/").split("/"):
        case ["-", "healthz"]:
            return Page(200, "ok\n")
        case ["-", "metrics"]:
            return Page(200, counters.prometheus(), "text/plain; version=0.0.4; charset=utf-8")
        case ["-", "services", namespace, service]:
            return _service(namespace, service, parse_qs(url.query).get("window", [""])[0], counters, now)
        case _:
            return Page(404, "here are /-/healthz, /-/metrics and /-/services/<namespace>/<service>?window=10s\n")


def _service(namespace: str, service: str, window: str, counters: Counters, now: float) -> Page:
    try:
        seconds = parse_duration(window) if window else DEFAULT_WINDOW_SECONDS
    except ValueError as error:
        return Page(400, f"window: {error}\n")
    if not 0 < seconds <= KEPT_SECONDS:
        return Page(400, f"window: give a duration above 0 and up to {KEPT_SECONDS:g}s\n")
    report = counters.report(namespace, service, window_seconds=seconds, now=now)
    return Page(200, orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode(), "application/json")
