"""Workloads: selectors, templates, replica counts."""

import re

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.localcluster.apiserver.problems import FieldProblem, forbidden_field, invalid_value, not_supported, required
from shipway.localcluster.apiserver.validation.pods import template

_NOT_NEGATIVE = "must be greater than or equal to 0"
_IMMUTABLE = "field is immutable"
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_PERCENT = re.compile(r"[0-9]+%")


def selecting(obj: Obj) -> list[FieldProblem]:
    """A workload whose selector must match its own template."""
    spec = obj.get("spec") or {}
    selector, path = spec.get("selector"), "spec.selector"
    problems: list[FieldProblem] = []
    if selector is None:
        problems.append(required(path))
        problems += _unmatched(spec.get("template") or {})
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        problems.append(invalid_value(path, selector, "empty selector is invalid for deployment"))
    else:
        problems += _matches(selector, spec.get("template") or {})
    return problems + template(spec.get("template") or {}, "spec.template")


def _matches(selector: Obj, pod_template: Obj) -> list[FieldProblem]:
    labels = (pod_template.get("metadata") or {}).get("labels") or {}
    try:
        if label_selector_of(selector).matches(labels):
            return []
    except InvalidInput as error:
        return [invalid_value("spec.selector", selector, error.message)]
    return _unmatched(pod_template)


def _unmatched(pod_template: Obj) -> list[FieldProblem]:
    labels = (pod_template.get("metadata") or {}).get("labels")
    return [invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")]


def replicated(obj: Obj) -> list[FieldProblem]:
    return _replicas(obj) + selecting(obj)


def _replicas(obj: Obj) -> list[FieldProblem]:
    replicas = (obj.get("spec") or {}).get("replicas")
    return [invalid_value("spec.replicas", replicas, _NOT_NEGATIVE)] if replicas is not None and replicas < 0 else []


def replication_controller(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems = _replicas(obj)
    if not spec.get("selector"):
        problems.append(required("spec.selector"))
    if not spec.get("template"):
        return [*problems, required("spec.template")]
    problems += template(spec["template"], "spec.template")
    return problems + (_matches({"matchLabels": spec["selector"]}, spec["template"]) if spec.get("selector") else [])


def deployment(obj: Obj) -> list[FieldProblem]:
    problems = replicated(obj)
    strategy = (obj.get("spec") or {}).get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        problems.append(not_supported("spec.strategy", {"Type": kind, "RollingUpdate": rolling}, ("Recreate", "RollingUpdate")))
    if kind == "Recreate" and rolling:
        text = "may not be specified when strategy `type` is 'Recreate'"
        problems.append(forbidden_field("spec.strategy.rollingUpdate", text))
    for field in ("maxUnavailable", "maxSurge"):
        problems += _int_or_percent((rolling or {}).get(field), f"spec.strategy.rollingUpdate.{field}")
    if rolling and all(rolling.get(field) in (0, "0%") for field in ("maxUnavailable", "maxSurge")):
        text = "may not be 0 when `maxSurge` is 0"
        problems.append(invalid_value("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], text))
    return problems


def _int_or_percent(value: int | str | None, path: str) -> list[FieldProblem]:
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        text = _PERCENT_TEXT
        return [invalid_value(path, value, text)]
    return [invalid_value(path, value, _NOT_NEGATIVE)] if isinstance(value, int) and value < 0 else []


def job(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if (number := spec.get(field)) is not None and number < 0:
            problems.append(invalid_value(f"spec.{field}", number, _NOT_NEGATIVE))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        problems.append(required("spec.completions", "when completion mode is Indexed"))
    return problems + template(spec.get("template") or {}, "spec.template", restart=("OnFailure", "Never"))


def cron_job(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    if not spec.get("schedule"):
        problems.append(required("spec.schedule"))
    elif len(spec["schedule"].split()) != 5 and not spec["schedule"].startswith("@"):
        count = len(spec["schedule"].split())
        text = f"expected exactly 5 fields, found {count}: [{spec['schedule']}]"
        problems.append(invalid_value("spec.schedule", spec["schedule"], text))
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        problems.append(not_supported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace")))
    pod_template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    return problems + template(pod_template, "spec.jobTemplate.spec.template", restart=("OnFailure", "Never"))


def selector_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    before, after = (live.get("spec") or {}).get("selector"), (obj.get("spec") or {}).get("selector")
    return [] if before == after else [invalid_value("spec.selector", after, _IMMUTABLE)]


_MUTABLE_OF_STATEFUL_SET = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def stateful_set_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    before, after = live.get("spec") or {}, obj.get("spec") or {}
    if all(before.get(key) == after.get(key) for key in {*before, *after} - set(_MUTABLE_OF_STATEFUL_SET)):
        return []
    text = (
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )
    return [forbidden_field("spec", text)]


def job_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    before, after = live.get("spec") or {}, obj.get("spec") or {}
    problems = selector_change(live, obj)
    if before.get("template") != after.get("template") and not (before.get("suspend") or after.get("suspend")):
        problems.append(invalid_value("spec.template", after.get("template"), _IMMUTABLE))
    if before.get("completions") != after.get("completions") and after.get("completionMode") != "Indexed":
        problems.append(invalid_value("spec.completions", after.get("completions"), _IMMUTABLE))
    if before.get("completionMode") != after.get("completionMode"):
        problems.append(invalid_value("spec.completionMode", after.get("completionMode"), _IMMUTABLE))
    return problems
