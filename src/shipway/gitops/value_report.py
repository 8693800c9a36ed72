"""What services say of their settings, and say twice: pure, over what they render to and the values of their charts.

    duplicated   the same key with the same value in so many services: a candidate for one place, or for nobody
    overridden   what a chart says by default and a service says otherwise (or says once more)
    unused       what is said and no template of the chart asks for

Settings are the entries of ConfigMaps and the environment of containers, as far as they are one line; values of charts are
those of all layers together. Secrets are not read, and what goes by the name of a secret is not shown.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig

LONGEST = 200
"""Characters of a value that is a setting; what is longer, or has lines, is a file."""
HIDDEN = "********"
_PODS = (("spec",), ("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))
_SECRET = re.compile(r"pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|access_?key", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/\s@]*:[^/\s@]+@")


class Chart(Struct, frozen=True):
    """A chart as one service uses it: (place, values) from the weakest to the strongest, its own first if `has_defaults`.

    `used`: the paths that its templates ask for; None when they take all. `parts`: the charts that it depends on, which are
    told their values below their names.
    """

    layers: tuple[tuple[str, dict[str, Any]], ...]
    used: frozenset[str] | None = None
    parts: frozenset[str] = frozenset()
    has_defaults: bool = True


class Service(Struct, frozen=True):
    """One Application: its objects and its charts."""

    name: str
    objects: tuple[Obj, ...] = ()
    charts: tuple[Chart, ...] = ()


class Duplicate(Struct, frozen=True):
    key: str
    value: str
    services: tuple[str, ...]


class Override(Struct, frozen=True):
    """`says_the_same`: it could be left out."""

    service: str
    key: str
    default: str
    value: str
    by: str
    says_the_same: bool


class Unused(Struct, frozen=True):
    service: str
    key: str
    by: str


class Report(Struct, frozen=True):
    duplicated: tuple[Duplicate, ...]
    overridden: tuple[Override, ...]
    unused: tuple[Unused, ...]


def report_of(services: Sequence[Service], least: int) -> Report:
    """`least`: in how many services a setting has to be the same to be told."""
    return Report(
        tuple(_duplicated(services, least)),
        tuple(one for service in services for one in _overridden(service)),
        tuple(one for service in services for one in _unused(service)),
    )


def _duplicated(services: Iterable[Service], least: int) -> list[Duplicate]:
    found: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for service in services:
        for key, value in _said(service):
            found[key, value][service.name] = None
    told = [Duplicate(key, shown(key, value), tuple(where)) for (key, value), where in found.items() if len(where) >= least]
    return sorted(told, key=lambda one: (-len(one.services), one.key, one.value))


def _said(service: Service) -> Iterator[tuple[str, str]]:
    """What a service itself says. The defaults of its charts are those of the chart."""
    for obj in service.objects:
        yield from _settings(obj)
    for chart in service.charts:
        defaults, own = _split(chart)
        effective = {key: value for _, values in own for key, value in leaves(values)}
        for key, value in effective.items():
            if key not in defaults or defaults[key] != value:
                yield f"values:{key}", _text(value)


def _settings(obj: Obj) -> Iterator[tuple[str, str]]:
    if obj.get("kind") == "ConfigMap":
        texts = ((key, str(value).rstrip("\n")) for key, value in (obj.get("data") or {}).items())
        yield from ((key, text) for key, text in texts if len(text) <= LONGEST and "\n" not in text)
    for path in _PODS:
        containers: list[Obj] = dig(obj, *path, "containers", default=[])
        said: list[Obj] = [one for container in containers for one in container.get("env") or ()]
        yield from ((one.get("name", ""), str(one["value"])) for one in said if one.get("value"))


def _overridden(service: Service) -> Iterator[Override]:
    for chart in service.charts:
        defaults, own = _split(chart)
        winners = {key: (name, value) for name, values in own for key, value in leaves(values)}
        for key, (name, value) in sorted(winners.items()):
            if key in defaults:
                default = defaults[key]
                yield Override(service.name, key, shown(key, _text(default)), shown(key, _text(value)), name, value == default)


def _unused(service: Service) -> Iterator[Unused]:
    for chart in service.charts:
        if chart.used is None:
            continue
        said = {key: name for name, values in reversed(chart.layers) for key, _ in leaves(values)}
        for key, name in sorted(said.items()):
            if key.partition(".")[0] not in {"global", *chart.parts} and not _is_asked_for(key, chart.used):
                yield Unused(service.name, key, name)


def _is_asked_for(key: str, used: frozenset[str]) -> bool:
    """By its own path, or as a part of one."""
    parts = key.split(".")
    return any(".".join(parts[:size]) in used for size in range(1, len(parts) + 1)) or any(
        u.startswith(f"{key}.") for u in used
    )


def _split(chart: Chart) -> tuple[Mapping[str, Any], Sequence[tuple[str, dict[str, Any]]]]:
    if not chart.has_defaults:
        return {}, chart.layers
    return dict(leaves(chart.layers[0][1])), chart.layers[1:]


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that is no map with something in it; a list is one value."""
    for key, value in values.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, dict) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def shown(key: str, value: str) -> str:
    """The value as it may be printed."""
    is_secret = _SECRET.search(key) or _LOGIN.search(value) or (value.startswith(("[", "{")) and _SECRET.search(value))
    return HIDDEN if value and is_secret else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
