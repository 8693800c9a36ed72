"""Which strategy an error budget asks for, and what is refused of how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.base.errors import InvalidInput
from shipway.rollouts.budget.policy import PACES, Choice, Known, Policy, choose, read_policy, told

OBJECTIVES = "objectives: [{serviceLevelObjective: checkout}]\n"
POLICY = OBJECTIVES + (
    "strategies:\n"
    "  fast: {atLeast: 75%, steps: [{setWeight: 50}]}\n"
    "  normal: {atLeast: 50%}\n"
    "  careful: {atLeast: 10%, steps: [{setWeight: 1}, {pause: {}}]}\n"
)


def one(left: float | None, policy: str = POLICY) -> Choice:
    return choose(read_policy(policy), (Known("checkout", left, "" if left is not None else "no route"),))


@pytest.mark.parametrize(
    ("left", "pace"),
    [
        (1.0, "fast"),
        (0.75, "fast"),
        (0.7499, "normal"),
        (0.5, "normal"),
        (0.2, "careful"),
        (0.1, "careful"),
        (0.04, "freeze"),
        (-3.0, "freeze"),
        (None, "careful"),
    ],
)
def test_the_strategy_by_what_is_left(left: float | None, pace: str) -> None:
    assert one(left).pace == pace


def test_a_last_strategy_without_a_threshold_is_for_whatever_is_left() -> None:
    policy = OBJECTIVES + "strategies: {fast: {atLeast: 75%}, normal: {}}"
    assert [one(left, policy).pace for left in (0.8, 0.1, -1.0)] == ["fast", "normal", "normal"]
    assert one(None, policy).pace == "normal"
    assert read_policy(policy) == read_policy(OBJECTIVES + "strategies:\n  fast: {atLeast: 75%}\n  normal:\n")


@pytest.mark.parametrize("policy", [POLICY + "onError: freeze\n", OBJECTIVES + "strategies: {fast: {atLeast: 1%}}"])
def test_an_unknown_budget_may_freeze_and_never_makes_fast(policy: str) -> None:
    assert one(None, policy).pace == "freeze"


def test_of_several_objectives_the_one_that_asks_for_most_care_decides() -> None:
    policy = read_policy(POLICY)
    known = [Known("latency", 0.9), Known("availability", 0.3), Known("freshness", 0.6)]
    assert choose(policy, known) == Choice("careful", known[1])
    assert choose(policy, [known[0], Known("availability", unknown="no route")]).pace == "careful"
    assert choose(policy, [Known("latency", 0.01), Known("availability", unknown="no route")]) == Choice(
        "freeze", Known("latency", 0.01)
    )


def test_it_is_told_in_half_a_sentence() -> None:
    assert told(Known("checkout", 0.0423)) == "4.2% of the error budget of checkout is left"
    assert told(Known("checkout", unknown="no route")) == "the error budget of checkout is not known (no route)"


shares = st.floats(-2, 1, allow_nan=False)
percents = st.lists(st.integers(0, 100), min_size=1, max_size=3, unique=True).map(lambda found: sorted(found, reverse=True))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    thresholds = draw(percents)
    paces = draw(st.permutations(["fast", "normal", "careful"]))[: len(thresholds)]
    ordered = [pace for pace in ("fast", "normal", "careful") if pace in paces]
    lines = [f"  {pace}: {{atLeast: {least}%}}" for pace, least in zip(ordered, thresholds, strict=True)]
    return read_policy(OBJECTIVES + "strategies:\n" + "\n".join(lines))


@given(policies(), shares, shares, st.lists(st.one_of(st.none(), shares), max_size=3))
def test_less_budget_or_less_knowledge_never_makes_a_release_faster(
    policy: Policy, left: float, other: float, more: list[float | None]
) -> None:
    rest = [Known(str(number), share) for number, share in enumerate(more)]
    less, much = sorted((left, other))

    def rank(*known: Known) -> int:
        return PACES.index(choose(policy, [*known, *rest]).pace)

    assert rank(Known("x", less)) <= rank(Known("x", much))
    assert rank(Known("x", much), Known("y", less)) <= rank(Known("x", much))
    assert rank(Known("x")) < PACES.index("fast")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("strategies: {normal: {}}", "Object missing required field `objectives`"),
        ("objectives: []\nstrategies: {normal: {}}", "objectives: name at least one objective whose budget decides"),
        ("objectives: [{objective: {}}]\nstrategies: {normal: {}}", "objectives[0]: give the objective a name"),
        (
            "objectives: [{name: a}]\nstrategies: {normal: {}}",
            "objectives[0]: exactly one of objective and serviceLevelObjective is needed",
        ),
        (
            "objectives: [{serviceLevelObjective: a}, {serviceLevelObjective: a}]\nstrategies: {normal: {}}",
            "objectives: each needs a name of its own, and a is there twice",
        ),
        (OBJECTIVES + "strategies: {}", "strategies: give at least one of fast, normal, careful"),
        (OBJECTIVES + "strategies: {quick: {}}", "strategies: Object contains unknown field `quick`"),
        (OBJECTIVES + "strategies: {freeze: {}}", "strategies.freeze: leave it out"),
        (OBJECTIVES + "strategies: {fast: {atLeast: '0.75'}}", "strategies.fast.atLeast: '0.75' is no percentage"),
        (OBJECTIVES + "strategies: {fast: {atLeast: 175%}}", "strategies.fast.atLeast: '175%' is no percentage"),
        (
            OBJECTIVES + "strategies: {fast: {atLeast: 20%}, careful: {atLeast: 50%}}",
            "strategies.fast.atLeast: has to be more than that of careful",
        ),
        (OBJECTIVES + "strategies: {fast: {}, careful: {}}", "strategies.fast.atLeast: has to be more than that of careful"),
        (OBJECTIVES + "strategies: {fast: {steps: 5}}", "strategies.fast.steps: Expected `array | null`, got `int`"),
        (POLICY + "onError: fast", "onError: a budget that nobody knows is no reason to be fast: use freeze, normal, careful"),
        (POLICY + "onError: slow", "onError: there is no such strategy here: use freeze, normal, careful"),
        (POLICY + "unless: never", "Object contains unknown field `unless`"),
        ("objectives: [", "line 2, column 1: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as found:
        read_policy(text)
    assert said in found.value.message
