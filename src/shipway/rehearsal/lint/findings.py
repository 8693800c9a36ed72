"""What a rule looks at, and what it finds."""

from typing import Any

import orjson
from msgspec import Struct

from shipway.api.rollout import RolloutSpec
from shipway.expression import ExpressionError
from shipway.expression.nodes import Literal, Node
from shipway.expression.parser import parse
from shipway.kube.objects.resource import Obj
from shipway.rehearsal.recording import Recording
from shipway.rollouts.analysis.metric import Metric


class Subject(Struct, frozen=True):
    """One metric of a template. `kinds`: as what the given Rollout runs the template (background, step, pre, post).

    `raw`: as the template says it, with the arguments filled in that have a default. `scrape`: seconds between two points
    of the metric server.
    """

    metric: Metric
    raw: Obj
    kinds: frozenset[str] = frozenset()
    spec: RolloutSpec | None = None
    recording: Recording | None = None
    scrape: float = 15.0

    @property
    def provider(self) -> Obj:
        return orjson.loads(self.metric.provider)

    @property
    def query(self) -> str:
        settings: Any = self.provider.get("prometheus") or {}
        return str(settings.get("query") or "")

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """(field, text) of those that can be judged: an argument without a default may be anything."""
        found = (("successCondition", self.metric.success), ("failureCondition", self.metric.failure))
        return [(field, text) for field, text in found if text and "{{" not in str(self.raw.get(field))]

    @property
    def thresholds(self) -> list[tuple[str, float]]:
        """(field, number) of the numbers that the conditions compare with; 0 and indexes say nothing of a unit."""
        return [(field, number) for field, text in self.conditions for number in compared(text)]


class Finding(Struct, frozen=True):
    """`field`: where it stands in the metric ("" for the metric itself); `hint`: what to do."""

    rule: str
    field: str
    message: str
    hint: str


COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def compared(condition: str) -> list[float]:
    """The numbers with which something is compared."""
    try:
        tree = parse(condition)
    except ExpressionError:
        return []
    return [number for number in _numbers(tree) if number]


def _numbers(node: object) -> list[float]:
    if isinstance(node, tuple):
        return [number for one in node for number in _numbers(one)]  # type: ignore[misc]  # tuples of nodes
    if not isinstance(node, Node):
        return []
    if getattr(node, "operator", "") in COMPARISONS:
        sides = (getattr(node, "left", None), getattr(node, "right", None))
        return [float(one.value) for one in sides if isinstance(one, Literal) and _is_number(one.value)]
    return [number for name in node.__struct_fields__ for number in _numbers(getattr(node, name))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
