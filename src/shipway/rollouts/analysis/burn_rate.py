"""The metric `plugin."shipway.dev/slo"`: how fast an error budget burns, from an objective alone, with no PromQL by hand.

The objective is that of Pyrra (`ServiceLevelObjective`, pyrra.dev/v1alpha1), written in the metric or read from the cluster.
Windows and factors are Pyrra's, after chapter 5 of the Site Reliability Workbook: an alarm sounds while both its long and its
short window burn faster than its factor.

A condition sees `result.severity` ("critical", "warning" or ""), `result.burn["1h"]` and so on, `result.left` (the share of the
budget that is left, below 0 when more than all is spent) and `result.spentByRelease`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from shipway.api.metrics import Sample
from shipway.base.durations import format_span, parse_duration, parse_span
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj, Resource

SLO = "shipway.dev/slo"
OBJECTIVES = Resource("pyrra.dev", "v1alpha1", "ServiceLevelObjective", "servicelevelobjectives")
FOUR_WEEKS = 28 * 86400.0
MINUTE = 60.0
RELEASE = "release"
"""The key of the query for what the release itself spent."""


class Query(Struct, frozen=True):
    """A vector selector, such as `http_requests_total{job="shop"}`."""

    metric: str


class Ratio(Struct, frozen=True):
    errors: Query
    total: Query


class Latency(Struct, frozen=True):
    """Of a classic histogram: the bucket of the requests that were quick enough, and the count of all."""

    success: Query
    total: Query


class NativeLatency(Struct, frozen=True):
    """Of a native histogram; `latency` is how long a request may take."""

    total: Query
    latency: str


class Indicator(Struct, frozen=True):
    ratio: Ratio | None = None
    latency: Latency | None = None
    latency_native: NativeLatency | None = field(name="latencyNative", default=None)
    bool_gauge: Query | None = None


class Objective(Struct, frozen=True):
    """The `spec` of a ServiceLevelObjective: `target` in percent, `window` such as `4w`."""

    target: str | float
    window: str
    indicator: Indicator

    @property
    def allowed(self) -> float:
        """The share of requests that may fail."""
        return 1 - float(self.target) / 100

    @property
    def seconds(self) -> float:
        return parse_span(self.window)


class Burning(Struct, frozen=True, forbid_unknown_fields=True):
    """The block as it is written: whom to ask (the fields of a `prometheus` metric but for the query), and the objective, in
    full or by its name in the run's namespace. `release`: label matchers of the requests that the new version itself answers.
    """

    prometheus: Obj = field(default_factory=dict)
    objective: Obj | None = None
    service_level_objective: str = field(name="serviceLevelObjective", default="")
    release: str = ""


class Alarm(Struct, frozen=True):
    """Two windows in seconds, and how many times too fast both have to burn."""

    severity: str
    long: float
    short: float
    factor: float


def alarms(window: float) -> tuple[Alarm, ...]:
    """Pyrra's four, stretched to a window other than four weeks, in whole minutes."""

    def stretched(hours: float) -> float:
        return max(MINUTE, round(hours * 3600 * window / FOUR_WEEKS / MINUTE) * MINUTE)

    return (
        Alarm("critical", stretched(1), stretched(5 / 60), 14),
        Alarm("critical", stretched(6), stretched(0.5), 7),
        Alarm("warning", stretched(24), stretched(2), 2),
        Alarm("warning", stretched(96), stretched(6), 1),
    )


def read_burning(block: Any) -> Burning:
    """Raises InvalidInput with the field and what is wrong with it."""
    try:
        read = msgspec.convert(block, Burning)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{SLO}: {error}", reason="InvalidMetric") from None
    if (read.objective is None) == (not read.service_level_objective):
        raise InvalidInput(f"{SLO}: exactly one of objective and serviceLevelObjective is needed", reason="InvalidMetric")
    if read.objective is not None:
        read_objective(read.objective, f"{SLO}: objective")
    return read


def read_objective(spec: Any, where: str) -> Objective:
    """Raises InvalidInput with the field and what is wrong with it; `where` says whose it is."""
    try:
        read = msgspec.convert(spec, Objective)
        is_sound = 0 < float(read.target) < 100 and read.seconds >= 3600
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidInput(f"{where}: {error}", reason="InvalidMetric") from None
    if not is_sound:
        raise InvalidInput(
            f"{where}: target is a percentage between 0 and 100, and window at least an hour", reason="InvalidMetric"
        )
    indicator = read.indicator
    kinds = [one for one in (indicator.ratio, indicator.latency, indicator.latency_native, indicator.bool_gauge) if one]
    if len(kinds) != 1:
        raise InvalidInput(
            f"{where}: indicator needs exactly one of ratio, latency, latencyNative and bool_gauge", reason="InvalidMetric"
        )
    return read


def spans_of(objective: Objective) -> dict[str, float]:
    """Seconds of every window that is looked at, by how it is called; the whole one comes last."""
    watched = {span for alarm in alarms(objective.seconds) for span in (alarm.long, alarm.short)}
    return {format_span(span): span for span in (*sorted(watched), objective.seconds)}


def queries(objective: Objective, release: str, age: float) -> dict[str, str]:
    """What to ask Prometheus: the share of failures by window ("5m", "1h", …), over the whole window, and by the release.

    `release`: label matchers of the release's own requests, "" for none; `age`: seconds since it began.
    """
    asked = {name: _share(objective.indicator, span) for name, span in spans_of(objective).items()}
    if release:
        asked[RELEASE] = _spent(objective, release, max(MINUTE, math.ceil(age)))
    return asked


def budget_query(objective: Objective) -> str:
    """The one query that tells what is left of a budget: the share of failures over the whole window."""
    return _share(objective.indicator, objective.seconds)


def budget_left(objective: Objective, answer: Any) -> float:
    """The share of the budget that is left, by the answer to `budget_query`; without data it is not known."""
    share = _number(answer)
    if share is None:
        raise _no_data()
    return 1 - share / objective.allowed


def judged(objective: Objective, answers: Mapping[str, Any]) -> Sample:
    """What the answers to `queries` say. Without traffic nothing burns; without data anything may, so that is an error."""
    shares = {name: _number(answer) for name, answer in answers.items()}
    if all(share is None for share in shares.values()):
        raise _no_data()
    burn = {name: (share or 0.0) / objective.allowed for name, share in shares.items() if name != RELEASE}
    whole = format_span(objective.seconds)
    left = 1 - burn.pop(whole)
    severity, told = _loudest(alarms(objective.seconds), burn)
    spent = shares.get(RELEASE) or 0.0
    value = {"severity": severity, "burn": burn, "left": left, "spentByRelease": spent}
    budget = f"{left:.1%} of the budget left" + (f", {spent:.2%} spent by this release" if RELEASE in shares else "")
    return Sample(value, f"{told}; {budget}")


def _no_data() -> InvalidInput:
    return InvalidInput(f"{SLO}: Prometheus has no data of it: check the metric's name and labels", reason="NoData")


def _loudest(of: Sequence[Alarm], burn: Mapping[str, float]) -> tuple[str, str]:
    for alarm in of:
        long, short = format_span(alarm.long), format_span(alarm.short)
        if burn[long] > alarm.factor and burn[short] > alarm.factor:
            return alarm.severity, f"{alarm.severity}: burns {burn[long]:.3g}x over {long} and {burn[short]:.3g}x over {short}"
    fastest = max(burn, key=lambda name: burn[name])
    return "", f"burns at most {burn[fastest]:.3g}x (over {fastest})"


def _share(indicator: Indicator, seconds: float) -> str:
    """The share of failures over a span, as PromQL. Failures that were never counted are 0; without traffic there is none."""
    span = f"[{int(seconds)}s]"
    if indicator.ratio:
        bad, total = indicator.ratio.errors.metric, indicator.ratio.total.metric
        return f"(sum(rate({bad}{span})) or vector(0)) / sum(rate({total}{span}))"
    if indicator.latency:
        good, total = indicator.latency.success.metric, indicator.latency.total.metric
        return f"1 - (sum(rate({good}{span})) or vector(0)) / sum(rate({total}{span}))"
    if indicator.latency_native:
        limit = parse_duration(indicator.latency_native.latency)
        return f"1 - histogram_fraction(0, {limit:g}, sum(rate({indicator.latency_native.total.metric}{span})))"
    assert indicator.bool_gauge is not None
    gauge = indicator.bool_gauge.metric
    return f"1 - sum(sum_over_time({gauge}{span})) / sum(count_over_time({gauge}{span}))"


def _spent(objective: Objective, release: str, age: float) -> str:
    """The share of the whole window's budget that the release's own failures are."""
    ratio, latency = objective.indicator.ratio, objective.indicator.latency
    span, window = f"[{int(age)}s]", f"[{int(objective.seconds)}s]"
    if ratio:
        failed = f"(sum(increase({narrowed(ratio.errors.metric, release)}{span})) or vector(0))"
        total = ratio.total.metric
    elif latency:
        all_, good = (narrowed(one.metric, release) for one in (latency.total, latency.success))
        failed = f"(sum(increase({all_}{span})) or vector(0)) - (sum(increase({good}{span})) or vector(0))"
        total = latency.total.metric
    else:
        raise InvalidInput(f"{SLO}: `release` works with the indicators ratio and latency only", reason="InvalidMetric")
    return f"({failed}) / (sum(increase({total}{window})) * {objective.allowed:.12g})"


def narrowed(selector: str, matchers: str) -> str:
    """A vector selector with further label matchers."""
    text = selector.strip()
    if not text.endswith("}"):
        return f"{text}{{{matchers}}}"
    inside = text[:-1].rstrip().rstrip(",")
    return f"{inside}{'' if inside.endswith('{') else ','}{matchers}}}"


def _number(answer: Any) -> float | None:
    """The one number of a vector; None for no data, 0 for no traffic (0/0)."""
    value = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(value, list):
        return None
    return 0.0 if math.isnan(value) else float(value)
