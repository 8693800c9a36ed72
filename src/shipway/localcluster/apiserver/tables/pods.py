"""Pods. What stands under READY and STATUS is `Summary`'s word."""

from shipway.base.clock import Instant
from shipway.base.durations import format_age
from shipway.kube.objects.pod_summary import Summary
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.tables.columns import NONE, Printer, Row, age_of, columns, or_none

_COLUMNS = columns("Ready", "Status", "Restarts", "Age", "IP*", "Node*", "Nominated Node*", "Readiness Gates*")


def _pod(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    summary = Summary(obj)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{summary.restarts} ({format_age(max(0.0, now - summary.last_restart))} ago)"
    addresses = [entry.get("ip", "") for entry in status.get("podIPs") or []]
    cells = [
        obj["metadata"]["name"],
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        age_of(obj, now),
        or_none(addresses[0] if addresses else status.get("podIP") or ""),
        or_none(spec.get("nodeName") or ""),
        or_none(status.get("nominatedNodeName") or ""),
        _gates(spec, status),
    ]
    return Row(cells, _conditions(status.get("phase")))


def _conditions(phase: str | None) -> tuple[Obj, ...]:
    texts = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }
    if phase not in texts:
        return ()
    return ({"type": "Completed", "status": "True", "reason": phase, "message": texts[phase]},)


def _gates(spec: Obj, status: Obj) -> str:
    gates = [gate["conditionType"] for gate in spec.get("readinessGates") or []]
    if not gates:
        return NONE
    true = {condition["type"] for condition in status.get("conditions") or [] if condition.get("status") == "True"}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}"


PRINTERS = {("", "Pod"): Printer(_COLUMNS, _pod)}
