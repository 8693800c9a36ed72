"""A metric of a run, as it is written, with its arguments filled in and its defaults made plain.

`{{args.x}}` is replaced in the whole text of the metric, so it also works in counts, limits and conditions. Arguments that
come from Secrets are left in place: they are filled in where the measurement is made and never stand in the run.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import orjson
import re2
from msgspec import Struct

from shipway.api.metrics import SecretRef
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.rollouts.analysis.burn_rate import SLO, read_burning
from shipway.rollouts.analysis.comparison import COMPARE, read_comparison

PROVIDERS = frozenset(
    (
        *("web", "prometheus", "job", "datadog", "plugin"),
        *("newRelic", "cloudWatch", "graphite", "influxdb", "wavefront", "skywalking", "kayenta"),
    )
)
"""Providers that work; a metric with another one is refused."""
OUR_OWN: Mapping[str, Callable[[Any], object]] = {COMPARE: read_comparison, SLO: read_burning}
"""Metrics of ours in the place of plugins."""
MEASUREMENTS = 10
"""Measurements of a metric that are kept where measurementRetention says nothing."""
_PLACEHOLDER = re.compile(r"\{\{\s*args\.([A-Za-z0-9_.-]+)\s*\}\}")


class Metric(Struct, frozen=True):
    """One metric with the defaults of Argo Rollouts. Times in seconds; `count` None: until the run is terminated."""

    name: str
    provider: bytes
    secrets: tuple[SecretRef, ...] = ()
    success: str = ""
    failure: str = ""
    interval: float | None = None
    initial_delay: float = 0.0
    count: int | None = 1
    failure_limit: int = 0
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int = 0
    is_dry_run: bool = False
    keep: int = 10
    is_job: bool = False
    plugin: str = ""


def read_metrics(run: Obj, plugins: Container[str] | None = ()) -> tuple[Metric, ...]:
    """The metrics of an AnalysisRun. Raises InvalidInput naming the metric and what is wrong with it.

    `plugins`: the MetricPlugins that are declared; None where nobody can know, and all are taken to be.
    """
    spec = run.get("spec") or {}
    values, secrets = _arguments(spec.get("args") or [])
    raw_metrics: list[Obj] = spec.get("metrics") or []
    if not raw_metrics:
        raise _invalid("no metrics specified")
    metrics = tuple(_read(index, raw, values, secrets, spec) for index, raw in enumerate(raw_metrics))
    for index, metric in enumerate(metrics):
        if metric.plugin and plugins is not None and metric.plugin not in plugins:
            raise _invalid(f"metrics[{index}]: {_undeclared(metric.plugin)}")
    names = [metric.name for metric in metrics]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _invalid(f"metrics[{index}]: duplicate name '{name}'")
    _all_rules_match(spec, metrics)
    return metrics


def _arguments(args: Sequence[Obj]) -> tuple[dict[str, str], dict[str, SecretRef]]:
    values: dict[str, str] = {}
    secrets: dict[str, SecretRef] = {}
    for arg in args:
        name = arg.get("name") or ""
        secret = (arg.get("valueFrom") or {}).get("secretKeyRef")
        if arg.get("value") is not None:
            values[name] = str(arg["value"])
        elif secret:
            secrets[name] = SecretRef(name, secret.get("name") or "", secret.get("key") or "")
        else:
            raise _unresolved(f"args.{name} was not resolved: give it a value where the analysis is used")
    return values, secrets


def _unresolved(problem: str) -> InvalidInput:
    return InvalidInput(f"Unable to resolve metric arguments: {problem}", reason="UnresolvedArg")


def _read(index: int, raw: Obj, values: dict[str, str], secrets: dict[str, SecretRef], spec: Obj) -> Metric:
    text, used = _fill(orjson.dumps(raw).decode(), values, secrets)
    try:
        filled = orjson.loads(text)
        metric = _typed(filled, tuple(secrets[arg] for arg in sorted(used)), spec)
    except ValueError as error:
        raise _invalid(f"metrics[{index}]: {error}") from None
    problem = _problem(metric, filled.get("provider") or {})
    if problem:
        raise _invalid(f"metrics[{index}]: {problem}")
    return metric


def _fill(text: str, values: dict[str, str], secrets: dict[str, SecretRef]) -> tuple[str, set[str]]:
    """The text with plain arguments filled in, JSON-escaped, and the names of secret arguments that it mentions."""
    used: set[str] = set()

    def one(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in secrets:
            used.add(name)
            return found.group(0)
        if name not in values:
            raise _unresolved(f"failed to resolve {{{{args.{name}}}}}: there is no such argument")
        return orjson.dumps(values[name]).decode()[1:-1]

    return _PLACEHOLDER.sub(one, text), used


def _typed(raw: Obj, secrets: tuple[SecretRef, ...], spec: Obj) -> Metric:
    interval = parse_duration(raw["interval"]) if raw.get("interval") else None
    count = _number(raw.get("count"))
    return Metric(
        name=raw.get("name") or "",
        provider=orjson.dumps(raw.get("provider") or {}, option=orjson.OPT_SORT_KEYS),
        secrets=secrets,
        success=raw.get("successCondition") or "",
        failure=raw.get("failureCondition") or "",
        interval=interval,
        initial_delay=parse_duration(raw["initialDelay"]) if raw.get("initialDelay") else 0.0,
        count=count or (None if interval else 1),
        failure_limit=_number(raw.get("failureLimit")) or 0,
        inconclusive_limit=_number(raw.get("inconclusiveLimit")) or 0,
        consecutive_error_limit=4 if (limit := _number(raw.get("consecutiveErrorLimit"))) is None else limit,
        consecutive_success_limit=_number(raw.get("consecutiveSuccessLimit")) or 0,
        is_dry_run=any(_names(rule, raw.get("name") or "") for rule in spec.get("dryRun") or []),
        keep=_retained(spec, raw.get("name") or ""),
        is_job=bool((raw.get("provider") or {}).get("job")),
        plugin=_plugin(raw.get("provider") or {}),
    )


def _plugin(provider: Obj) -> str:
    """The MetricPlugin that measures; "" for another provider, and for what we measure ourselves in the place of plugins."""
    named = provider.get("plugin")
    name = next(iter(named), "") if isinstance(named, dict) else ""
    return "" if name in OUR_OWN else name


def _undeclared(name: str) -> str:
    return (
        f"the plugin '{name}' does not work here: declare its command as a MetricPlugin in the folder of `shipway run "
        f"--plugins`, or use one of {', '.join(sorted(OUR_OWN))}"
    )


def _retained(spec: Obj, name: str) -> int:
    """Measurements to keep: the limit of the last rule that names the metric, else 10."""
    limits = [rule.get("limit") or 0 for rule in spec.get("measurementRetention") or [] if _names(rule, name)]
    return limits[-1] if limits and limits[-1] > 0 else MEASUREMENTS


def _names(rule: Obj, name: str) -> bool:
    """Whether the rule's unanchored regular expression (RE2, which cannot run away) finds itself in the name."""
    pattern = rule.get("metricName") or ""
    try:
        return re2.search(pattern, name) is not None
    except re2.error as error:
        raise _invalid(f"metricName {pattern!r} is no regular expression: {error}") from None


def _number(value: object) -> int | None:
    """An IntOrString."""
    if value is None or value == "":
        return None
    return int(str(value))


def _problem(metric: Metric, provider: Obj) -> str:
    kinds = [kind for kind, settings in provider.items() if settings is not None]
    limit = metric.failure_limit + metric.consecutive_success_limit
    if len(kinds) != 1:
        return "multiple providers specified" if kinds else "no provider specified"
    if kinds[0] not in PROVIDERS:
        return f"the provider '{kinds[0]}' does not work; use one of {', '.join(sorted(PROVIDERS))}"
    if kinds[0] == "plugin" and (problem := _plugin_problem(provider["plugin"])):
        return problem
    if metric.is_job and metric.secrets:
        return "a Job takes no arguments from Secrets: let its containers read them with valueFrom.secretKeyRef"
    if metric.count is not None and metric.count > 1 and metric.interval is None:
        return "interval must be specified when count > 1"
    if metric.count is not None and metric.count < limit:
        return "count must be >= failureLimit + consecutiveSuccessLimit"
    if metric.count is not None and metric.count < metric.inconclusive_limit:
        return "count must be >= inconclusiveLimit"
    if metric.inconclusive_limit < 0:
        return "inconclusiveLimit must be >= 0"
    if metric.consecutive_error_limit < 0:
        return "consecutiveErrorLimit must be >= 0"
    if metric.failure_limit < 0 and metric.consecutive_success_limit == 0:
        return "failureLimit -1 needs a consecutiveSuccessLimit"
    return ""


def _plugin_problem(plugin: object) -> str:
    """What is wrong with a metric under `plugin`; those of our own stand there in Argo Rollouts' manifests too."""
    if not isinstance(plugin, dict) or len(plugin) != 1:
        named = ", ".join(sorted(plugin)) if isinstance(plugin, dict) else ""
        return f"the plugin '{named}' does not work here: name exactly one, with its configuration below"
    name, config = next(iter(plugin.items()))
    if name not in OUR_OWN:
        return "" if config is None or isinstance(config, dict) else f"the configuration of plugin '{name}' is not a map"
    try:
        OUR_OWN[name](config)
    except InvalidInput as error:
        return error.message
    return ""


def _all_rules_match(spec: Obj, metrics: Sequence[Metric]) -> None:
    """A rule of dryRun or measurementRetention that names no metric is a mistake that would otherwise pass unseen."""
    for field in ("dryRun", "measurementRetention"):
        for index, rule in enumerate(spec.get(field) or []):
            if not any(_names(rule, metric.name) for metric in metrics):
                raise _invalid(f"{field}[{index}]: Rule didn't match any metric name(s)")


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"Analysis spec invalid: {problem}", reason="InvalidMetric")
