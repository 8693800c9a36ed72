"""Which of two versions is better, and whether anybody can tell."""

import math
import random

import pytest

from shipway.base.errors import InvalidInput
from shipway.rollouts.analysis.comparison import judged, read_comparison
from shipway.rollouts.analysis.statistics import mann_whitney, median, two_proportions

ASK = {"prometheus": {"address": "http://p", "query": "q"}}


def block(**changes) -> dict:
    sides = {side: {"name": name, "samples": ASK} for side, name in (("baseline", "stable"), ("candidate", "canary"))}
    return {"better": "lower", "minimumSamples": 20, **sides, **changes}


def rates(**changes) -> dict:
    sides = {
        side: {"name": name, "hits": ASK, "total": ASK} for side, name in (("baseline", "stable"), ("candidate", "canary"))
    }
    return {"test": "proportions", "better": "lower", **sides, **changes}


def test_ranks_as_published() -> None:
    """The example of scipy.stats.mannwhitneyu's documentation: U 17 and 3, p 0.1113 (asymptotic, corrected for continuity)."""
    males, females = [19, 22, 16, 29, 24], [20, 11, 17, 12]
    assert mann_whitney(females, males).u == 17
    assert mann_whitney(males, females).u == 3
    assert mann_whitney(females, males).chance == pytest.approx(0.1113468865, abs=1e-9)


def test_ranks_with_ties_by_definition() -> None:
    """Against the definition, pair by pair, and the variance with ties written out."""
    chance = random.Random(7)
    first, second = ([chance.randrange(6) for _ in range(count)] for count in (23, 31))
    pairs = [(a < b) + (a == b) / 2 for a in first for b in second]
    n, m = len(first), len(second)
    together = first + second
    ties = sum(together.count(value) ** 3 - together.count(value) for value in set(together))
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    found = mann_whitney(first, second)
    assert found.u == sum(pairs)
    assert found.chance == pytest.approx(math.erfc(max(0, abs(sum(pairs) - n * m / 2) - 0.5) / deviation / math.sqrt(2)))
    assert found.superiority(n * m) == sum(pairs) / (n * m)


def test_proportions_by_the_definition() -> None:
    """Worked out by hand: the pooled rate is 0.0225, its standard error 0.0020974, so z is 0.005 / 0.0020974 = 2.3839."""
    assert two_proportions((200, 250), (10_000, 10_000)) == pytest.approx(0.01713, abs=1e-5)
    assert two_proportions((250, 200), (10_000, 10_000)) == two_proportions((200, 250), (10_000, 10_000))
    assert two_proportions((0, 0), (10, 10)) == two_proportions((10, 20), (10, 20)) == 1


def test_equal_values_differ_in_nothing() -> None:
    assert mann_whitney([3.0] * 30, [3.0] * 30).chance == 1
    assert median([3, 1]) == 2 and median([5, 1, 3]) == 3


def test_a_false_winner_is_as_rare_as_was_asked_for() -> None:
    """Of 400 comparisons of a thing with itself about 5 % name a winner; 3 standard deviations are 3.3 points."""
    chance = random.Random(11)
    wanted = read_comparison(block())
    named = sum(
        judged(wanted, [[chance.expovariate(1) for _ in range(60)] for _ in range(2)]).value["winner"] != "" for _ in range(400)
    )
    assert 0.017 * 400 <= named <= 0.083 * 400


@pytest.mark.proves("004-05", "rehearsal:comparison")
@pytest.mark.parametrize(
    ("better", "candidate", "verdict"),
    [
        ("lower", 80, "canary"),
        ("lower", 120, "stable"),
        ("higher", 120, "canary"),
        ("higher", 80, "stable"),
        ("lower", 100.2, "no difference"),
    ],
)
def test_the_winner_is_named(better, candidate, verdict) -> None:
    chance = random.Random(3)
    samples = [[chance.gauss(middle, 5) for _ in range(200)] for middle in (100, candidate)]
    sample = judged(read_comparison(block(better=better)), samples)
    assert sample.value["verdict"] == verdict
    assert sample.value["winner"] == (verdict if verdict != "no difference" else "")
    assert sample.value["samples"] == {"stable": 200, "canary": 200}
    assert verdict in sample.text and "p=" in sample.text


def test_a_small_difference_does_not_count_however_certain_it_is() -> None:
    chance = random.Random(3)
    samples = [[chance.gauss(middle, 1) for _ in range(2000)] for middle in (100, 101)]
    assert judged(read_comparison(block()), samples).value["winner"] == "stable"
    assert judged(read_comparison(block(minimumEffect=0.05)), samples).value["verdict"] == "no difference"


@pytest.mark.proves("004-05", "001-26", "rehearsal:comparison")
def test_too_few_samples_name_nobody() -> None:
    sample = judged(read_comparison(block()), [[1.0] * 500, [9.0] * 19])
    assert sample.value["verdict"] == "not enough data" and sample.value["winner"] == ""
    assert sample.text == "not enough data: stable 500, canary 19 samples, 20 needed of each"
    gaps = judged(read_comparison(block()), [[1.0] * 500, [9.0] * 19 + [math.nan] * 5])
    assert gaps.value["samples"]["canary"] == 19
    assert judged(read_comparison(rates()), [[1.0], [99.0], [1.0], [500.0]]).value["verdict"] == "not enough data"
    assert judged(read_comparison(rates()), [[], [], [], []]).value["verdict"] == "not enough data"


def test_rates() -> None:
    sample = judged(read_comparison(rates()), [200.0, 10_000.0, [150.0, 100.0], [10_000.0]])
    assert sample.value["winner"] == "stable"
    assert sample.value["difference"] == pytest.approx(0.005)
    assert sample.text == "canary +0.5 points, p=0.017, stable 10000, canary 10000 samples: stable is better"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (block(better="best"), "better"),
        (block(test="student"), "test"),
        (block(baseline={"name": "canary", "samples": ASK}), "two different names"),
        (block(baseline={"name": "no difference", "samples": ASK}), "cannot be called"),
        (block(baseline={"name": "stable"}), "baseline: the test mannWhitney needs samples"),
        (rates(candidate={"name": "canary", "hits": ASK}), "candidate: the test proportions needs hits and total"),
        (block(confidence=1.5), "confidence 1.5"),
        (block(minimumSamples=1), "minimumSamples must be at least 2"),
        (block(baseline={"name": "stable", "samples": {"job": {}}}), "one of prometheus, web and datadog"),
        (block(more=1), "more"),
        ("text", "Expected"),
    ],
)
def test_what_cannot_work_says_why(changed, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_comparison(changed)


@pytest.mark.parametrize(("answers", "says"), [([["a"], [1.0]], "no number"), ([[True], [1.0]], "no number")])
def test_answers_that_lie_are_refused(answers, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        judged(read_comparison(block()), answers)
    with pytest.raises(InvalidInput, match="hits must be part of the total"):
        judged(read_comparison(rates()), [5.0, 3.0, 1.0, 3.0])
