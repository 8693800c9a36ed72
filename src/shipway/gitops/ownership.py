"""Is one live object what Git wants? Read from who owns which field, not from a diff.

An object is in sync exactly when the hash of what we applied (an annotation on the object) is the hash of what we want, and
our managedFields entry still owns every field of it: the API server takes a field away from us the moment anybody changes
its value. That is a look at metadata. A question to the server (one dry-run apply of Git merged with the live leaves; equal
to live means in sync) is put only where ownership cannot know:

- a handed-over leaf sits inside a list or map that has one owner, and somebody wrote there;
- fields are missing from our entry but nobody owns them (managedFields were cleared, or an admission plugin drops them);
- the object carries our tracking but was never applied by us (taken over from another engine).

Where a team says that fields of a kind hold a type of Kubernetes' (`known_types`), another spelling of a value is none.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import orjson
from msgspec import Struct

from shipway.api.application import IgnoreDifference
from shipway.api.handed_over import Claim, merge, rows_for, strip
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Conflict, Unavailable
from shipway.gitops.adoption import FORMER, has_leftovers
from shipway.gitops.annotations import APPLIED
from shipway.gitops.asks import DryRunAsk, canonical, dry_run_ask
from shipway.gitops.desired import Desired, keyed_hash, with_applied
from shipway.gitops.ignore import holds, is_live, managers_of, pointers_of, rules_for, with_live, with_live_fields, without
from shipway.gitops.known_types import KnownTypes, is_spelled_otherwise, spelled
from shipway.gitops.quiet import applied_hash, is_quiet, quieted, stays_quiet
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.client_side import LAST_APPLIED, client_side_patch
from shipway.kube.objects.field_sets import owner_of, paths, uncovered
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.schema import builtin_schema
from shipway.kube.objects.views import annotations_of, copy_obj, metadata, resource_version_of
from shipway.kube.runtime.decision import Answer

Verdict = Literal["Synced", "OutOfSync", "Pending"]
LEAVES = 5
"""How many leaves of one changed subtree are told at most."""


class Drift(Struct, frozen=True):
    """A field that somebody else changed: where, who (field manager) and when (RFC 3339); "" where nobody knows."""

    path: str
    manager: str = ""
    at: str = ""


class Judgement(Struct, frozen=True):
    """`ask` is the question that has to be answered (or keeps being asked: an answer nobody asks for is forgotten)."""

    verdict: Verdict
    drifts: tuple[Drift, ...] = ()
    ask: DryRunAsk | None = None


class Context(Struct, frozen=True):
    """What every comparison of one application needs. `answer` looks up what has been answered."""

    instance: str
    settings: GitOpsSettings
    answer: Callable[[DryRunAsk], Answer | None]
    ignored: tuple[IgnoreDifference, ...] = ()
    keeps_ignored: bool = False
    known_types: KnownTypes = {}
    former: frozenset[str] = FORMER
    """Managers whose ownership becomes ours when we take an object over."""
    as_user: str = ""
    """Whose rights count for writes and dry runs; ours where it is ""."""


def judge(desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> Judgement:
    """The state of one object that Git wants."""
    if live is None or context.instance not in tracked_by(live):
        return Judgement("OutOfSync")
    if is_client_side(desired, live, context):
        return _judge_client_side(desired, live, claims, context)
    wanted = wanted_hash(desired, claims, context)
    applied = applied_hash(live)
    entry = our_entry(live, context.settings.manager)
    if applied is None and entry is None:
        return (
            Judgement("OutOfSync")
            if has_leftovers(live, desired.obj, context.former)
            else _settle(desired, live, claims, context, ())
        )
    if applied not in (wanted, _whole_hash(desired, claims, context)):
        drifts = _drifts(live, [f".metadata.annotations.{APPLIED}"], context) if applied is None else ()
        return Judgement("OutOfSync", drifts)
    rules = rules_for(desired.ref, context.ignored)
    expected = with_applied(without(strip(desired.obj, claims), left_alone(desired, context)), wanted)
    expected = quieted(expected, live) if is_quiet(live) else expected
    atomic = [row.path for row in rows_for(desired.obj, claims) if row.is_atomic]
    changed = _missing(entry, _without_paths(expected, atomic), live, rules, context)
    if changed and is_spelled_otherwise(_with_ignored(expected, live, desired, context)[0], live, context.known_types):
        return Judgement("Synced")
    if any(drift.manager for drift in changed):
        return Judgement("OutOfSync", tuple(drift for drift in changed if drift.manager))
    missing = _missing(entry, expected, live, rules, context) if atomic else changed
    return _settle(desired, live, claims, context, missing) if missing else Judgement("Synced")


def wanted_hash(desired: Desired, claims: Sequence[Claim], context: Context) -> str:
    """What `shipway.dev/applied` says once `desired` has been applied: handed-over and ignored leaves do not count."""
    plain = without(strip(desired.obj, claims), left_alone(desired, context))
    return keyed_hash(context.settings.key, desired, plain)


def _whole_hash(desired: Desired, claims: Sequence[Claim], context: Context) -> str:
    """The hash of an apply from before the user left anything to others: a new rule must not make an object differ."""
    if not left_alone(desired, context):
        return ""
    return keyed_hash(context.settings.key, desired, strip(desired.obj, claims))


def to_apply(desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> Obj:
    """What is sent: Git with the live leaves that are handed over, stamped with its hash.

    Where live leaves are carried, the version they were read at goes along: a weight written meanwhile must not be put back.
    """
    body = _stamped(desired, live, claims, context)
    return quieted(body, live) if live is not None and stays_quiet(body, live) else body


def as_wanted(desired: Desired, live: Obj, claims: Sequence[Claim], context: Context) -> Obj:
    """Git's object, with the live value of each leaf that is somebody else's: handed over, or left to him by the user."""
    return _with_ignored(merge(desired.obj, live, claims), live, desired, context)[0]


def takes_back(desired: Desired, live: Obj, claims: Sequence[Claim], context: Context) -> bool:
    """Whether a sync writes an object that is in sync: others changed what the user leaves to them, and no option says to
    respect that. An apply that the server would make nothing of (`1000m` for `1`) is taken for a change."""
    pointers, managers = left_alone(desired, context), managers_of(rules_for(desired.ref, context.ignored))
    if context.keeps_ignored or not (pointers or managers):
        return False
    body = merge(desired.obj, live, claims)
    return not (is_live(body, live, pointers) and holds(_with_ignored(body, live, desired, context)[0], body))


def is_adopted_quietly(desired: Desired, live: Obj, claims: Sequence[Claim], context: Context) -> bool:
    """Whether our marks go into labels, so that no generation moves."""
    return stays_quiet(_stamped(desired, live, claims, context), live)


def _stamped(desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> Obj:
    body, carries = desired.obj, False
    if live is not None:
        body, carries = merge(body, live, claims), bool(rows_for(desired.obj, claims))
        if context.keeps_ignored:
            body, is_kept = _with_ignored(body, live, desired, context)
            carries = carries or is_kept
    stamped = with_applied(body, wanted_hash(desired, claims, context))
    if live is not None and carries:
        stamped["metadata"]["resourceVersion"] = resource_version_of(live)
    return stamped


def dry_run_of(desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> DryRunAsk | None:
    """The question what an apply would make of the object; None while its kind is not known."""
    if desired.resource is None:
        return None
    if is_client_side(desired, live, context):
        return _trial(desired.resource, desired.ref, client_side_body(desired, live, claims, context), live, context)
    version = resource_version_of(live) if live else ""
    body = to_apply(desired, live, claims, context)
    return dry_run_ask(desired.resource, body, version, context.settings.manager, context.as_user)


def is_client_side(desired: Desired, live: Obj | None, context: Context) -> bool:
    """Whether the object is merged as kubectl does without server-side apply. What was once, stays so: fields that such a write
    owns would outlive their leaving Git."""
    if desired.is_client_side or live is None:
        return desired.is_client_side
    annotations, manager = annotations_of(live), context.settings.manager
    if LAST_APPLIED not in annotations or APPLIED not in annotations or our_entry(live, manager) is not None:
        return False
    return any(_is_update_of(manager, entry) for entry in metadata(live).get("managedFields") or [])


def client_side_body(desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> Obj:
    """What is wanted, with the annotation that remembers it for the next time."""
    body = copy_obj(_stamped(desired, live, claims, context))
    body["metadata"].pop("resourceVersion", None)
    body["metadata"]["annotations"][LAST_APPLIED] = canonical(desired.obj).decode() + "\n"
    return body


def client_side_change(resource: Resource, body: Obj, live: Obj) -> tuple[Obj, Literal["strategic", "merge"]]:
    """The patch that makes `live` what `body` wants, and its type."""
    schema = builtin_schema(resource.group, resource.version, resource.kind)
    return client_side_patch(_last_applied(live), body, live, schema), "strategic" if schema else "merge"


def _judge_client_side(desired: Desired, live: Obj, claims: Sequence[Claim], context: Context) -> Judgement:
    """By what was applied last, and (where the patch is not empty) by what the server would make of it."""
    applied = annotations_of(live).get(APPLIED)
    if (
        applied not in (wanted_hash(desired, claims, context), _whole_hash(desired, claims, context))
        or desired.resource is None
    ):
        return Judgement("OutOfSync")
    body = without(client_side_body(desired, live, claims, context), left_alone(desired, context))
    body["metadata"]["annotations"][APPLIED] = applied
    patch, _ = client_side_change(desired.resource, body, live)
    if not patch:
        return Judgement("Synced")
    return _answered(
        _trial(desired.resource, desired.ref, body, live, context), live, context, _drifts(live, _leaves(patch), context)
    )


def _trial(resource: Resource, ref: Ref, body: Obj, live: Obj | None, context: Context) -> DryRunAsk:
    version, manager = resource_version_of(live) if live else "", context.settings.manager
    if live is None:
        return DryRunAsk(resource, ref.namespace, ref.name, canonical(body), version, manager, "create", context.as_user)
    patch, how = client_side_change(resource, body, live)
    return DryRunAsk(resource, ref.namespace, ref.name, canonical(patch), version, manager, how, context.as_user)


def _leaves(patch: Obj, prefix: str = "") -> list[str]:
    """The paths that a patch speaks of, down to the first list."""
    found: list[str] = []
    for key, value in patch.items():
        if not key.startswith("$"):
            path = f"{prefix}.{key}"
            found += _leaves(value, path) if isinstance(value, dict) and value else [path]
    return found


def _last_applied(live: Obj) -> Obj:
    try:
        found = orjson.loads(annotations_of(live).get(LAST_APPLIED) or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_update_of(manager: str, entry: Obj) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Update" and not entry.get("subresource")


def left_alone(desired: Desired, context: Context) -> tuple[str, ...]:
    """Pointers to what the user leaves to others."""
    return (*pointers_of(rules_for(desired.ref, context.ignored)), *desired.ignored)


def _with_ignored(body: Obj, live: Obj, desired: Desired, context: Context) -> tuple[Obj, bool]:
    """`body` with the live values of what the user leaves to others, and whether there is anything of the kind."""
    pointers, managers = left_alone(desired, context), managers_of(rules_for(desired.ref, context.ignored))
    kept = with_live(body, live, pointers)
    for entry in metadata(live).get("managedFields") or []:
        if entry.get("manager") in managers and not entry.get("subresource"):
            kept = with_live_fields(kept, live, entry.get("fieldsV1") or {})
    return kept, bool(pointers or managers)


def our_entry(live: Obj, manager: str) -> Obj | None:
    """Our Apply entry in managedFields."""
    for entry in metadata(live).get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry
    return None


def written_at(live: Obj | None, manager: str) -> Instant | None:
    """When the object last took a write of ours, to the second: an apply of `manager`, else its creation."""
    entry = our_entry(live, manager) if live else None
    text: str = (entry or {}).get("time") or metadata(live or {}).get("creationTimestamp") or ""
    return parse_rfc3339(text) if text else None


def comparable(obj: Obj) -> Obj:
    """An object without what any write changes and without what is the server's own."""
    plain = copy_obj(obj)
    plain.pop("status", None)
    meta = plain.get("metadata") or {}
    for field in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"):
        meta.pop(field, None)
    for field in ("annotations", "labels"):
        marked = meta.get(field) or {}
        marked.pop(APPLIED, None)
        if not marked:
            meta.pop(field, None)
    return plain


def _settle(desired: Desired, live: Obj, claims: Sequence[Claim], context: Context, drifts: tuple[Drift, ...]) -> Judgement:
    """Lets a dry run decide: equal to live means in sync."""
    if desired.resource is None:
        return Judgement("OutOfSync", drifts)
    return _answered(dry_run_of(desired, live, claims, context), live, context, drifts)


def _answered(ask: DryRunAsk | None, live: Obj, context: Context, drifts: tuple[Drift, ...]) -> Judgement:
    """By the object that the server would make: equal to live means in sync."""
    answer = context.answer(ask) if ask else None
    if answer is None or (answer.value is None and answer.error is None):
        return Judgement("Pending", drifts, ask)
    if answer.value is None:
        comes_again = isinstance(answer.error, Conflict | Unavailable)
        return Judgement("Pending" if comes_again else "OutOfSync", drifts, ask)
    is_same = spelled(comparable(answer.value), context.known_types) == spelled(comparable(live), context.known_types)
    return Judgement("Synced", (), ask) if is_same else Judgement("OutOfSync", drifts, ask)


def _drifts(live: Obj, found: Sequence[str], context: Context) -> tuple[Drift, ...]:
    """Who holds these paths now. A whole subtree is told by the leaves in it that somebody else wrote."""
    entries = [e for e in metadata(live).get("managedFields") or [] if e.get("manager") != context.settings.manager]
    held = [path for entry in entries for path in paths(entry.get("fieldsV1") or {})]
    drifts: dict[Drift, None] = {}
    for root in found:
        below = [path for path in held if path.startswith((f"{root}.", f"{root}["))]
        for path in below[:LEAVES] or [root]:
            owner = owner_of(entries, path)
            drifts[Drift(path.lstrip("."), owner.manager, owner.time) if owner else Drift(path.lstrip("."))] = None
    return tuple(drifts)


def _missing(
    entry: Obj | None, expected: Obj, live: Obj, rules: Sequence[IgnoreDifference], context: Context
) -> tuple[Drift, ...]:
    """What our entry does not own of `expected`, but for what the user leaves to others."""
    left_to = managers_of(rules)
    drifts = _drifts(live, uncovered((entry or {}).get("fieldsV1") or {}, expected), context)
    return tuple(drift for drift in drifts if not drift.manager or drift.manager not in left_to)


def _without_paths(obj: Obj, gone: Sequence[tuple[str, ...]]) -> Obj:
    """`obj` without these fields, and without the parents that are empty then."""
    for path in gone:
        obj = _without_path(obj, path)
    return obj


def _without_path(obj: Obj, path: tuple[str, ...]) -> Obj:
    step, rest = path[0], path[1:]
    if step not in obj:
        return obj
    below = _without_path(obj[step], rest) if rest and isinstance(obj[step], dict) else {}
    kept = {key: value for key, value in obj.items() if key != step}
    return {**kept, step: below} if below else kept
