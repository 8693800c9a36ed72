"""The functions that Kubernetes adds to CEL: lists, sets, regular expressions, quantities, URLs, addresses.

Each takes and returns plain values. What Kubernetes gives a type of its own (quantity, url, ip, cidr) is a text here, in its
canonical spelling, so that equal values are equal texts; the functions that read it parse it again. A function that cannot
answer raises ValueError.
"""

import ipaddress
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, urlsplit

import re2

from shipway.kube.objects.quantities import parse_quantity

Values = list[Any]


def _is_sorted(values: Values) -> bool:
    return all(a <= b for a, b in pairwise(values))


def _find(text: str, pattern: str) -> str:
    return next(iter(_find_all(text, pattern)), "")


def _find_all(text: str, pattern: str) -> list[str]:
    engine: Any = re2
    return [found.group(0) for found in engine.finditer(pattern, text)]


def _holds(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, ArithmeticError):
            return False
        return True

    return check


def _quantity(text: str) -> str:
    return f"{parse_quantity(text).normalize():f}"


def _compared(one: str, other: str) -> int:
    a, b = Decimal(one), Decimal(other)
    return (a > b) - (a < b)


def _plus(sign: int) -> Callable[[str, Any], str]:
    return lambda one, other: f"{(Decimal(one) + sign * Decimal(other)).normalize():f}"


def _whole(text: str) -> int:
    amount = Decimal(text)
    if amount != amount.to_integral_value():
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not (parts.scheme and (parts.netloc or parts.path)) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    _ = parts.port
    return text


def _part(read: Callable[[SplitResult], Any]) -> Callable[[str], Any]:
    return lambda text: read(urlsplit(text))


def _query(parts: SplitResult) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in filter(None, parts.query.split("&")):
        name, _, value = pair.partition("=")
        found.setdefault(name, []).append(value)
    return found


def _ip(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _cidr(text: str) -> str:
    if "/" not in text:
        raise ValueError("network address parse error during conversion from string")
    return str(ipaddress.ip_interface(text))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_interface(text).network


def _contains(outer: str, inner: str) -> bool:
    around, within = _network(outer), _network(inner)
    return around.version == within.version and within.subnet_of(around)  # type: ignore[arg-type]


MEMBERS: Mapping[str, tuple[tuple[str, ...], str, Callable[..., Any]]] = {
    "isSorted": (("list",), "bool", _is_sorted),
    "sum": (("list",), "dyn", sum),
    "min": (("list",), "dyn", min),
    "max": (("list",), "dyn", max),
    "find": (("string", "string"), "string", _find),
    "findAll": (("string", "string"), "list", _find_all),
    "isGreaterThan": (("string", "string"), "bool", lambda a, b: _compared(a, b) > 0),
    "isLessThan": (("string", "string"), "bool", lambda a, b: _compared(a, b) < 0),
    "compareTo": (("string", "string"), "int", _compared),
    "add": (("string", "string"), "dyn", _plus(1)),
    "sub": (("string", "string"), "dyn", _plus(-1)),
    "sign": (("string",), "int", lambda a: _compared(a, "0")),
    "asInteger": (("string",), "int", _whole),
    "isInteger": (("string",), "bool", _holds(_whole)),
    "asApproximateFloat": (("string",), "double", float),
    "getScheme": (("string",), "string", _part(lambda url: url.scheme)),
    "getHost": (("string",), "string", _part(lambda url: url.netloc.rpartition("@")[2])),
    "getHostname": (("string",), "string", _part(lambda url: url.hostname or "")),
    "getPort": (("string",), "string", _part(lambda url: "" if url.port is None else str(url.port))),
    "getEscapedPath": (("string",), "string", _part(lambda url: url.path)),
    "getQuery": (("string",), "dyn", _part(_query)),
    "family": (("string",), "int", lambda a: ipaddress.ip_address(a).version),
    "isUnspecified": (("string",), "bool", lambda a: ipaddress.ip_address(a).is_unspecified),
    "isLoopback": (("string",), "bool", lambda a: ipaddress.ip_address(a).is_loopback),
    "isLinkLocalUnicast": (("string",), "bool", lambda a: ipaddress.ip_address(a).is_link_local),
    "containsIP": (("string", "string"), "bool", lambda a, b: ipaddress.ip_address(b) in _network(a)),
    "containsCIDR": (("string", "string"), "bool", _contains),
    "prefixLength": (("string",), "int", lambda a: _network(a).prefixlen),
    "masked": (("string",), "dyn", lambda a: str(_network(a))),
}
"""Functions that are called on their first argument: types of the arguments, type of the answer, and the function."""

GLOBALS: Mapping[str, tuple[tuple[str, ...], str, Callable[..., Any]]] = {
    "quantity": (("string",), "dyn", _quantity),
    "isQuantity": (("string",), "bool", _holds(_quantity)),
    "url": (("string",), "dyn", _url),
    "isURL": (("string",), "bool", _holds(_url)),
    "ip": (("string",), "dyn", _ip),
    "isIP": (("string",), "bool", _holds(_ip)),
    "cidr": (("string",), "dyn", _cidr),
    "isCIDR": (("string",), "bool", _holds(_cidr)),
    "sets.contains": (("list", "list"), "bool", lambda a, b: all(x in a for x in b)),
    "sets.equivalent": (("list", "list"), "bool", lambda a, b: all(x in a for x in b) and all(x in b for x in a)),
    "sets.intersects": (("list", "list"), "bool", lambda a, b: any(x in a for x in b)),
}
"""The same for those that stand alone."""
