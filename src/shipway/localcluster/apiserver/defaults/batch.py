"""Job and CronJob defaults. The selector that a Job gets from its uid is made when it is created (strategies)."""

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.defaults.pods import template


def job(obj: Obj) -> None:
    _job_spec(obj.setdefault("spec", {}))
    labels = (obj["spec"]["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _job_spec(spec: Obj) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    if spec.get("backoffLimitPerIndex") is None:
        spec.setdefault("backoffLimit", 6)
    else:
        spec.setdefault("backoffLimit", 2147483647)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    has_failure_policy = bool(spec.get("podFailurePolicy"))
    spec.setdefault("podReplacementPolicy", "Failed" if has_failure_policy else "TerminatingOrFailed")
    template(spec.setdefault("template", {}))


def cron_job(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    inner = spec.setdefault("jobTemplate", {})
    inner.setdefault("metadata", {})
    template(inner.setdefault("spec", {}).setdefault("template", {}))
