"""A recorded value in the shape in which a provider would hand it on: what conditions would then see."""

import math
from typing import Any

import orjson

from shipway.adapters.kayenta.provider import scored
from shipway.api.measured import as_go, go_float, go_json
from shipway.api.metrics import Sample
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.kube.objects.resource import Obj

VECTORS = frozenset(("prometheus", "graphite", "influxdb"))
"""Providers that always answer a list."""
_ROWS = {"newRelic": "rows: record objects of their columns", "skywalking": "objects: record them"}


def handed_on(kind: str, settings: Obj, value: Any) -> Sample | ShipwayError:
    """`settings`: those of the provider. A recording of whole rows or results is left as it is."""
    match kind:
        case _ if kind in VECTORS:
            return _sample(value if isinstance(value, list) else [value])
        case "newRelic" | "skywalking":
            if not isinstance(value, dict | list):
                return InvalidInput(f'{kind} answers {_ROWS[kind]}, such as {{"share": 0.01}}')
            return Sample(as_go(value), go_json(value))
        case "cloudWatch":
            return _results(value)
        case "kayenta":
            if not isinstance(value, int | float) or not math.isfinite(value):
                return InvalidInput("kayenta answers scores: record numbers from 0 to 100")
            return scored(int(value), settings)
        case _:
            return _sample(value)


def _results(value: Any) -> Sample | ShipwayError:
    """MetricDataResults: a number is the one value of one, a vector of several."""
    found = value if isinstance(value, list) else [value]
    results = [one if isinstance(one, dict) else {"Values": [one]} for one in found]
    if isinstance(value, dict) or not all(isinstance(one.get("Values"), list) for one in results):
        return InvalidInput('cloudWatch answers lists of results: record numbers, or [{"Values": [0.01]}]')
    seen: list[Obj] = as_go(results)
    texts = (" ".join(go_float(one) for one in result["Values"] if isinstance(one, float)) for result in seen)
    return Sample(seen, f"[{' '.join(f'[{text}]' for text in texts)}]")


def _sample(value: Any) -> Sample:
    return Sample(value, shown(value))


def shown(value: Any) -> str:
    """A value as it stands in the measurement."""
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.12g}"
    return orjson.dumps(value).decode()
