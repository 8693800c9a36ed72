"""What a person does to a Rollout, as the patches that the Argo Rollouts kubectl plugin sends.

Pure: from the Rollout (and its ReplicaSets, to go back) to merge patches of spec and status. The status goes to the status
subresource. An action that changes nothing gives empty patches; one that cannot be done raises InvalidInput with what to do.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from shipway.api.rollout import RolloutSpec, RolloutStatus
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, name_of, spec_of
from shipway.rollouts.rollout.facts import status_of_rollout
from shipway.rollouts.rollout.names import PAUSE_INCONCLUSIVE, PAUSE_INCONCLUSIVE_EXPERIMENT
from shipway.rollouts.rollout.replica_set import ReplicaSet, read_replica_set
from shipway.rollouts.rollout.revision import plain_template
from shipway.rollouts.rollout.spec import Invalid, parse


class Patches(Struct, frozen=True):
    """Merge patches: `root` for the object (spec), `status` for its status subresource; empty means none."""

    root: Obj = field(default_factory=dict)
    status: Obj = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        return not self.root and not self.status


def promote(rollout: Obj) -> Patches:
    """Resumes a paused Rollout; one that is not paused skips its current step."""
    spec, status = _readable(rollout)
    root: Obj = {"spec": {"paused": False}} if spec.paused else {}
    reasons = [pause.reason for pause in status.pause_conditions]
    canary = spec.strategy.canary
    following = min((status.current_step_index or 0) + 1, len(canary.steps)) if canary is not None and canary.steps else None
    if {PAUSE_INCONCLUSIVE, PAUSE_INCONCLUSIVE_EXPERIMENT} & set(reasons) and status.controller_pause and following is not None:
        return Patches(root, _status(pauseConditions=None, controllerPause=False, currentStepIndex=following))
    if reasons:
        return Patches(root, _status(pauseConditions=None))
    if following is None or status.current_pod_hash == status.stable_rs:
        return Patches(root)
    return Patches(root, _status(pauseConditions=None, currentStepIndex=following))


def promote_full(rollout: Obj) -> Patches:
    """Skips what is left of steps, pauses and analyses."""
    spec, status = _readable(rollout)
    root: Obj = {"spec": {"paused": False}} if spec.paused else {}
    return Patches(root, _status(promoteFull=True) if status.current_pod_hash != status.stable_rs else {})


def abort(rollout: Obj) -> Patches:
    """Takes all traffic back to the stable version. A Rollout that is not updating has nothing to abort."""
    status = status_of_rollout(rollout)
    if status.abort or status.current_pod_hash == status.stable_rs:
        return Patches()
    return Patches(status=_status(abort=True))


def retry(rollout: Obj) -> Patches:
    """Begins an aborted update again at its first step."""
    return Patches(status=_status(abort=False)) if status_of_rollout(rollout).abort else Patches()


def restart(now: Instant) -> Patches:
    """Has every pod that was created before `now` replaced, without any step."""
    return Patches(root={"spec": {"restartAt": rfc3339(now)}})


def pause(rollout: Obj) -> Patches:
    """Stops where it is until resumed."""
    return Patches() if spec_of(rollout).get("paused") else Patches(root={"spec": {"paused": True}})


def set_images(rollout: Obj, images: dict[str, str]) -> Patches:
    """New images by container name; `*` stands for all containers. Raises NotFound for a container that is not there."""
    template = copy_obj(spec_of(rollout).get("template") or {})
    spec = template.get("spec") or {}
    lists = {key: spec[key] for key in ("initContainers", "containers", "ephemeralContainers") if spec.get(key)}
    known = {container.get("name", "") for containers in lists.values() for container in containers}
    for name in images:
        if name != "*" and name not in known:
            raise NotFound(
                f'{name_of(rollout)} has no container "{name}": it has {", ".join(sorted(known))}', reason="NoContainer"
            )
    for container in (container for containers in lists.values() for container in containers):
        image = images.get(container.get("name", ""), images.get("*"))
        if image is not None:
            container["image"] = image
    return Patches(root={"spec": {"template": {"spec": lists}}}) if lists else Patches()


def undo(rollout: Obj, replica_sets: Iterable[Obj], to_revision: int = 0) -> list[Obj]:
    """JSON patch operations that put an old template back: revision `to_revision`, or with 0 the one before the present.

    Raises NotFound when there is no such revision. The template is replaced as a whole, so what was added since goes too.
    """
    sets = sorted(map(read_replica_set, replica_sets), key=lambda rs: rs.revision)
    chosen = _revision(sets, to_revision)
    if chosen is None:
        wanted = f"revision {to_revision}" if to_revision else "an earlier revision"
        have = ", ".join(str(rs.revision) for rs in sets) or "none"
        raise NotFound(f"{name_of(rollout)} has no {wanted} to go back to: it has {have}", reason="NoRevision")
    return [{"op": "replace", "path": "/spec/template", "value": _clean(plain_template(chosen))}]


def _revision(sets: Sequence[ReplicaSet], wanted: int) -> ReplicaSet | None:
    if wanted:
        return next((rs for rs in sets if rs.revision == wanted), None)
    return sets[-2] if len(sets) > 1 else None


def _clean(template: Obj) -> Obj:
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    return {**template, "metadata": metadata}


def _readable(rollout: Obj) -> tuple[RolloutSpec, RolloutStatus]:
    spec = parse(rollout)
    if isinstance(spec, Invalid):
        raise InvalidInput(f"{name_of(rollout)} cannot be promoted while its spec is invalid: {spec}", reason="InvalidSpec")
    return spec, status_of_rollout(rollout)


def _status(**fields: object) -> Obj:
    return dict(fields)
