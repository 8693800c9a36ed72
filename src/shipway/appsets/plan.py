"""What to create, alter and delete: what a set wants against what is there. Pure.

A generated Application goes at once only when its end was somebody's deliberate edit of the set: the set's generation has
changed and its generators still see the same world. Otherwise it first gets a tombstone, and goes when a later look at the
world says the same; a later look that wants it back takes the tombstone away. Generators that suddenly see nothing are
doubted for longer. Nothing is ever deleted on an incomplete picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.applicationset import ApplicationSetSpec
from shipway.api.kinds import APPLICATIONS
from shipway.api.notifications import NOTIFIED
from shipway.appsets.evaluation import Evaluation
from shipway.appsets.names import EVALUATED, FIELD_MANAGER, GENERATED, HYDRATE, REFRESH, TOMBSTONE
from shipway.base.clock import Instant, read_rfc3339, rfc3339
from shipway.kube.objects.owners import is_controlled_by
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    controller_of,
    generation_of,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Apply, Ask, Delete, Patch

CONFIRM_AFTER = 60.0
"""Seconds between a tombstone and the look that confirms it."""
CONFIRM_NOTHING_AFTER = 600.0
"""The same when a generator sees nothing at all any more."""
_KEPT_ANNOTATIONS = (NOTIFIED, REFRESH, HYDRATE)


Paths = tuple[tuple[str | int, ...], ...]


class Plan(Struct, frozen=True):
    """Names by what happens to them. `leaving`: when each tombstoned one may go; `stale`: questions to ask again first."""

    create: tuple[Obj, ...] = ()
    update: tuple[Action, ...] = ()
    updated: tuple[str, ...] = ()
    bury: tuple[str, ...] = ()
    revive: tuple[str, ...] = ()
    delete: tuple[Obj, ...] = ()
    taken: tuple[str, ...] = ()
    leaving: tuple[tuple[str, Instant], ...] = ()
    stale: tuple[Ask, ...] = ()
    kept: tuple[str, ...] = ()
    """Unwanted ones that the policy of the set keeps."""

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.update or self.bury or self.revive or self.delete)


class Existing(Struct, frozen=True):
    """What is there: Applications that the set controls by name, and others under names that it wants.

    `left`: fields of Applications that the set leaves to others by jq, None while that is not known.
    """

    owned: Mapping[str, Obj]
    others: Mapping[str, Obj]
    left: Mapping[str, Paths | None] = {}


def plan(appset: Obj, spec: ApplicationSetSpec, wanted: Evaluation, existing: Existing, now: Instant) -> Plan:
    """What the set would do now."""
    if wanted.is_pending or wanted.duplicates:
        return Plan()
    taken = tuple(sorted(name for name, other in existing.others.items() if is_anothers(other, appset)))
    given = _given_before(appset) | given_by(wanted.applications)
    create: list[Obj] = []
    update: list[Action] = []
    updated: list[str] = []
    for name, app in wanted.applications.items():
        live = existing.owned.get(name) or existing.others.get(name)
        if live is None:
            create.append(app)
        elif spec.may_update and name not in taken and not is_deleting(live):
            left = existing.left.get(name, ())
            actions = alterations(live, keeping(app, live, spec, left), given) if left is not None else ()
            update += actions
            updated += [name] if actions else []
    goodbye = _goodbye(appset, spec, wanted, existing, now)
    return Plan(
        create=tuple(create),
        update=tuple(update),
        updated=tuple(updated),
        taken=taken,
        revive=tuple(name for name in wanted.applications if TOMBSTONE in annotations_of(existing.owned.get(name) or {})),
        bury=goodbye.bury,
        delete=goodbye.delete,
        leaving=goodbye.leaving,
        stale=goodbye.stale,
        kept=goodbye.kept,
    )


def actions_of(the_plan: Plan, appset: Obj, now: Instant) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """The actions of a plan: first what comes or changes, then what goes."""
    namespace = namespace_of(appset)
    create = [Apply(APPLICATIONS, app, FIELD_MANAGER) for app in the_plan.create]
    revive = [_tombstone(namespace, name, None) for name in the_plan.revive]
    bury = [_tombstone(namespace, name, rfc3339(now)) for name in the_plan.bury]
    delete = [Delete(APPLICATIONS, namespace, name_of(app), uid=uid_of(app)) for app in the_plan.delete]
    return (*create, *the_plan.update, *revive), (*bury, *delete)


def is_anothers(app: Obj, appset: Obj) -> bool:
    """Whether somebody else controls an Application of that name."""
    return controller_of(app) is not None and not is_controlled_by(app, appset)


# --- what changes -------------------------------------------------------------------------------------------------------


def keeping(app: Obj, live: Obj, spec: ApplicationSetSpec, left: Paths = ()) -> Obj:
    """The wanted Application with what the set leaves to others as it is live; `left` by jq."""
    preserved = spec.preserved_fields
    meta = dict(metadata(app))
    kept_annotations = (*_KEPT_ANNOTATIONS, *((preserved.annotations or ()) if preserved else ()))
    if annotations := _with_live(annotations_of(app), annotations_of(live), kept_annotations):
        meta["annotations"] = annotations
    if preserved and preserved.labels:
        meta["labels"] = _with_live(labels_of(app), labels_of(live), preserved.labels)
    kept: Obj = {**app, "metadata": meta}
    for one in spec.ignore_application_differences or ():
        if one.name in ("", name_of(app)):
            for pointer in one.json_pointers or ():
                kept = copied(kept, live, _path(pointer))
    for path in left:
        kept = copied(kept, live, path)
    return kept


def copied(into: Any, source: Any, path: Sequence[str | int]) -> Any:
    """`into` with what `source` has at `path`, absence included."""
    if not path:
        return source
    step, rest = path[0], path[1:]
    if isinstance(into, list) and isinstance(source, list):
        index = int(step) if str(step).isdecimal() else -1
        if not 0 <= index < min(len(into), len(source)):
            return into
        return [*into[:index], copied(into[index], source[index], rest), *into[index + 1 :]]
    there: dict[str, Any] = source if isinstance(source, dict) else {}
    here: dict[str, Any] = into if isinstance(into, dict) else {}
    if not rest and step not in there:
        return {key: value for key, value in here.items() if key != step}
    if step not in there and step not in here:
        return into
    return {**here, str(step): copied(here.get(str(step)), there.get(str(step)), rest)}


def alterations(live: Obj, wanted: Obj, given: frozenset[str] = frozenset()) -> tuple[Action, ...]:
    """What makes the live Application the wanted one: one apply, and one patch for what is too much: fields that others added
    to its spec, and labels and annotations that the set gave and gives no more (`given`, see `given_by`)."""
    actions: list[Action] = []
    finalizers = metadata(live).get("finalizers") or (), metadata(wanted).get("finalizers") or ()
    kept_too_long = given & _keys("finalizers", set(finalizers[0]) - set(finalizers[1]))
    if kept_too_long or not covers(live, wanted):
        actions.append(Apply(APPLICATIONS, wanted, FIELD_MANAGER))
    meta: Obj = {}
    for field, there, ours in (
        ("labels", labels_of(live), labels_of(wanted)),
        ("annotations", annotations_of(live), annotations_of(wanted)),
    ):
        if gone := {key: None for key in there if key not in ours and f"{field}/{key}" in given}:
            meta[field] = gone
    surplus = _surplus(spec_of(live), spec_of(wanted))
    patch: Obj = {**({"metadata": meta} if meta else {}), **({"spec": surplus} if surplus else {})}
    if patch:
        actions.append(Patch(APPLICATIONS, namespace_of(live), name_of(live), patch, uid=uid_of(live)))
    return tuple(actions)


def given_by(applications: Mapping[str, Obj]) -> frozenset[str]:
    """Under which keys Applications are given labels, annotations and finalizers: `labels/tier`."""
    fields = ("labels", "annotations", "finalizers")
    found = (_keys(field, metadata(app).get(field) or ()) for app in applications.values() for field in fields)
    return frozenset[str]().union(*found)


def _given_before(appset: Obj) -> frozenset[str]:
    before = evaluated_of(appset)
    return frozenset((*(before.given if before else ()), f"annotations/{GENERATED}"))


def _keys(field: str, keys: Iterable[str]) -> frozenset[str]:
    return frozenset(f"{field}/{key}" for key in keys)


def covers(live: Any, wanted: Any) -> bool:
    """Whether the live value says everything that the wanted one does, and entries of lists nothing else; empty and absent are
    the same."""
    if isinstance(wanted, dict):
        there: dict[str, Any] = live if isinstance(live, dict) else {}
        return all(covers(there.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        there_list: list[Any] = live if isinstance(live, list) else []
        if _is_set(wanted):
            return all(item in there_list for item in wanted)
        pairs = zip(there_list, wanted, strict=False)
        return len(there_list) == len(wanted) and all(covers(a, b) and covers(b, a) for a, b in pairs)
    return live == wanted or (live is None and wanted in ("", False, 0))


def _is_set(items: list[Any]) -> bool:
    """Finalizers and owners are shared with others: only ours have to be among them."""
    return all(isinstance(item, dict) and "uid" in item for item in items) or all(
        isinstance(item, str) and "finalizer" in item for item in items
    )


def _surplus(live: dict[str, Any], wanted: dict[str, Any]) -> Obj:
    """A merge patch that removes what the set does not say: all of the spec is the set's."""
    patch: Obj = {}
    for key, value in live.items():
        if key not in wanted:
            if value not in (None, "", [], {}, False):
                patch[key] = None
        elif isinstance(value, dict) and isinstance(wanted[key], dict):
            inner = _surplus(value, wanted[key])
            if inner:
                patch[key] = inner
    return patch


def _with_live(ours: Mapping[str, str], live: Mapping[str, str], kept: Sequence[str]) -> dict[str, str]:
    return {**ours, **{key: live[key] for key in kept if key in live and key in ours}}


def _path(pointer: str) -> list[str]:
    parts = pointer.removeprefix("/").split("/") if pointer else []
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


# --- what goes ----------------------------------------------------------------------------------------------------------


class Evaluated(Struct, frozen=True):
    """What an earlier pass carried out completely: at which generation, and what its generators saw. `given`: what it may
    have given its Applications, carried out completely or not."""

    generation: int = 0
    outside: str = ""
    given: tuple[str, ...] = ()


def evaluated_of(appset: Obj) -> Evaluated | None:
    """None when nothing was carried out yet, or when the annotation is not ours."""
    text = annotations_of(appset).get(EVALUATED)
    try:
        said: Any = orjson.loads(text) if text else None
        return Evaluated(int(said["generation"]), str(said["outside"]), tuple(said.get("given") or ())) if said else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def evaluated_text(appset: Obj, wanted: Evaluation, *, is_over: bool = True) -> str:
    """The annotation after a pass; `is_over`: everything was carried out. An incomplete picture is remembered as none: what it
    made us create may not count as old."""
    before, given = evaluated_of(appset) or Evaluated(), given_by(wanted.applications)
    said = {"generation": generation_of(appset), "outside": wanted.outside if wanted.is_complete else ""}
    if not (is_over and wanted.is_complete):
        given |= frozenset(before.given)
    if wanted.is_complete and not is_over:
        said = {"generation": before.generation, "outside": before.outside}
    return orjson.dumps({**said, "given": sorted(given)}).decode()


def _goodbye(appset: Obj, spec: ApplicationSetSpec, wanted: Evaluation, existing: Existing, now: Instant) -> Plan:
    """The part of the plan about Applications that no generator gives any more."""
    gone = {name: app for name, app in existing.owned.items() if name not in wanted.applications and not is_deleting(app)}
    if not gone or not wanted.is_complete:
        return Plan()
    if not spec.may_delete:
        return Plan(kept=tuple(sorted(gone)))
    since = {name: _since(app) for name, app in gone.items()}
    fresh = tuple(name for name, at in since.items() if at is None)
    dismissed = tuple(gone[name] for name in fresh) if _is_deliberate(appset, wanted) else ()
    bury = () if dismissed else fresh
    patience = CONFIRM_NOTHING_AFTER if wanted.empty or not wanted.applications else CONFIRM_AFTER
    due = {name: Instant(at + patience) for name, at in since.items() if at is not None}
    ripe = {name for name, at in due.items() if at <= now}
    stale = _asked_before(wanted, max((due[name] for name in ripe), default=Instant(0.0)))
    waits = {name: at for name, at in due.items() if name not in ripe or stale}
    return Plan(
        bury=bury,
        delete=(*dismissed, *(() if stale else (gone[name] for name in sorted(ripe)))),
        leaving=(*((name, Instant(now + patience)) for name in bury), *sorted(waits.items())),
        stale=stale if ripe else (),
    )


def _is_deliberate(appset: Obj, wanted: Evaluation) -> bool:
    """Whether an edit of the set, and nothing else, is why it no longer wants something."""
    before = evaluated_of(appset)
    return before is not None and before.generation != generation_of(appset) and before.outside == wanted.outside


def _asked_before(wanted: Evaluation, moment: Instant) -> tuple[Ask, ...]:
    """Questions whose answer is older than the moment at which a tombstone may be confirmed."""
    return tuple(ask for ask, answer in wanted.asks.items() if ask.standing and answer is not None and answer.at < moment)


def _since(app: Obj) -> Instant | None:
    return read_rfc3339(annotations_of(app).get(TOMBSTONE))


def _tombstone(namespace: str, name: str, since: str | None) -> Patch:
    return Patch(APPLICATIONS, namespace, name, {"metadata": {"annotations": {TOMBSTONE: since}}})
