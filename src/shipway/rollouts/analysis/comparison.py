"""The metric `plugin."shipway.dev/compare"`: which of two versions is the better one, or that nobody can tell yet.

A condition sees `result.verdict`: the name of the winner, `no difference` or `not enough data`; with `result.winner` ("" when
there is none), `result.chance` (the p-value), `result.difference` (of the candidate from the baseline) and `result.samples`.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from shipway.api.metrics import Sample
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.rollouts.analysis.statistics import mann_whitney, median, two_proportions

COMPARE = "shipway.dev/compare"
NOT_ENOUGH, NO_DIFFERENCE = "not enough data", "no difference"


class Side(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two: `samples` is a provider that answers with numbers; `hits` and `total` are two that answer with counts."""

    name: str
    samples: Obj | None = None
    hits: Obj | None = None
    total: Obj | None = None


class Comparison(Struct, frozen=True, forbid_unknown_fields=True):
    """The block as it is written.

    `minimum_samples`: on each side; with fewer nothing is said. `minimum_effect`: the smallest difference that counts, as a
    share of the baseline's median (`mannWhitney`) or as a difference between the two rates (`proportions`). `confidence`: 1 -
    the chance of naming a winner where there is none.
    """

    baseline: Side
    candidate: Side
    better: Literal["lower", "higher"]
    test: Literal["mannWhitney", "proportions"] = "mannWhitney"
    minimum_samples: int = field(name="minimumSamples", default=100)
    minimum_effect: float = field(name="minimumEffect", default=0.0)
    confidence: float = 0.95

    @property
    def providers(self) -> tuple[Obj, ...]:
        """What has to be measured, in the order in which `judged` wants the answers."""
        of_side = ("samples",) if self.test == "mannWhitney" else ("hits", "total")
        return tuple(getattr(side, name) for side in (self.baseline, self.candidate) for name in of_side)


def read_comparison(block: Any) -> Comparison:
    """Raises InvalidInput with the field and what is wrong with it."""
    try:
        read = msgspec.convert(block, Comparison, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    if (problem := _problem(read)) is not None:
        raise _invalid(problem)
    return read


def judged(comparison: Comparison, answers: Sequence[Any]) -> Sample:
    """The verdict over what `comparison.providers` answered. Raises InvalidInput for answers that are no numbers."""
    if comparison.test == "mannWhitney":
        baseline, candidate = (sorted(_numbers(answer)) for answer in answers)
        return _by_rank(comparison, baseline, candidate)
    hits, totals = (answers[0], answers[2]), (answers[1], answers[3])
    return _by_rate(comparison, _pair(hits), _pair(totals))


def _by_rank(comparison: Comparison, baseline: Sequence[float], candidate: Sequence[float]) -> Sample:
    counts = len(baseline), len(candidate)
    if min(counts) < comparison.minimum_samples:
        return _sample(comparison, counts, NOT_ENOUGH)
    middle, other = median(baseline), median(candidate)
    found = mann_whitney(baseline, candidate)
    difference = (
        (other - middle) / abs(middle) if middle else math.copysign(math.inf, other - middle) if other != middle else 0.0
    )
    is_higher = found.superiority(counts[0] * counts[1]) > 0.5
    return _sample(comparison, counts, _verdict(comparison, found.chance, difference, is_higher), found.chance, difference)


def _by_rate(comparison: Comparison, hits: tuple[float, float], totals: tuple[float, float]) -> Sample:
    for side, few, all_ in zip((comparison.baseline, comparison.candidate), hits, totals, strict=True):
        if few < 0 or few > all_:
            raise _invalid(f"{side.name} has {few:g} hits in a total of {all_:g}: hits must be part of the total")
    counts = math.floor(totals[0]), math.floor(totals[1])
    if min(totals) <= 0 or min(counts) < comparison.minimum_samples:
        return _sample(comparison, counts, NOT_ENOUGH)
    difference = hits[1] / totals[1] - hits[0] / totals[0]
    chance = two_proportions(hits, totals)
    return _sample(comparison, counts, _verdict(comparison, chance, difference, difference > 0), chance, difference)


def _verdict(comparison: Comparison, chance: float, difference: float, is_higher: bool) -> str:
    if chance > 1 - comparison.confidence or abs(difference) < comparison.minimum_effect:
        return NO_DIFFERENCE
    wins = is_higher == (comparison.better == "higher")
    return (comparison.candidate if wins else comparison.baseline).name


def _sample(
    comparison: Comparison, counts: tuple[int, int], verdict: str, chance: float = 1.0, difference: float = 0.0
) -> Sample:
    names = comparison.baseline.name, comparison.candidate.name
    value = {
        "verdict": verdict,
        "winner": verdict if verdict in names else "",
        "chance": chance,
        "difference": difference,
        "samples": dict(zip(names, counts, strict=True)),
    }
    return Sample(value, _sentence(comparison, counts, verdict, chance, difference))


def _sentence(comparison: Comparison, counts: tuple[int, int], verdict: str, chance: float, difference: float) -> str:
    baseline, candidate = comparison.baseline.name, comparison.candidate.name
    seen = f"{baseline} {counts[0]}, {candidate} {counts[1]}"
    if verdict == NOT_ENOUGH:
        return f"{NOT_ENOUGH}: {seen} samples, {comparison.minimum_samples} needed of each"
    what = "points" if comparison.test == "proportions" else "% in the median"
    told = f"{candidate} {difference * 100:+.3g} {what}, p={chance:.2g}, {seen} samples"
    return f"{told}: {verdict}" if verdict == NO_DIFFERENCE else f"{told}: {verdict} is better"


def _pair(answers: tuple[Any, Any]) -> tuple[float, float]:
    return sum(_numbers(answers[0])), sum(_numbers(answers[1]))


def _numbers(answer: Any) -> list[float]:
    """What a provider answered as numbers; a gap (NaN) is no sample."""
    values: list[Any] = answer if isinstance(answer, list) else [answer]
    if not set(map(type, values)) <= {int, float}:
        raise _invalid("a provider answered with something that is no number: let it give numbers, or a list of them")
    return [value for value in values if value == value]


def _problem(read: Comparison) -> str | None:
    if not read.baseline.name or not read.candidate.name or read.baseline.name == read.candidate.name:
        return "baseline.name and candidate.name: two different names are needed"
    if {read.baseline.name, read.candidate.name} & {NOT_ENOUGH, NO_DIFFERENCE}:
        return f"a side cannot be called '{NOT_ENOUGH}' or '{NO_DIFFERENCE}'"
    if not 0.5 <= read.confidence < 1:
        return f"confidence {read.confidence:g} must be at least 0.5 and less than 1"
    if read.minimum_samples < 2 or read.minimum_effect < 0:
        return "minimumSamples must be at least 2, and minimumEffect not negative"
    needed = ("samples",) if read.test == "mannWhitney" else ("hits", "total")
    for side, name in ((read.baseline, "baseline"), (read.candidate, "candidate")):
        given = {one for one in ("samples", "hits", "total") if getattr(side, one) is not None}
        if given != set(needed):
            return f"{name}: the test {read.test} needs {' and '.join(needed)}, and nothing else"
    for provider in read.providers:
        if len(provider) != 1 or not set(provider) <= {"prometheus", "web", "datadog"}:
            return "each provider is one of prometheus, web and datadog"
    return None


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"{COMPARE}: {problem}", reason="InvalidMetric")
