"""The annotation `shipway.dev/strategy-by-budget`: which steps a release takes, by what is left of the error budget. Pure.

    objectives:
    - {serviceLevelObjective: checkout, prometheus: {address: "http://prometheus:9090"}}
    strategies:
      fast: {atLeast: 75%, steps: [{setWeight: 50}]}
      normal: {atLeast: 50%}                  # without steps: those of the Rollout
      careful: {atLeast: 10%, steps: […]}
    onError: careful

Below the last threshold the release is frozen. Of several objectives, and of those that cannot be measured, the one that asks
for the most care decides: so less budget, or less knowledge, never makes a release faster.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import msgspec
import orjson
from msgspec import UNSET, Struct, UnsetType, field

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from shipway.rollouts.analysis.burn_rate import SLO, read_burning
from shipway.rollouts.rollout.names import STRATEGY_BY_BUDGET

Pace = Literal["freeze", "careful", "normal", "fast"]
PACES: tuple[Pace, ...] = ("freeze", "careful", "normal", "fast")
"""From the slowest to the fastest."""
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class Objective(Struct, frozen=True):
    """`block`: the objective as a metric `shipway.dev/slo` has it, as canonical JSON."""

    name: str
    block: bytes


class Strategy(Struct, frozen=True):
    """`at_least`: the share of the budget that has to be left; None, there is no less. `steps` None: the Rollout's own."""

    pace: Pace
    at_least: float | None = None
    steps: tuple[Obj, ...] | None = None


class Policy(Struct, frozen=True):
    """`strategies` from the fastest to the slowest; what is left below the last threshold is a freeze."""

    objectives: tuple[Objective, ...]
    strategies: tuple[Strategy, ...]
    on_error: Pace = "careful"

    def strategy(self, pace: Pace) -> Strategy:
        """The strategy of a pace; a freeze is the slowest one, held before its first step."""
        return next((one for one in self.strategies if one.pace == pace), self.strategies[-1])

    def pace_for(self, left: float) -> Pace:
        """`left`: the share of the budget, below 0 when more than all of it is spent."""
        found = next((one for one in self.strategies if one.at_least is None or left >= one.at_least), None)
        return found.pace if found is not None else "freeze"


class Known(Struct, frozen=True):
    """What was measured of an objective: the share of its budget that is left, or why nobody knows."""

    objective: str
    left: float | None = None
    unknown: str = ""


class Choice(Struct, frozen=True):
    """The pace of a release, and the objective that asks for it."""

    pace: Pace
    known: Known


def choose(policy: Policy, measured: Sequence[Known]) -> Choice:
    """The most careful of what each objective would choose alone."""
    choices = [Choice(policy.on_error if one.left is None else policy.pace_for(one.left), one) for one in measured]
    return min(choices, key=lambda one: (PACES.index(one.pace), one.known.left is None, one.known.left or 0.0))


def told(known: Known) -> str:
    """What is known of a budget, as half a sentence."""
    if known.left is None:
        return f"the error budget of {known.objective} is not known ({known.unknown})"
    return f"{known.left:.1%} of the error budget of {known.objective} is left"


def policy_of(rollout: Obj) -> Policy | None:
    """The policy of a Rollout, where it has one. Raises InvalidInput with what is wrong with it."""
    text = annotations_of(rollout).get(STRATEGY_BY_BUDGET)
    return read_policy(text) if text else None


class _Objective(Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    prometheus: Obj = field(default_factory=dict)
    objective: Obj | None = None
    service_level_objective: str = field(name="serviceLevelObjective", default="")


class _Strategy(Struct, frozen=True, forbid_unknown_fields=True):
    at_least: str | None = field(name="atLeast", default=None)
    steps: tuple[Obj, ...] | None = None


class _Strategies(Struct, frozen=True, forbid_unknown_fields=True):
    fast: _Strategy | UnsetType | None = UNSET
    normal: _Strategy | UnsetType | None = UNSET
    careful: _Strategy | UnsetType | None = UNSET
    freeze: Any = UNSET


class _Policy(Struct, frozen=True, forbid_unknown_fields=True):
    objectives: tuple[_Objective, ...]
    strategies: _Strategies
    on_error: str = field(name="onError", default="")


@lru_cache(maxsize=512)
def read_policy(text: str) -> Policy:
    """Raises InvalidInput with the field and what is wrong with it. Remembered: every pass reads it."""
    try:
        raw = msgspec.convert(yaml.load(text) or {}, _Policy)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise _invalid(where.rstrip("`").lstrip("."), what) from None
    strategies = _strategies(raw.strategies)
    return Policy(_objectives(raw.objectives), strategies, _on_error(raw.on_error, strategies))


def _invalid(where: str, what: str) -> InvalidInput:
    return InvalidInput(f"{where}: {what}" if where else what, reason="InvalidPolicy")


def _objectives(raw: Sequence[_Objective]) -> tuple[Objective, ...]:
    if not raw:
        raise _invalid("objectives", "name at least one objective whose budget decides")
    found = tuple(_objective(index, one) for index, one in enumerate(raw))
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise _invalid("objectives", f"each needs a name of its own, and {twice} is there twice")
    return found


def _objective(index: int, raw: _Objective) -> Objective:
    where, name = f"objectives[{index}]", raw.name or raw.service_level_objective
    if not name:
        raise _invalid(where, "give the objective a name: events and `why` speak of it")
    block: dict[str, Any] = {"prometheus": raw.prometheus} if raw.prometheus else {}
    block |= {"objective": raw.objective} if raw.objective is not None else {}
    block |= {"serviceLevelObjective": raw.service_level_objective} if raw.service_level_objective else {}
    try:
        read_burning(block)
    except InvalidInput as error:
        raise _invalid(where, error.message.removeprefix(f"{SLO}: ")) from None
    return Objective(name, orjson.dumps(block, option=orjson.OPT_SORT_KEYS))


def _strategies(raw: _Strategies) -> tuple[Strategy, ...]:
    if raw.freeze is not UNSET:
        raise _invalid("strategies.freeze", "leave it out: a release is frozen when less is left than the others ask for")
    given: dict[Pace, _Strategy | UnsetType | None] = {"fast": raw.fast, "normal": raw.normal, "careful": raw.careful}
    found = tuple(_strategy(pace, one or _Strategy()) for pace, one in given.items() if one is not UNSET)
    if not found:
        raise _invalid("strategies", f"give at least one of {', '.join(given)}")
    for faster, slower in pairwise(found):
        if faster.at_least is None or (slower.at_least is not None and faster.at_least <= slower.at_least):
            raise _invalid(f"strategies.{faster.pace}.atLeast", f"has to be more than that of {slower.pace}")
    return found


def _strategy(pace: Pace, raw: _Strategy) -> Strategy:
    if raw.at_least is None:
        return Strategy(pace, None, raw.steps)
    found = _PERCENT.fullmatch(raw.at_least.strip())
    if found is None or float(found[1]) > 100:
        raise _invalid(f"strategies.{pace}.atLeast", f"{raw.at_least!r} is no percentage: write it like 75%")
    return Strategy(pace, float(found[1]) / 100, raw.steps)


def _on_error(name: str, strategies: Sequence[Strategy]) -> Pace:
    """`careful` unless it is said otherwise (the slowest there is, where there is no such); never `fast`."""
    if not name:
        return "careful" if any(one.pace == "careful" for one in strategies) else _slowest(strategies)
    known: list[Pace] = ["freeze", *(one.pace for one in strategies if one.pace != "fast")]
    if name not in known:
        why = "a budget that nobody knows is no reason to be fast" if name == "fast" else "there is no such strategy here"
        raise _invalid("onError", f"{why}: use {', '.join(known)}")
    return next(pace for pace in known if pace == name)


def _slowest(strategies: Sequence[Strategy]) -> Pace:
    return "freeze" if strategies[-1].pace == "fast" else strategies[-1].pace
