"""From analysis templates to the spec of an AnalysisRun.

Templates may name other templates; they are flattened (each once, cycles refused) and merged: two metrics of one name, or
one argument with two different defaults, cannot be told apart and are refused. Arguments given by the Rollout win.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from shipway.api.rollout import TemplateRef
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of

Templates = Mapping[TemplateRef, Obj]
"""The templates that exist, by scope and name."""


class AnalysisArgs(Struct, frozen=True):
    """What a Rollout's `valueFrom` arguments may refer to."""

    stable_hash: str
    latest_hash: str
    rollout: Obj


def resolve(refs: Sequence[TemplateRef], templates: Templates, args: Sequence[Obj], about: AnalysisArgs) -> Obj:
    """The `metrics`, `args`, `dryRun` and `measurementRetention` of a run. Raises InvalidInput naming template and cause."""
    found = _flatten(refs, templates)
    specs = [spec_of(template) for template in found]
    spec: Obj = {
        "metrics": _merge_metrics(specs),
        "args": _merge_args(specs, [resolve_arg(arg, about) for arg in args]),
    }
    for name in ("dryRun", "measurementRetention"):
        rules = [rule for template in specs for rule in template.get(name) or []]
        if rules:
            spec[name] = rules
    return spec


def resolve_arg(arg: Obj, about: AnalysisArgs) -> Obj:
    """A Rollout's argument as the run carries it: a plain value, or still a reference to a secret."""
    source = arg.get("valueFrom") or {}
    match source:
        case {"podTemplateHashValue": "Stable"}:
            return {"name": arg["name"], "value": about.stable_hash}
        case {"podTemplateHashValue": "Latest"}:
            return {"name": arg["name"], "value": about.latest_hash}
        case {"fieldRef": {"fieldPath": str(path)}}:
            return {"name": arg["name"], "value": field_at(about.rollout, path)}
        case _:
            return dict(arg)


def field_at(obj: Obj, path: str) -> str:
    """The value at `metadata.labels['x']`, `spec.a.b` or `status.list[0].c` as text. Raises InvalidInput when absent.

    A label or an annotation that is absent is the empty text, as in Kubernetes' downward API.
    """
    here: Any = obj
    for step in _steps(path):
        if isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        elif isinstance(here, dict) and step in here:
            here = here[step]
        elif path.startswith(("metadata.labels[", "metadata.annotations[")):
            return ""
        else:
            raise InvalidInput(f"invalid path {path} in rollout: there is nothing at {step!r}", reason="InvalidFieldRef")
    return here if isinstance(here, str) else str(here)


def _steps(path: str) -> list[str]:
    steps: list[str] = []
    for part in path.replace("]", "").split("["):
        if part[:1] in "'\"" and part:
            steps.append(part.strip("'\""))
        else:
            steps += [step for step in part.split(".") if step]
    return steps


def _flatten(refs: Sequence[TemplateRef], templates: Templates) -> list[Obj]:
    found: dict[TemplateRef, Obj] = {}

    def visit(ref: TemplateRef, path: tuple[TemplateRef, ...]) -> None:
        if ref in path:
            names = " -> ".join(step.template_name for step in (*path, ref))
            raise InvalidInput(f"analysis templates refer to each other in a circle: {names}", reason="TemplateCycle")
        if ref in found:
            return
        template = templates.get(ref)
        if template is None:
            kind = "ClusterAnalysisTemplate" if ref.cluster_scope else "AnalysisTemplate"
            raise InvalidInput(
                f"{kind} '{ref.template_name}' not found: create it{'' if ref.cluster_scope else ' beside the Rollout'}",
                reason="TemplateNotFound",
            )
        found[ref] = template
        for nested in spec_of(template).get("templates") or []:
            inner = TemplateRef(nested.get("templateName") or "", bool(nested.get("clusterScope")))
            visit(inner, (*path, ref))

    for ref in refs:
        visit(ref, ())
    return list(found.values())


def _merge_metrics(specs: Sequence[Obj]) -> list[Obj]:
    metrics: dict[str, Obj] = {}
    for metric in (metric for spec in specs for metric in spec.get("metrics") or []):
        name = metric.get("name") or ""
        if name in metrics:
            raise InvalidInput(f"two metrics have the same name '{name}': rename one of them", reason="DuplicateMetric")
        metrics[name] = metric
    if not metrics:
        raise InvalidInput("the analysis templates hold no metric", reason="NoMetrics")
    return list(metrics.values())


def _merge_args(specs: Sequence[Obj], given: Sequence[Obj]) -> list[Obj]:
    merged: dict[str, Obj] = {}
    for arg in (arg for spec in specs for arg in spec.get("args") or []):
        name = arg["name"]
        before = merged.get(name)
        if before and _has_value(before) and _has_value(arg) and before != arg:
            raise InvalidInput(f"Argument `{name}` specified multiple times with different values", reason="ArgumentClash")
        if before is None or _has_value(arg):
            merged[name] = dict(arg)
    for arg in given:
        if arg.get("name") in merged or not merged:
            merged[arg["name"]] = {**merged.get(arg["name"], {}), **arg}
    return [_one_source(arg) for arg in merged.values()]


def _has_value(arg: Obj) -> bool:
    return arg.get("value") is not None or arg.get("valueFrom") is not None


def _one_source(arg: Obj) -> Obj:
    """A value given by the Rollout replaces a template's valueFrom."""
    return {key: value for key, value in arg.items() if key != "valueFrom"} if arg.get("value") is not None else arg
