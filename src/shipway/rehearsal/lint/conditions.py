"""Conditions that say the same of every value: tried on values around each of their own numbers."""

import math
from collections.abc import Iterator
from typing import Any

from shipway.base.clock import Instant
from shipway.expression import ExpressionError, evaluate_condition
from shipway.rehearsal.handed_on import VECTORS
from shipway.rehearsal.lint.findings import Finding, Subject, compared

USUAL = (0.0, 1e-6, 0.5, 1.0, 2.0, 100.0, 1e9)
"""Values that metrics have: none is negative."""
CONSEQUENCES = {
    ("successCondition", True): "no release can fail it",
    ("successCondition", False): "every release fails it",
    ("failureCondition", True): "every release fails it",
    ("failureCondition", False): "it fails no release",
}


def find(subject: Subject) -> Iterator[Finding]:
    metric = subject.metric
    if not metric.success and not metric.failure and not metric.is_job and "kayenta" not in subject.provider:
        yield Finding("always-true", "", "it has no condition: every measurement is a success", "add a successCondition")
    for field, condition in subject.conditions:
        answers = _answers(condition, subject)
        if not answers:
            continue
        usual = [answer for value, answer in answers if not _is_odd(value)]
        truth = True if usual and all(usual) else False if not any(answer for _, answer in answers) else None
        if truth is not None:
            rule = "always-true" if truth else "never-true"
            text = f"`{condition}` is {'true' if truth else 'false'} for every value tried: {CONSEQUENCES[field, truth]}"
            yield Finding(rule, field, text, "compare with a value that a bad release passes and a good one does not")


def _answers(condition: str, subject: Subject) -> list[tuple[Any, bool]]:
    """(value, truth) for every value that the condition can be evaluated for."""
    found: list[tuple[Any, bool]] = []
    for value in _candidates(condition, is_vector=not VECTORS.isdisjoint(subject.provider)):
        try:
            found.append((value, evaluate_condition(condition, value, Instant(0.0))))
        except ExpressionError:
            continue
    return found


def _candidates(condition: str, *, is_vector: bool) -> list[Any]:
    around = [number * factor for number in compared(condition) for factor in (0.999, 1.0, 1.001) if number > 0]
    numbers = sorted({*USUAL, *around})
    odd = [math.nan, math.inf]
    if not is_vector:
        return [*numbers, *odd]
    return [*([number] for number in numbers), *([number] for number in odd), [], [numbers[0], numbers[-1]]]


def _is_odd(value: Any) -> bool:
    """No number, or no data."""
    values = value if isinstance(value, list) else [value]
    return not values or not all(map(math.isfinite, values))
