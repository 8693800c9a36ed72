"""HorizontalPodAutoscaler at autoscaling/v1, which is stored as autoscaling/v2.

v1 has one number for the CPU. All else that v2 can say (other metrics, behavior, conditions) a v1 object carries as JSON in
annotations, so that a client of v1 that reads and writes back loses nothing. The JSON is that of the published v1 types, but
for the behavior, which has none: there it is the server's own type, every field of it, under Go's names.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, spec_of, status_of

V1, V2 = "autoscaling/v1", "autoscaling/v2"
_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT, CONDITIONS, BEHAVIOR = (_PREFIX + name for name in ("metrics", "current-metrics", "conditions", "behavior"))
DEFAULT_CPU = 80
_RENAMED = {
    "resource": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"},
    "containerResource": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"},
    "pods": {"averageValue": "targetAverageValue"},
    "object": {"value": "targetValue", "averageValue": "averageValue"},
    "external": {"value": "targetValue", "averageValue": "targetAverageValue"},
}
"""Where v1 keeps the parts of a v2 `target`, by kind of metric; those of a `current` are named alike."""
_ORDER = {
    "resource": ("name", "targetAverageUtilization", "targetAverageValue"),
    "containerResource": ("name", "targetAverageUtilization", "targetAverageValue", "container"),
    "pods": ("metricName", "targetAverageValue", "selector"),
    "object": ("target", "metricName", "targetValue", "selector", "averageValue"),
    "external": ("metricName", "metricSelector", "targetValue", "targetAverageValue"),
}
"""The fields of v1, by kind of metric, in the order in which a server writes them."""
_SELECTOR = {"external": "metricSelector"}


def cpu_metric(percent: int) -> Obj:
    """The v2 metric that `targetCPUUtilizationPercentage` stands for."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def as_v1(stored: Obj) -> Obj:
    """A v2 object, as v1 shows it."""
    spec, status = dict(spec_of(stored)), dict(status_of(stored))
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    told: dict[str, Any] = {
        METRICS: [_old("target", metric) for metric in metrics if _cpu(metric, "target") is None],
        CURRENT: [_old("current", metric) for metric in current],
        CONDITIONS: status.pop("conditions", None),
        BEHAVIOR: _go_behavior(spec.pop("behavior", None)),
    }
    for part, field, values, key in (
        (spec, "targetCPUUtilizationPercentage", metrics, "target"),
        (status, "currentCPUUtilizationPercentage", current, "current"),
    ):
        if (percent := next((p for metric in values if (p := _cpu(metric, key)) is not None), None)) is not None:
            part[field] = percent
    notes = {**annotations_of(stored), **{key: orjson.dumps(value).decode() for key, value in told.items() if value}}
    shown = {**stored, "spec": spec, "status": status}
    return {**shown, "metadata": {**stored["metadata"], "annotations": notes}} if notes else shown


def as_v2(shown: Obj) -> Obj:
    """A v1 object, as it is stored."""
    spec, status, notes = dict(spec_of(shown)), dict(status_of(shown)), dict(annotations_of(shown))
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    status.pop("currentCPUUtilizationPercentage", None)
    metrics = [_new("target", metric) for metric in _told(notes, METRICS)]
    metrics += [cpu_metric(percent)] if percent else []
    spec["metrics"] = metrics or [cpu_metric(DEFAULT_CPU)]
    if isinstance(behavior := _told(notes, BEHAVIOR), dict) and behavior:
        spec["behavior"] = _lowered(behavior)
    status |= {"currentMetrics": current} if (current := [_new("current", m) for m in _told(notes, CURRENT)]) else {}
    status |= {"conditions": conditions} if (conditions := _told(notes, CONDITIONS)) else {}
    metadata = {key: value for key, value in shown["metadata"].items() if key != "annotations"}
    left = {key: value for key, value in notes.items() if not key.startswith(_PREFIX)}
    return {**shown, "metadata": {**metadata, "annotations": left} if left else metadata, "spec": spec, "status": status}


def _go_behavior(behavior: Obj | None) -> Obj | None:
    if not behavior:
        return None
    return {direction: _go_rules(behavior.get(_lower(direction))) for direction in ("ScaleUp", "ScaleDown")}


def _go_rules(rules: Obj | None) -> Obj | None:
    if rules is None:
        return None
    found = {name: rules.get(_lower(name)) for name in ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")}
    listed: list[Obj] = found["Policies"] or []
    named = [{name: policy.get(_lower(name)) for name in ("Type", "Value", "PeriodSeconds")} for policy in listed]
    return {**found, "Policies": named or None}


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _lowered(value: Any) -> Any:
    """Go's names as the API has them, without nulls."""
    if isinstance(value, dict):
        return {_lower(key): _lowered(child) for key, child in value.items() if child is not None}
    return [_lowered(item) for item in value] if isinstance(value, list) else value


def _told(notes: dict[str, str], key: str) -> Any:
    """What an annotation says; nothing where it cannot be read."""
    try:
        return orjson.loads(notes.get(key) or "[]")
    except orjson.JSONDecodeError:
        return []


def _cpu(metric: Obj, part: str) -> int | None:
    if metric.get("type") != "Resource" or dig(metric, "resource", "name") != "cpu":
        return None
    return dig(metric, "resource", part, "averageUtilization")


def _old(part: str, metric: Obj) -> Obj:
    """One metric in v1's words."""
    return {"type": metric.get("type"), **dict(_worded(part, metric))}


def _worded(part: str, metric: Obj) -> Iterator[tuple[str, Obj]]:
    for kind, names in _RENAMED.items():
        if (source := metric.get(kind)) is not None:
            values: Obj = source.get(part) or {}
            words = {_named(part, old): values[new] for new, old in names.items() if new in values}
            named: Obj = source.get("metric") or {}
            words |= {"metricName": named["name"]} if "name" in named else {}
            words |= {_SELECTOR.get(kind, "selector"): named["selector"]} if "selector" in named else {}
            words |= {key: source[key] for key in ("name", "container") if key in source}
            words |= {"target": source["describedObject"]} if "describedObject" in source else {}
            order = [_named(part, name) for name in _ORDER[kind]]
            yield kind, dict(sorted(words.items(), key=lambda word: order.index(word[0])))


def _named(part: str, name: str) -> str:
    """v1's `targetValue` of a goal is `currentValue` of what was measured."""
    return name.replace("target", "current") if part == "current" and name != "target" else name


def _new(part: str, metric: Obj) -> Obj:
    """One metric of v1 in v2's words."""
    found: Obj = {"type": metric.get("type")}
    for kind, names in _RENAMED.items():
        if (source := metric.get(kind)) is None:
            continue
        values = {new: source[_named(part, old)] for new, old in names.items() if _named(part, old) in source}
        words: Obj = {part: {"type": _type_of(values), **values} if part == "target" else values}
        if "metricName" in source:
            selector = source.get(_SELECTOR.get(kind, "selector"))
            words["metric"] = {"name": source["metricName"], **({"selector": selector} if selector else {})}
        words |= {key: source[key] for key in ("name", "container") if key in source}
        words |= {"describedObject": source["target"]} if "target" in source else {}
        found[kind] = words
    return found


def _type_of(values: Obj) -> str:
    if "averageUtilization" in values:
        return "Utilization"
    return "AverageValue" if "averageValue" in values else "Value"
