"""Go durations ("1h30m", "500ms"), which every Kubernetes-style manifest uses. Seconds as float inside."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+")
_SPAN_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_SPAN_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SPAN = re.compile(rf"(?:{_SPAN_PART.pattern})+")
_LONGEST = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits: about 292 years."""


def parse_duration(text: str) -> float:
    """Seconds of a Go duration string (`time.ParseDuration`). Raises ValueError with the offending text."""
    if text in ("0", "+0", "-0"):
        return 0.0
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not _WHOLE.fullmatch(text) or total >= _LONGEST:
        raise ValueError(f'time: invalid duration "{text}": write it like "30s", "5m" or "1h30m"')
    return -total if text.startswith("-") else total


def format_duration(seconds: float) -> str:
    """As Go prints a duration, to the nanosecond: `1h2m3s`, `1.5s`, `250ms`, `0s`."""
    nanos = round(abs(seconds) * 1e9)
    if nanos == 0:
        return "0s"
    sign = "-" if seconds < 0 else ""
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanos < size * 1_000:
            return f"{sign}{_decimal(nanos, size)}{unit}"
    minutes, nanos = divmod(nanos, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    head = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "")
    return f"{sign}{head}{_decimal(nanos, 1_000_000_000)}s"


def parse_span(text: str) -> float:
    """Seconds of a Prometheus duration, which knows days, weeks and years: `30d`, `4w`, `1h30m`. Raises ValueError."""
    if not _SPAN.fullmatch(text):
        raise ValueError(f'not a valid duration: "{text}": write it like "5m", "30d" or "4w"')
    return sum(float(number) * _SPAN_UNITS[unit] for number, unit in _SPAN_PART.findall(text))


def format_span(seconds: float) -> str:
    """As Prometheus prints whole seconds: `5m`, `1h30m`, `4d`, `4w`; weeks only where they are whole."""
    rest = int(seconds)
    if rest and rest % 604_800 == 0:
        return f"{rest // 604_800}w"
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def format_age(seconds: float) -> str:
    """Short age as kubectl prints it: `45s`, `3m12s`, `17m`, `5h`, `3d4h`, `40d` (apimachinery duration.HumanDuration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(0, whole)
    if whole < 120:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def _decimal(nanos: int, size: int) -> str:
    whole, rest = divmod(nanos, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else str(whole)
