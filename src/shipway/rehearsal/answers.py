"""What a recording answers to one measurement, in the shape in which the metric's provider would hand it on."""

import orjson

from shipway.api.metrics import Sample
from shipway.base.durations import format_duration
from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj
from shipway.rehearsal.handed_on import handed_on
from shipway.rehearsal.recording import Recording, Shape
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.burn_rate import RELEASE, SLO, judged, read_burning, read_objective, spans_of
from shipway.rollouts.budget.asks import Budget, BudgetAsk

PIECES = 60
"""Into how many pieces a window is cut to add it up."""


def answer(recording: Recording, ask: MeasureAsk, seconds: float, *, is_hit: bool) -> Sample | ShipwayError:
    """`is_hit`: the new version gets traffic. No data is an empty vector to Prometheus, nil to Datadog, else an error."""
    provider = orjson.loads(ask.request.provider)
    shape = recording.find(ask.metric, provider)
    if shape is None:
        return Unavailable(f"the recording has no series for metric {ask.metric}: add it under this name or under its query")
    if block := (provider.get("plugin") or {}).get(SLO):
        return _burning(block, shape, seconds, is_hit=is_hit)
    value = shape.at(seconds, is_hit=is_hit)
    if value is None and "prometheus" in provider:
        return Sample([], "[]")
    if value is None and "datadog" in provider:
        return Sample(None, "null")
    if value is None:
        return Unavailable(f"the recording of metric {ask.metric} has no data at {format_duration(seconds)}")
    kind = next(iter(provider))
    return handed_on(kind, provider[kind], value)


def budget(recording: Recording, ask: BudgetAsk, seconds: float) -> Budget | ShipwayError:
    """The series under the name of an objective is the share of its budget that is left."""
    shape = recording.series.get(ask.objective)
    if shape is None:
        return Unavailable(
            f"the recording has no series {ask.objective}: add what is left of this error budget, between 0 and 1"
        )
    value = shape.at(seconds, is_hit=False)
    if not isinstance(value, int | float):
        return Unavailable(f"the recording of the error budget {ask.objective} has no data at {format_duration(seconds)}")
    return Budget(float(value))


def _burning(block: Obj, shape: Shape, seconds: float, *, is_hit: bool) -> Sample | ShipwayError:
    """The series is the share of failed requests; before the update began none failed, and requests came as often as now."""
    asked = read_burning(block)
    if asked.objective is None:
        return Unavailable(f"{SLO}: a rehearsal has no cluster: write the objective itself in place of serviceLevelObjective")
    objective = read_objective(asked.objective, f"{SLO}: objective")

    def failed(span: float) -> float:
        """Seconds' worth of requests that failed in the last `span` seconds."""
        begun = max(0.0, seconds - span)
        piece = (seconds - begun) / PIECES
        moments = (begun + (number + 0.5) * piece for number in range(PIECES))
        return piece * sum(value for at in moments if (value := shape.at(at, is_hit=is_hit)))

    shares = {name: [failed(span) / span] for name, span in spans_of(objective).items()}
    spent = failed(seconds) / (objective.seconds * objective.allowed)
    return judged(objective, {**shares, RELEASE: [spent]})
