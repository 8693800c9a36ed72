"""Go durations ("1h30m", "500ms"), which every Kubernetes-style manifest uses. Seconds as float inside."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration string (`time.ParseDuration`). Raises ValueError with the offending text."""
    if text in ("0", "+0", "-0"):
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'time: invalid duration "{text}": write it like "30s", "5m" or "1h30m"')
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -total if text.startswith("-") else total


def format_duration(seconds: float) -> str:
    """As Go prints a duration: `1h2m3s`, `1.5s`, `250ms`, `0s`."""
    if seconds == 0:
        return "0s"
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    if rest < 1:
        return f"{sign}{_trim(rest * 1e3)}ms" if rest >= 1e-3 else f"{sign}{_trim(rest * 1e6)}µs"
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    head = (f"{int(hours)}h" if hours else "") + (f"{int(minutes)}m" if hours or minutes else "")
    return f"{sign}{head}{_trim(rest)}s"


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


def _trim(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")
