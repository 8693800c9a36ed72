"""Actions that need no script: what Argo CD's users find on the kinds of Kubernetes, of Flux and of External Secrets.

A row is the name of an action, whether it can be done now, and what it writes. Those of Rollouts come from the engine that
knows them (`assembly/resource_actions.py` brings both together).
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput
from shipway.gitops.actions import Action, Effect, Param
from shipway.kube.objects.owners import owner_ref
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import dig, metadata, name_of, namespace_of, spec_of, status_of

Params = Mapping[str, str]
FLUX = ".toolkit.fluxcd.io"
_OVER = frozenset({"Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"})
_NEVER_RECONCILED = frozenset({"Alert", "Provider"})


class Row(Struct, frozen=True):
    """One action of a kind."""

    name: str
    run: Callable[[Obj, Params, Instant], Effect]
    can: Callable[[Obj], bool] = lambda _: True
    params: Callable[[Obj], tuple[Param, ...]] = lambda _: ()


def builtin_actions(obj: Obj) -> tuple[Action, ...]:
    """What can be done to an object without any script."""
    return tuple(Action(row.name, not row.can(obj), params=row.params(obj)) for row in _rows(obj))


def run_builtin(obj: Obj, name: str, params: Params, now: Instant) -> Effect | None:
    """What the action writes; None: the kind has no such action. Raises InvalidInput where it cannot be done now."""
    row = next((row for row in _rows(obj) if row.name == name), None)
    return row.run(obj, params, now) if row else None


def _rows(obj: Obj) -> tuple[Row, ...]:
    group, kind = split_api_version(obj.get("apiVersion") or "")[0], obj.get("kind") or ""
    if group.endswith(FLUX):
        return _FLUX if kind not in _NEVER_RECONCILED else _FLUX[1:]
    return _ROWS.get((group, kind), ())


def _spec(**fields: object) -> Callable[[Obj, Params, Instant], Effect]:
    return lambda obj, params, now: Effect({"spec": dict(fields)})


def _is(field: str) -> Callable[[Obj], bool]:
    return lambda obj: bool(spec_of(obj).get(field))


def _is_not(field: str) -> Callable[[Obj], bool]:
    return lambda obj: not spec_of(obj).get(field)


def _restart(obj: Obj, params: Params, now: Instant) -> Effect:
    stamp = {"kubectl.kubernetes.io/restartedAt": rfc3339(now)}
    return Effect({"spec": {"template": {"metadata": {"annotations": stamp}}}})


def _scale(obj: Obj, params: Params, now: Instant) -> Effect:
    written = params.get("replicas", "")
    if not written.isdecimal():
        raise InvalidInput(
            f'scale: replicas has to be a number from 0 on, not "{written}": --param replicas=3', reason="BadParam"
        )
    return Effect({"spec": {"replicas": int(written)}})


def _replicas(obj: Obj) -> tuple[Param, ...]:
    return (Param("replicas", str(dig(obj, "spec", "replicas", default=1))),)


def _create_job(obj: Obj, params: Params, now: Instant) -> Effect:
    """A Job as the schedule would make it, owned by the CronJob; named by the minute, so that twice is once."""
    template: Obj = spec_of(obj).get("jobTemplate") or {}
    minute = "".join(letter for letter in rfc3339(now)[:16] if letter.isdecimal())
    meta = {
        **{key: value for key, value in metadata(template).items() if key in ("labels", "annotations") and value},
        "name": f"{name_of(obj)}-{minute}",
        "namespace": namespace_of(obj),
        "ownerReferences": [owner_ref(obj)],
    }
    return Effect(creates=({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template.get("spec") or {}},))


def _is_open(obj: Obj) -> bool:
    """Whether a Job has not come to its end."""
    conditions: list[Obj] = status_of(obj).get("conditions") or []
    return not any(one.get("type") in _OVER and one.get("status") == "True" for one in conditions)


def _terminate_job(obj: Obj, params: Params, now: Instant) -> Effect:
    conditions: list[Obj] = status_of(obj).get("conditions") or []
    ended = {
        "type": "FailureTarget",
        "status": "True",
        "reason": "ManuallyTerminated",
        "message": "The Job was terminated by hand",
        "lastTransitionTime": rfc3339(now),
    }
    return Effect(status={"conditions": [*conditions, ended]})


def _annotated(key: str, text: str = "{}") -> Callable[[Obj, Params, Instant], Effect]:
    return lambda obj, params, now: Effect({"metadata": {"annotations": {key: text.format(rfc3339(now))}}})


_RESTART = Row("restart", _restart)
_SCALE = Row("scale", _scale, params=_replicas)
_SUSPEND = Row("suspend", _spec(suspend=True), _is_not("suspend"))
_RESUME = Row("resume", _spec(suspend=False), _is("suspend"))
_FLUX = (Row("reconcile", _annotated("reconcile.fluxcd.io/requestedAt", "By Shipway at: {}")), _RESUME, _SUSPEND)
_ROWS: dict[tuple[str, str], tuple[Row, ...]] = {
    ("apps", "Deployment"): (
        Row("pause", _spec(paused=True), _is_not("paused")),
        _RESTART,
        Row("resume", _spec(paused=None), _is("paused")),
        _SCALE,
    ),
    ("apps", "StatefulSet"): (_RESTART, _SCALE),
    ("apps", "DaemonSet"): (_RESTART,),
    ("batch", "CronJob"): (Row("create-job", _create_job), _RESUME, _SUSPEND),
    ("batch", "Job"): (
        Row("resume", _spec(suspend=False), lambda obj: _is_open(obj) and _is("suspend")(obj)),
        Row("suspend", _spec(suspend=True), lambda obj: _is_open(obj) and _is_not("suspend")(obj)),
        Row("terminate", _terminate_job, lambda obj: _is_open(obj) and bool(status_of(obj))),
    ),
    ("argoproj.io", "AnalysisRun"): (Row("terminate", _spec(terminate=True), _is_not("terminate")),),
    ("external-secrets.io", "ExternalSecret"): (Row("refresh", _annotated("force-sync")),),
}
