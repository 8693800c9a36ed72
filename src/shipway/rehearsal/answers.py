"""What a recording answers to one measurement, in the shape in which the metric's provider would hand it on."""

import math
from typing import Any

import orjson

from shipway.api.metrics import Sample
from shipway.base.durations import format_duration
from shipway.base.errors import ShipwayError, Unavailable
from shipway.rehearsal.recording import Recording
from shipway.rollouts.analysis.asks import MeasureAsk


def answer(recording: Recording, ask: MeasureAsk, seconds: float, *, is_hit: bool) -> Sample | ShipwayError:
    """`is_hit`: the new version gets traffic. No data is an empty vector to Prometheus, nil to Datadog, else an error."""
    provider = orjson.loads(ask.request.provider)
    shape = recording.find(ask.metric, provider)
    if shape is None:
        return Unavailable(f"the recording has no series for metric {ask.metric}: add it under this name or under its query")
    value = shape.at(seconds, is_hit=is_hit)
    if "prometheus" in provider:
        vector: list[Any] = value if isinstance(value, list) else [value]
        return _sample([] if value is None else vector)
    if value is None and "datadog" in provider:
        return Sample(None, "null")
    if value is None:
        return Unavailable(f"the recording of metric {ask.metric} has no data at {format_duration(seconds)}")
    return _sample(value)


def _sample(value: Any) -> Sample:
    return Sample(value, shown(value))


def shown(value: Any) -> str:
    """A value as it stands in the measurement."""
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.12g}"
    return orjson.dumps(value).decode()
