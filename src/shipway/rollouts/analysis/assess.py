"""What measurements mean: for one metric, and for the run as a whole (Argo Rollouts' rules, later ones winning).

failed > failureLimit                     Failed
inconclusive > inconclusiveLimit          Inconclusive
consecutive errors > limit                Error
consecutive successes reached             Successful
count reached                             Successful (Failed or Inconclusive if successes in a row were demanded)
terminated, nothing of the above          Successful
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.expression import evaluate_condition
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from shipway.rollouts.analysis.metric import Metric

Phase = Literal["Successful", "Running", "Pending", "Inconclusive", "Error", "Failed"]
ORDER: tuple[Phase, ...] = ("Successful", "Running", "Pending", "Inconclusive", "Error", "Failed")
"""From best to worst: a run is what its worst metric is."""
BAD: frozenset[str] = frozenset(("Inconclusive", "Error", "Failed"))
ENDED: frozenset[str] = BAD | {"Successful"}


class Assessment(Struct, frozen=True):
    """A phase, and why it is not good ("" when it is)."""

    phase: Phase
    why: str = ""


def judge(metric: Metric, value: object, now: Instant | None = None) -> Phase:
    """What one value measured at `now` means. Raises ExpressionError when a condition cannot be evaluated."""
    if not metric.success and not metric.failure:
        return "Successful"
    succeeded = evaluate_condition(metric.success, value, now) if metric.success else None
    failed = evaluate_condition(metric.failure, value, now) if metric.failure else None
    if failed:
        return "Failed"
    if succeeded is None:
        return "Successful"
    if succeeded:
        return "Successful"
    return "Failed" if failed is None else "Inconclusive"


def assess_metric(metric: Metric, result: Obj, *, is_terminating: bool) -> Assessment:
    """The metric's phase from its counts (`status.metricResults[]`)."""
    if not result.get("measurements"):
        return Assessment("Successful" if is_terminating else "Pending")
    if not result["measurements"][-1].get("finishedAt"):
        return Assessment("Running")
    failed, inconclusive = result.get("failed") or 0, result.get("inconclusive") or 0
    errors, successes = result.get("consecutiveError") or 0, result.get("consecutiveSuccess") or 0
    if 0 <= metric.failure_limit < failed:
        return Assessment("Failed", f"failed ({failed}) > failureLimit ({metric.failure_limit})")
    if inconclusive > metric.inconclusive_limit:
        return Assessment("Inconclusive", f"inconclusive ({inconclusive}) > inconclusiveLimit ({metric.inconclusive_limit})")
    if errors > metric.consecutive_error_limit:
        return Assessment("Error", f"consecutiveErrors ({errors}) > consecutiveErrorLimit ({metric.consecutive_error_limit})")
    if 0 < metric.consecutive_success_limit <= successes:
        return Assessment("Successful")
    if metric.count is not None and (result.get("count") or 0) >= metric.count:
        return _at_the_end(metric, successes)
    return Assessment("Successful" if is_terminating else "Running")


def _at_the_end(metric: Metric, successes: int) -> Assessment:
    if metric.consecutive_success_limit == 0:
        return Assessment("Successful")
    why = f"consecutiveSuccess ({successes}) < consecutiveSuccessLimit ({metric.consecutive_success_limit})"
    return Assessment("Inconclusive" if metric.failure_limit >= 0 else "Failed", why)


def assess_run(
    run: Obj, metrics: Sequence[Metric], results: Sequence[Obj], whys: dict[str, str], *, is_terminating: bool
) -> tuple[Phase, str]:
    """Phase and message of the run: Running until every metric has ended, then those of its worst; dry runs take no part."""
    said = "Run Terminated" if spec_of(run).get("terminate") else ""
    if not is_terminating and any(result["phase"] not in ENDED for result in results):
        return "Running", ""
    counted = [result for metric, result in zip(metrics, results, strict=True) if not metric.is_dry_run]
    if any(result["phase"] not in ENDED for result in counted):
        return "Running", ""
    worst = max(counted, key=lambda result: ORDER.index(result["phase"]), default=None)
    if worst is None or worst["phase"] not in BAD:
        return "Successful", said
    return worst["phase"], message_of(worst, whys.get(worst["name"], ""))


def message_of(result: Obj, why: str) -> str:
    """`Metric "x" assessed Failed due to failed (2) > failureLimit (1)`, with the last measurement's message if it has one."""
    text = f'Metric "{result["name"]}" assessed {result["phase"]}' + (f" due to {why}" if why else "")
    last = (result.get("measurements") or [{}])[-1]
    return f'{text}: "Error Message: {last["message"]}"' if last.get("message") else text
