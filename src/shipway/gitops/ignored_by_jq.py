"""`jqPathExpressions`: which fields of what Git wants they select is asked of a killable worker, and kept as pointers.

The question names the expressions and the object, so an answer never changes; a commit that leaves an object alone asks nothing
new. Until all is answered, what Git wants counts as not known.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from shipway.api.application import IgnoreDifference
from shipway.gitops.asks import JqPathsAsk, canonical
from shipway.gitops.desired import Desired, Prepared
from shipway.gitops.ignore import rules_for
from shipway.gitops.order import is_hook
from shipway.kube.runtime.decision import Answer


class Resolved(Struct, frozen=True):
    """`prepared` with the pointers in it; `asks` are to be repeated; `problem` is what a person has to mend."""

    prepared: Prepared
    asks: tuple[JqPathsAsk, ...] = ()
    is_pending: bool = False
    problem: str = ""


def resolved(prepared: Prepared, rules: Sequence[IgnoreDifference], answer: Callable[[JqPathsAsk], Answer | None]) -> Resolved:
    """The objects with what the jq expressions among `rules` select in them."""
    speaking = [rule for rule in rules if rule.jq_path_expressions]
    if not speaking:
        return Resolved(prepared)
    objects: list[Desired] = []
    asks: list[JqPathsAsk] = []
    pending, problem = False, ""
    for desired in prepared.objects:
        mine = rules_for(desired.ref, speaking)
        if not mine or is_hook(desired.obj):
            objects.append(desired)
            continue
        expressions = tuple(text for rule in mine for text in rule.jq_path_expressions or ())
        ask = JqPathsAsk(expressions, canonical(desired.obj))
        asks.append(ask)
        answered = answer(ask)
        if answered is not None and answered.value is None and answered.error is not None:
            problem = problem or f"ignoreDifferences of {desired.ref}: {answered.error.message}"
        pending = pending or answered is None or (answered.value is None and answered.error is None)
        selected = answered.value if answered is not None and answered.value is not None else []
        objects.append(msgspec.structs.replace(desired, ignored=pointers_to(selected)))
    return Resolved(msgspec.structs.replace(prepared, objects=tuple(objects)), tuple(asks), pending, problem)


def pointers_to(paths: Sequence[Sequence[str | int]]) -> tuple[str, ...]:
    """JSON pointers in an order in which they can be taken away one after another: later items and deeper fields first."""
    ordered = sorted({tuple(path) for path in paths if path}, key=_order, reverse=True)
    return tuple("/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path) for path in ordered)


def _order(path: tuple[str | int, ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in path)
