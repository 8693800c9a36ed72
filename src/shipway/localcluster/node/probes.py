"""Probes: what a spec asks for, how a streak of answers becomes a verdict (pure), and the knock at the door itself.

Until the first success a readiness probe knocks more often than its period says, so that a pod that serves is known to
serve at once; the extra knocks can make it ready, never unready.
"""

import asyncio
from typing import Literal

from msgspec import Struct

from shipway.kube.objects.resource import Obj

Kind = Literal["http", "tcp", "exec", "refused"]
EAGER_SECONDS = 0.05
_ANSWER_LIMIT = 64 * 1024


class Probe(Struct, frozen=True):
    """One probe in seconds and counts. `refused`: what no local process can answer, so the probe fails and says why."""

    kind: Kind
    port: int = 0
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3
    command: tuple[str, ...] = ()
    refusal: str = ""


class Streak(Struct, frozen=True):
    """How the last answers were; `verdict` None until there is one."""

    successes: int = 0
    failures: int = 0
    verdict: bool | None = None


def probe_of(container: Obj, key: str) -> Probe | None:
    """The container's `readinessProbe`, `livenessProbe` or `startupProbe`; None when it has none."""
    spec = container.get(key)
    if not spec:
        return None
    http, tcp = spec.get("httpGet"), spec.get("tcpSocket")
    target = http or tcp or {}
    command = tuple((spec.get("exec") or {}).get("command") or ())
    refusal = _refusal(spec)
    kind: Kind = "refused" if refusal else "http" if http else "tcp" if tcp else "exec"
    return Probe(
        kind,
        _port(container, target.get("port")),
        target.get("path") or "/",
        target.get("host") or "",
        tuple((h.get("name") or "", h.get("value") or "") for h in target.get("httpHeaders") or ()),
        float(spec.get("initialDelaySeconds") or 0),
        float(spec.get("periodSeconds") or 10),
        float(spec.get("timeoutSeconds") or 1),
        int(spec.get("successThreshold") or 1),
        int(spec.get("failureThreshold") or 3),
        command,
        refusal,
    )


def _refusal(spec: Obj) -> str:
    """builtin/echo, the only image that is a process here, speaks plain HTTP/1.1."""
    if "grpc" in spec:
        return "gRPC probe failed: builtin/echo speaks no gRPC, use httpGet"
    if ((spec.get("httpGet") or {}).get("scheme") or "HTTP") != "HTTP":
        return "HTTPS probe failed: builtin/echo speaks no TLS, use scheme HTTP"
    return ""


def _port(container: Obj, port: object) -> int:
    if isinstance(port, int):
        return port
    named = {p.get("name"): p.get("containerPort") for p in container.get("ports") or ()}
    return int(named.get(port) or (port if isinstance(port, str) and port.isdigit() else 0))


def judge(streak: Streak, probe: Probe, *, ok: bool, eager: bool = False) -> Streak:
    """The streak after one more answer. `eager` answers count only when they are good."""
    if ok:
        successes = streak.successes + 1
        return Streak(successes, 0, True if successes >= probe.success_threshold else streak.verdict)
    if eager:
        return Streak(0, streak.failures, streak.verdict)
    failures = streak.failures + 1
    return Streak(0, failures, False if failures >= probe.failure_threshold else streak.verdict)


async def knock(probe: Probe, address: tuple[str, int]) -> tuple[bool, str]:
    """Whether the probe succeeds at (host, port), and what to say when it does not."""
    if probe.kind == "refused":
        return False, probe.refusal
    try:
        async with asyncio.timeout(probe.timeout):
            return await _knock(probe, address)
    except TimeoutError:
        return False, f"no answer within {probe.timeout:g}s"
    except OSError as error:
        return False, f"{address[0]}:{address[1]}: {error.strerror or error}"


async def _knock(probe: Probe, address: tuple[str, int]) -> tuple[bool, str]:
    reader, writer = await asyncio.open_connection(*address, limit=_ANSWER_LIMIT)
    try:
        if probe.kind == "tcp":
            return True, ""
        host = probe.host or f"{address[0]}:{address[1]}"
        extra = "".join(f"{name}: {value}\r\n" for name, value in probe.headers if name.lower() != "host")
        head = f"GET {probe.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kube-probe/1.36\r\n{extra}Connection: close\r\n\r\n"
        writer.write(head.encode())
        parts = (await reader.readline()).split(b" ", 2)
        status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"
    finally:
        writer.close()
