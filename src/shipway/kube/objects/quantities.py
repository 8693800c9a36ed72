"""Kubernetes quantities ("500m", "1Gi", "1e3"): their value, and the one spelling in which the API server stores each.

A quantity is a number with a suffix of one of three families: decimal SI (n u m "" k M G T P E), binary (Ki Mi Gi Ti Pi Ei)
or a decimal exponent (e3, E3). Canonical form keeps the family, has no fractional digits, and carries the largest suffix that
leaves the number whole: "0.5" becomes "500m", "1000m" becomes "1", "1024Mi" becomes "1Gi". Precision finer than nano is
rounded up.
"""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))((?:[KMGTPE]i)|[numkMGTPE]?|(?:[eE][+-]?\d+))")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def parse_quantity(text: str | float) -> Decimal:
    """The value of a quantity. Raises ValueError, with the API server's words, on anything that is none."""
    number, suffix = _split(text)
    with localcontext() as context:
        context.prec = 60
        return number * _factor(suffix)


@lru_cache(maxsize=4096, typed=True)
def canonical_quantity(text: str | float) -> str:
    """The spelling in which the API server stores the quantity. Raises ValueError on anything that is none."""
    number, suffix = _split(text)
    with localcontext() as context:
        context.prec = 60
        value = (number * _factor(suffix)).quantize(Decimal("1e-9"), rounding=ROUND_CEILING if number > 0 else "ROUND_FLOOR")
        if value == 0:
            return "0"
        if suffix in _BINARY and abs(value) >= 1024 and value == value.to_integral_value():
            return _binary(int(value))
        return _decimal(value, exponent_form=suffix[:1] in ("e", "E") and len(suffix) > 1)


def _split(text: str | float) -> tuple[Decimal, str]:
    match = _FORM.fullmatch(str(text).strip() if not isinstance(text, bool) else "")
    if match is None:
        raise ValueError(_MESSAGE)
    return Decimal(match[1]), match[2]


def _factor(suffix: str) -> Decimal:
    if suffix in _BINARY:
        return Decimal(1024) ** _BINARY[suffix]
    if suffix in _DECIMAL:
        return Decimal(10) ** _DECIMAL[suffix]
    return Decimal(10) ** int(suffix[1:])


def _binary(value: int) -> str:
    power = 0
    while power < 6 and value % 1024 == 0:
        value //= 1024
        power += 1
    return f"{value}{_BINARY_SUFFIX[power]}" if power else str(value)


def _decimal(value: Decimal, *, exponent_form: bool) -> str:
    """`value` has at most nine decimal places."""
    nanos, exponent = int(value.scaleb(9)), -9
    while exponent < 18 and nanos % 1000 == 0:
        nanos //= 1000
        exponent += 3
    if exponent_form:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIX[exponent]}"
