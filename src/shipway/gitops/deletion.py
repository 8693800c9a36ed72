"""Deleting an Application, finalizer by finalizer: hooks before, everything it tracks, hooks after.

    pre-delete-finalizer…              PreDelete hooks are created, awaited, and tried anew when they fail
    resources-finalizer…               what the application tracks goes, the last wave before the first
    post-delete-finalizer…             PostDelete hooks likewise; each of the two has a twin `…/cleanup` that tidies up

`resources-finalizer.argocd.argoproj.io` (or `…/foreground`) waits for dependents, `…/background` does not. Objects that carry
`Delete=false` (or Helm's `resource-policy: keep`) stay; `Delete=confirm` holds everything until a person approves. Only hooks
need Git: everything else is known from the cluster, so an unreachable repository does not hold a deletion up.

Where syncs are made as a service account, so is all of this; without one that fits nothing is done. What an account may live by
(roles, their bindings, accounts) then goes last and at once, lest the rest be stuck without it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Denied, InvalidInput
from shipway.gitops.annotations import (
    DELETION_APPROVED,
    HELM_RESOURCE_POLICY,
    OPERATION,
    POST_DELETE_FINALIZER,
    PRE_DELETE_FINALIZER,
    RESOURCES_FINALIZER,
    TRACKING_ID,
)
from shipway.gitops.comparison import Item, Live
from shipway.gitops.confirmation import is_confirmed, needs_confirmation
from shipway.gitops.desired import Desired
from shipway.gitops.impersonation import Acting
from shipway.gitops.order import delete_policies, hook_types, kind_rank, wave_of
from shipway.gitops.sync.hooks import hook_object, release, removal
from shipway.gitops.sync.tasks import option_of
from shipway.gitops.tracking import tracked_by, tracking_id
from shipway.kube.objects.resource import Obj, Ref, ref_of
from shipway.kube.objects.views import annotations_of, copy_obj, is_deleting, metadata, name_of, namespace_of, status_of, uid_of
from shipway.kube.runtime.decision import Action, Batch, Create, Delete, Outcome, Propagation

HookType = Literal["PreDelete", "PostDelete"]
HOOK_FINALIZERS: dict[HookType, str] = {"PreDelete": PRE_DELETE_FINALIZER, "PostDelete": POST_DELETE_FINALIZER}
CLEANUP = "/cleanup"
LET_GO = "take the finalizer away: then what is left stays"
RIGHTS = frozenset({"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
PATIENCE = 10.0
"""Seconds from the creation of a hook that failed until it is tried anew at the soonest."""


class DeletionHooks(Struct, frozen=True):
    """The hooks that Git has. `error`: why they cannot be known; neither known nor an error: the answer is under way."""

    objects: tuple[Desired, ...] = ()
    is_known: bool = False
    error: str = ""


class Step(Struct, frozen=True):
    """`batches` to carry out next; `finalizers`: what is left of the list once a stage is over (None: keep waiting).

    `problem`: what a person has to see to.
    """

    batches: tuple[Batch, ...] = ()
    finalizers: tuple[str, ...] | None = None
    problem: str = ""
    wake: Instant | None = None


class Scene(Struct, frozen=True):
    """What is there. `live` is everything the application tracks and what is there under the names of its hooks, of kinds that
    have all been listed."""

    app: Obj
    instance: str
    live: Sequence[Live]
    hooks: DeletionHooks
    options: dict[str, str]
    spared: frozenset[Ref] = frozenset()
    """What is not deleted, and not waited for."""
    acting: Acting = Acting()

    @property
    def mark(self) -> str:
        """What the hooks of this deletion carry."""
        return f"deletion-{uid_of(self.app)}"


def finalizers_of(app: Obj) -> tuple[str, ...]:
    return tuple(metadata(app).get("finalizers") or ())


def has_stages(app: Obj) -> bool:
    """Whether there is anything for us to do before the application may go."""
    return any(_is_stage(one) for one in finalizers_of(app))


def foreign_finalizers(app: Obj) -> tuple[str, ...]:
    """Those that stand for no stage of the deletion: others take them away."""
    return tuple(one for one in finalizers_of(app) if not _is_stage(one))


def with_hook_finalizers(app: Obj, hooks: Sequence[Desired]) -> tuple[str, ...] | None:
    """The finalizers that the application needs for the hooks that Git has; None when it has just those."""
    types = {kind for hook in hooks for kind in hook_types(hook.obj)}
    wanted = [name for kind, base in HOOK_FINALIZERS.items() if kind in types for name in (base, base + CLEANUP)]
    ours = {name for base in HOOK_FINALIZERS.values() for name in (base, base + CLEANUP)}
    present = finalizers_of(app)
    if set(wanted) == ours.intersection(present):
        return None
    return (*(one for one in present if one not in ours or one in wanted), *(one for one in wanted if one not in present))


def deletion_step(scene: Scene, now: Instant) -> Step:
    """The next step of the deletion, made as whom the application is synced."""
    step = _next(scene, now)
    if step.batches and scene.acting.problem:
        return Step(problem=f"{scene.acting.problem}. Mend that, or {LET_GO}")
    batches = tuple(msgspec.structs.replace(batch, as_user=scene.acting.user) for batch in step.batches)
    return msgspec.structs.replace(step, batches=batches)


def refused(acting: Acting, outcomes: Sequence[Outcome]) -> str:
    """What a person has to see to after a step of the deletion: what the API server refuses, and will refuse again."""
    errors = (outcome.error for outcome in outcomes if isinstance(outcome.error, Denied | InvalidInput))
    error = next(errors, None)
    if error is None:
        return ""
    return f"{error.message}. {'Grant it to the account' if acting.user else 'Mend that'}, or {LET_GO}"


def _next(scene: Scene, now: Instant) -> Step:
    present = finalizers_of(scene.app)
    if PRE_DELETE_FINALIZER in present:
        return _run_hooks(scene, "PreDelete", now)
    if PRE_DELETE_FINALIZER + CLEANUP in present:
        return _tidy_up(scene, "PreDelete")
    if any(_is_cascade(one) for one in present):
        return _cascade(scene)
    if POST_DELETE_FINALIZER in present:
        return _run_hooks(scene, "PostDelete", now)
    return _tidy_up(scene, "PostDelete")


def _is_stage(finalizer: str) -> bool:
    return _is_cascade(finalizer) or finalizer.removesuffix(CLEANUP) in HOOK_FINALIZERS.values()


def _is_cascade(finalizer: str) -> bool:
    return finalizer.split("/")[0] == RESOURCES_FINALIZER


def _without(scene: Scene, *names: str) -> Step:
    return Step(finalizers=tuple(one for one in finalizers_of(scene.app) if one not in names))


def _cascade(scene: Scene) -> Step:
    """Everything that is tracked, wave by wave; each is awaited."""
    finalizer = next(one for one in finalizers_of(scene.app) if _is_cascade(one))
    mine = [one for one in scene.live if scene.instance in tracked_by(one.obj)]
    doomed = [one for one in mine if _is_doomed(one.obj, scene)]
    if not doomed:
        return _without(scene, finalizer)
    doubtful = [one.obj for one in doomed if needs_confirmation(one.obj, scene.options, "Delete") and not is_deleting(one.obj)]
    if doubtful and not is_confirmed(scene.app, metadata(scene.app).get("deletionTimestamp", "")):
        return Step(problem=_confirmation(doubtful))
    propagation: Propagation = "Background" if finalizer.endswith("/background") else "Foreground"
    rights = [one for one in doomed if one.obj.get("kind") in RIGHTS] if scene.acting.user else []
    if len(rights) == len(doomed):
        return Step(batches=_together([action for one in rights for action in _delete(one, propagation)]))
    others = [one for one in doomed if one not in rights]
    last = max(wave_of(one.obj) for one in others)
    wave = sorted((one for one in others if wave_of(one.obj) == last), key=lambda one: -kind_rank(one.obj.get("kind", "")))
    steps = [_delete(one, propagation) for one in wave]
    return Step(batches=tuple(Batch(step, on_failure="continue") for step in steps if step))


def _together(actions: Sequence[Action]) -> tuple[Batch, ...]:
    """All at once: what goes first may be what the rest is allowed by."""
    return (Batch(tuple(actions), on_failure="continue"),) if actions else ()


def _is_doomed(obj: Obj, scene: Scene) -> bool:
    keeps = option_of(obj, scene.options, "Delete") == "false" or annotations_of(obj).get(HELM_RESOURCE_POLICY) == "keep"
    if ref_of(obj) in scene.spared or obj.get("kind") == "CustomResourceDefinition":
        return False  # with the kind, every object of it would go, whoever made it: as in Argo CD it stays
    is_last_hook = annotations_of(obj).get(OPERATION) == scene.mark and "PostDelete" in hook_types(obj)
    return not (keeps or is_last_hook)


def _confirmation(doubtful: Sequence[Obj]) -> str:
    more = f" and {len(doubtful) - 1} more" if len(doubtful) > 1 else ""
    return (
        f"waiting for confirmation to delete {_named(doubtful[0])}{more}: set the annotation {DELETION_APPROVED} of the "
        "Application to the present time"
    )


def _delete(one: Live, propagation: Propagation) -> tuple[Action, ...]:
    obj = one.obj
    freed = release(Item(ref_of(obj), None, one))
    if is_deleting(obj):
        return freed
    return (Delete(one.resource, namespace_of(obj), name_of(obj), uid=uid_of(obj), propagation=propagation), *freed)


def _run_hooks(scene: Scene, kind: HookType, now: Instant) -> Step:
    """Creates the hooks of a type wave by wave and waits for each; one that failed is deleted and tried anew."""
    if not scene.hooks.is_known:
        told = f"the {kind} hooks cannot be read from Git: {scene.hooks.error}. Mend that, or take the finalizer away"
        return Step(problem=told if scene.hooks.error else "")
    hooks = [_named_hook(hook, scene, kind) for hook in scene.hooks.objects if kind in hook_types(hook.obj)]
    by_ref = {ref_of(one.obj): one for one in scene.live}
    for wave in sorted({wave_of(hook.obj) for hook in hooks}):
        steps = [_hook_step(hook, by_ref.get(hook.ref), scene, now) for hook in hooks if wave_of(hook.obj) == wave]
        found = [step for step in steps if step is not None]
        if found:
            return Step(
                batches=tuple(batch for step in found for batch in step.batches),
                problem=next((step.problem for step in found if step.problem), ""),
                wake=min((step.wake for step in found if step.wake is not None), default=None),
            )
    return _without(scene, HOOK_FINALIZERS[kind])


def _hook_step(hook: Desired, there: Live | None, scene: Scene, now: Instant) -> Step | None:
    """What one hook needs next; None: it has ended well."""
    if hook.resource is None:
        return Step(problem=f"hook {_named(hook.obj)} cannot be run: its kind is not known to the cluster")
    if there is None:
        return _act(Create(hook.resource, hook_object(hook.obj, scene.mark), adopt_if_exists=False))
    if scene.instance not in tracked_by(there.obj):
        return Step(problem=f"hook {_named(hook.obj)} cannot be run: an object of that name exists and is not ours")
    item = Item(hook.ref, hook, there)
    if annotations_of(there.obj).get(OPERATION) != scene.mark:
        return _act(*removal(item))
    phase, message = _hook_phase(there)
    if phase == "Succeeded":
        return None
    if phase == "Running":
        return Step()
    problem = f"hook {_named(hook.obj)} failed{': ' + message if message else ''}. It is tried again"
    due = Instant(parse_rfc3339(metadata(there.obj).get("creationTimestamp", "")) + PATIENCE)
    if now < due:
        return Step(problem=problem, wake=due)
    return msgspec.structs.replace(_act(*removal(item)), problem=problem)


def _hook_phase(there: Live) -> tuple[str, str]:
    if there.obj.get("kind") == "Pod":
        phase = status_of(there.obj).get("phase", "")
        return (phase, status_of(there.obj).get("message") or "") if phase in ("Succeeded", "Failed") else ("Running", "")
    health = there.health
    if health is None or health.status == "Healthy":
        return "Succeeded", ""
    return ("Failed", health.message) if health.status == "Degraded" else ("Running", "")


def _tidy_up(scene: Scene, kind: HookType) -> Step:
    """Hooks of this deletion are let go of, and deleted where their policy says so."""
    mine = [one for one in scene.live if annotations_of(one.obj).get(OPERATION) == scene.mark and kind in hook_types(one.obj)]
    items = [Item(ref_of(one.obj), None, one) for one in mine]
    steps = [
        removal(item) if "HookSucceeded" in delete_policies(item.obj) else release(item) for item in items if release(item)
    ]
    if steps:
        return Step(batches=tuple(Batch((action,), on_failure="continue") for step in steps for action in step))
    return _without(scene, HOOK_FINALIZERS[kind] + CLEANUP)


def _named_hook(hook: Desired, scene: Scene, kind: HookType) -> Desired:
    """The hook with a name: one that only has a generateName is named by the application that goes."""
    if hook.ref.name:
        return hook
    obj = copy_obj(hook.obj)
    obj["metadata"]["name"] = f"{obj['metadata'].pop('generateName')}{uid_of(scene.app)[:7]}-{kind.lower()}"
    obj["metadata"]["annotations"][TRACKING_ID] = tracking_id(scene.instance, obj)
    return msgspec.structs.replace(hook, ref=ref_of(obj), obj=obj)


def _act(*actions: Action) -> Step:
    return Step(batches=tuple(Batch((action,), on_failure="continue") for action in actions))


def _named(obj: Obj) -> str:
    return f"{obj.get('kind')}/{name_of(obj)}"
