"""The status of an AnalysisRun as Argo Rollouts writes it, and the events that go with it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import orjson

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.decision import Note, regarding
from shipway.rollouts.analysis.assess import ENDED
from shipway.rollouts.analysis.metric import Metric


def stored_results(run: Obj, metrics: Sequence[Metric]) -> list[Obj]:
    """The stored results in the order of the metrics; new ones for metrics that have none yet."""
    stored = _by_name(run)
    return [stored.get(metric.name) or _new_result(metric) for metric in metrics]


def status_with(before: Obj, metrics: Sequence[Metric], results: Sequence[Obj], phase: str, message: str) -> Obj:
    """The run's next status. A metric stands in it from its first measurement on; the summaries count all metrics."""
    dry = [result for metric, result in zip(metrics, results, strict=True) if metric.is_dry_run]
    real = [result for metric, result in zip(metrics, results, strict=True) if not metric.is_dry_run]
    known = {result.get("name"): result.get("phase") for result in before.get("metricResults") or []}
    return {
        **before,
        "phase": phase,
        "metricResults": [_with_message(result, known) for result in results if result.get("measurements")],
        "runSummary": summary(real),
        **({"dryRunSummary": summary(dry)} if dry else {}),
        **({"message": message} if message else {}),
    }


def summary(results: Sequence[Obj]) -> Obj:
    """How many metrics there are, and how many of them ended in each phase."""
    found: Obj = {"count": len(results)}
    for phase in ("Successful", "Failed", "Inconclusive", "Error"):
        number = sum(result["phase"] == phase for result in results)
        if number:
            found[phase.lower()] = number
    return found


def completion_note(run: Obj, status: Obj) -> Note:
    phase = status["phase"]
    text = f"Analysis Completed. Result: {phase}" + (f": {status['message']}" if status.get("message") else "")
    return Note(regarding=regarding(ANALYSIS_RUNS, run), reason=f"AnalysisRun{phase}", message=text, type=_note_type(phase))


def metric_notes(run: Obj, results: Sequence[Obj]) -> tuple[Note, ...]:
    """One event per metric that has ended since the last look."""
    before = {name: result.get("phase") for name, result in _by_name(run).items()}
    return tuple(
        Note(
            regarding=regarding(ANALYSIS_RUNS, run),
            reason=f"Metric{result['phase']}",
            message=f"Metric '{result['name']}' Completed. Result: {result['phase']}",
            type=_note_type(result["phase"]),
        )
        for result in results
        if result["phase"] in ENDED and result.get("measurements") and before.get(result["name"]) not in ENDED
    )


def _new_result(metric: Metric) -> Obj:
    query = orjson.loads(metric.provider).get("prometheus", {}).get("query")
    return {
        "name": metric.name,
        "phase": "Pending",
        **({"dryRun": True} if metric.is_dry_run else {}),
        **({"metadata": {"ResolvedPrometheusQuery": query}} if query else {}),
    }


def _with_message(result: Obj, known: Mapping[str, str]) -> Obj:
    """What the last measurement said when the metric went into its phase."""
    message = result["measurements"][-1].get("message")
    if not message or known.get(result["name"]) == result["phase"]:
        return result
    return {**result, "message": message}


def _by_name(run: Obj) -> dict[str, Obj]:
    results: list[Obj] = status_of(run).get("metricResults") or []
    return {result["name"]: result for result in results}


def _note_type(phase: str) -> Literal["Normal", "Warning"]:
    return "Warning" if phase in ("Failed", "Error") else "Normal"
