"""The `influxdb` metric: the values of all rows that a flux query gives, in the types of their columns.

InfluxDB answers in annotated CSV (docs.influxdata.com, "Annotated CSV"): tables, each under rows that say the types and
defaults of its columns. An error after the first row is a table of its own.
"""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from msgspec import Struct

from shipway.api.measured import body_of, go_float, sealed, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

SECRET = "influxdb"  # the name of a Secret, not a secret
TIMEOUT = 30.0
DIALECT = {"annotations": ["datatype", "group", "default"], "delimiter": ",", "header": True}
_BOOLEANS = {"true": True, "false": False}
_READERS: Mapping[str, Callable[[str], Any]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": _BOOLEANS.__getitem__,
    "string": str,
    "base64Binary": str,
    "duration": str,
    "dateTime:RFC3339": str,
    "dateTime:RFC3339Nano": str,
}


class Login(Struct, frozen=True):
    """Where InfluxDB is, who asks, and for which organisation."""

    address: str
    token: str
    org: str


def login_of(values: Mapping[str, str]) -> Login | None:
    """The login that a Secret (`address`, `authToken`, `org`) holds; None when a key is missing."""
    address, token, org = ((values.get(key) or "").strip() for key in ("address", "authToken", "org"))
    return Login(address, token, org) if address and token and org else None


async def measure(fetch: Fetch, settings: Obj, login: Login) -> Sample:
    """One measurement. `settings` is the metric's `provider.influxdb`. Raises InvalidInput, Denied or Unavailable."""
    server = f"InfluxDB at {shown_address(login.address)}"
    call = HttpCall(
        purpose=f"cannot query {server}",
        url=f"{login.address.rstrip('/')}/api/v2/query?{urlencode({'org': login.org})}",
        method="POST",
        headers={"Authorization": f"Token {login.token}", "Content-Type": "application/json", "Accept": "application/csv"},
        body=orjson.dumps({"query": settings.get("query") or "", "type": "flux", "dialect": DIALECT}),
        timeout=TIMEOUT,
        follows_redirects=False,
    )
    body = body_of(await sealed(fetch, login.token)(call), server)
    return await asyncio.to_thread(read_answer, body, server)  # eight megabytes of rows take a while


def read_answer(body: bytes, server: str) -> Sample:
    """The `_value` of every row of every table. No rows are an error, as in Argo Rollouts."""
    try:
        values = list(_values(body.decode(), server))
    except (csv.Error, UnicodeDecodeError, LookupError, ValueError):
        raise wrong_shape(server) from None
    if not values:
        raise Unavailable(f"{server}: no results returned from flux query: check its bucket, range and filters")
    return Sample(values, f"[{' '.join(map(_text, values))}]")


def _values(text: str, server: str) -> Iterator[Any]:
    types: list[str] = []
    defaults: list[str] = []
    names: list[str] = []
    for row in csv.reader(io.StringIO(text, newline="")):
        match row:
            case []:
                names = []
            case ["#datatype", *types]:
                names, defaults = [], []
            case ["#default", *defaults]:
                names = []
            case [first, *_] if first.startswith("#"):
                names = []
            case [_, *cells] if names:
                if names[0] == "error":
                    raise InvalidInput(f"{server} refuses the query: {cells[0][:500]}", reason="BadQuery")
                yield _value(names, types, defaults, cells)
            case ["", *names] if len(names) == len(types) or names[:1] == ["error"]:
                continue
            case _:
                raise ValueError(row)


def _value(names: list[str], types: list[str], defaults: list[str], cells: list[str]) -> Any:
    """Raises LookupError or ValueError for a cell that its column does not allow."""
    if len(cells) != len(names):
        raise ValueError(cells)
    if "_value" not in names:
        return None
    column = names.index("_value")
    text = cells[column] or (defaults[column] if column < len(defaults) else "")
    return _READERS[types[column]](text) if text else None


def _text(value: Any) -> str:
    """As Go prints a value of any type."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return go_float(value)
        case _:
            return str(value)
