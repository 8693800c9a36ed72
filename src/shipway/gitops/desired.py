"""What Git wants, one object at a time: rendered objects made ready to apply.

The server's own fields and `status` are dropped, the destination's namespace is filled in where a namespaced object states
none, and the tracking annotation is set. The keyed hash over the result (handed-over leaves left out) is what the
annotation `shipway.dev/applied` remembers on the live object.
"""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.base.ids import digest
from shipway.gitops.annotations import APPLIED, SYNC_OPTIONS, TRACKING_ID, comma_list
from shipway.gitops.asks import canonical
from shipway.gitops.order import DELETION_HOOKS, hook_types, is_hook, is_skipped, unknown_hook_types
from shipway.gitops.scope import Scope
from shipway.gitops.tracking import tracking_id
from shipway.kube.objects.client_side import duplicate_key
from shipway.kube.objects.pruning import prune
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of, split_api_version
from shipway.kube.objects.schema import builtin_schema
from shipway.kube.objects.views import annotations_of, copy_obj, name_of, namespace_of

SERVERS_OWN = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")

_LONGEST_LABEL = 63

ResourceFor = Callable[[str, str], Resource | None]


class Desired(Struct, frozen=True):
    """One object that Git wants. `resource` is None while its kind is unknown to the cluster and to this application.

    `digest` is of the whole object, computed once ("" where nobody asks for it). `origin` says where its text stands
    (`apps/web/deployment.yaml:12`), "" where the renderer cannot tell. `ignored` are pointers to what jq rules leave to others.
    `is_client_side`: it is merged as kubectl does without server-side apply, by the user's wish or because it has to be.
    """

    ref: Ref
    obj: Obj
    resource: Resource | None
    digest: bytes = b""
    origin: str = ""
    ignored: tuple[str, ...] = ()
    is_client_side: bool = False
    nearest: Resource | None = None
    """What the cluster serves in its place: the kind at another version or in another group, else another kind of the group."""


class Prepared(Struct, frozen=True):
    """All that one render wants. `warnings`: conditions (type, message); only InvalidSpecError stops a sync.

    `content` is the digest of all of it: two renders of equal content are one to automated sync.
    """

    objects: tuple[Desired, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    content: str = ""
    deletion_hooks: tuple[Desired, ...] = ()
    """Hooks that run when the application is deleted; no sync applies them."""
    skipped: frozenset[Ref] = frozenset()
    """What Git has and no sync concerns (`hook: Skip`); where it is there, it stays as it is."""

    @property
    def everything(self) -> tuple[Desired, ...]:
        return (*self.objects, *self.deletion_hooks)


class Terms(Struct, frozen=True):
    """For which application objects are made ready, and into which namespace. `validates`: fields that nobody knows are an
    error (the server's); otherwise they are dropped. `server_side`: applied by the server, unless an object says otherwise.
    `scope`: which kinds are left out, and which label objects get. `keeps_namespace`: the namespace itself stays, whether or
    not Git has it."""

    instance: str
    namespace: str = ""
    validates: bool = True
    server_side: bool = True
    scope: Scope = Scope()
    keeps_namespace: bool = False
    cluster: str = ""
    """Where the objects belong, as `Resource.cluster` says it."""
    reach: Reach = EVERYWHERE
    """What of the cluster is managed."""


def prepare(objects: Sequence[Obj], terms: Terms, resource_for: ResourceFor, origins: Sequence[str] = ()) -> Prepared:
    """Rendered objects made ready. Raises InvalidInput for an object that no API server could take."""
    places = origins if len(origins) == len(objects) else [""] * len(objects)
    rendered = [_checked(obj, index, place) for index, (obj, place) in enumerate(zip(objects, places, strict=True))]
    own_kinds = {found.group_kind: found.on(terms.cluster) for found in map(_defined_by, rendered) if found}
    found: dict[tuple[Ref, str], Desired] = {}
    times: Counter[Ref] = Counter()
    warnings: list[tuple[str, str]] = []
    deletion_hooks: list[Desired] = []
    skipped = [Ref("", "Namespace", "", terms.namespace)] if terms.keeps_namespace else []
    for obj, place in zip(rendered, places, strict=True):
        runs_at_deletion = DELETION_HOOKS.intersection(hook_types(obj))
        ref = ref_of(obj)
        if terms.scope.leaves_out(ref.group, ref.kind, terms.cluster):
            told = f"Resource {ref.group}/{ref.kind} {ref.name} is excluded in the settings"
            warnings.append(("ExcludedResourceWarning", told))
            continue
        resource = resource_for(ref.group, ref.kind) or own_kinds.get((ref.group, ref.kind))
        ready = _ready(obj, terms, resource)
        if is_skipped(obj) and not runs_at_deletion:
            skipped.append(ref_of(ready))
            continue
        if refusal := refusal_beyond(terms.reach, ready):
            raise InvalidInput(refusal)
        if resource is not None and resource.namespaced and not namespace_of(ready):
            warnings.append(("InvalidSpecError", f"Namespace for {ref.name} {_gvk(ready)} is missing."))
        twice = _duplicate_key(ready)
        if twice:
            warnings.append(("ClientSideApplyWarning", _twice_told(ready, twice, place)))
        desired = Desired(
            ref_of(ready),
            ready,
            _at_version(resource, ready),
            _digest(ready),
            place,
            is_client_side=bool(twice) or not _is_server_side(obj, terms),
            nearest=resource if resource and resource.api_version != ready["apiVersion"] else None,
        )
        if runs_at_deletion:
            deletion_hooks.append(desired)
        if is_skipped(obj):
            continue
        identity = (desired.ref, ready["metadata"].get("generateName", ""))
        times[desired.ref] += 1
        found[identity] = desired
    warnings += [_repeated(ref, count) for ref, count in times.items() if count > 1 and ref.name]
    content = digest(*sorted(desired.digest for desired in found.values()))
    return Prepared(tuple(found.values()), tuple(dict.fromkeys(warnings)), content, tuple(deletion_hooks), frozenset(skipped))


def _gvk(obj: Obj) -> str:
    """`apps/v1, Kind=Deployment`, as Go prints it."""
    group, version = split_api_version(obj["apiVersion"])
    return f"{group}/{version}, Kind={obj['kind']}"


def refusal_beyond(reach: Reach, obj: Obj) -> str:
    """Why an object is none of those that may be managed, as Argo CD says it; "" where it is one."""
    namespace, what = namespace_of(obj), f'{obj["kind"]} "{name_of(obj)}"'
    if reach.includes(namespace):
        return ""
    says = f"the Secret of the cluster names the namespaces {', '.join(reach.namespaces)}"
    if not namespace:
        told = f"cluster level {what} can not be managed when in namespaced mode"
        return f"Failed to load live state: {told}: {says} and no clusterResources"
    return f'Failed to load live state: namespace "{namespace}" for {what} is not managed: {says}'


def _repeated(ref: Ref, times: int) -> tuple[str, str]:
    where = f"{ref.group}/{ref.kind}/{ref.namespace}/{ref.name}"
    return "RepeatedResourceWarning", f"Resource {where} appeared {times} times among application resources."


def keyed_hash(key: bytes, desired: Desired, stripped: Obj) -> str:
    """32 hex characters that only whoever has the key can compute, over `desired` as far as it counts (`stripped`)."""
    content = desired.digest if stripped is desired.obj and desired.digest else _digest(stripped)
    return hmac.digest(key, content, "sha256").hex()[:32]


def _digest(obj: Obj) -> bytes:
    return hashlib.sha256(canonical(obj)).digest()


def with_applied(obj: Obj, digest: str) -> Obj:
    """A copy that carries the hash of what it applies."""
    stamped = copy_obj(obj)
    stamped["metadata"].setdefault("annotations", {})[APPLIED] = digest
    return stamped


def _checked(obj: Obj, index: int, place: str) -> Obj:
    meta = obj.get("metadata")
    where = f"{place}: {obj.get('kind') or 'object'}" if place else f"object {index + 1} ({obj.get('kind') or 'no kind'})"
    if not obj.get("apiVersion") or not obj.get("kind"):
        raise InvalidInput(f"{where} has no apiVersion or kind: every manifest needs both")
    if not isinstance(meta, dict) or not (meta.get("name") or is_hook(obj)):
        raise InvalidInput(f"{where} has no metadata.name: give it one")
    annotations = meta.get("annotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise InvalidInput(f"{where} {meta.get('name', '')}: metadata.annotations must be strings: quote numbers and booleans")
    if unknown := unknown_hook_types(obj):
        raise InvalidInput(f"{where} {meta.get('name', '')}: hook type {unknown[0]} is not known: mind the spelling")
    return obj


def _ready(obj: Obj, terms: Terms, resource: Resource | None) -> Obj:
    is_checked = terms.validates and "Validate=false" not in comma_list(annotations_of(obj), SYNC_OPTIONS)
    ready = copy_obj(obj) if is_checked else _known_fields(obj)
    ready.pop("status", None)
    meta = ready["metadata"]
    for field in SERVERS_OWN:
        meta.pop(field, None)
    if resource is not None and not resource.namespaced:
        meta.pop("namespace", None)
    elif not meta.get("namespace") and terms.namespace:
        meta["namespace"] = terms.namespace
    for field in ("labels", "annotations"):
        if meta.get(field) is None:
            meta.pop(field, None)
    if ready.get("kind") == "Secret":
        _move_string_data(ready)
    meta.setdefault("annotations", {}).pop(APPLIED, None)
    meta["annotations"][TRACKING_ID] = tracking_id(terms.instance, ready, terms.namespace)
    if terms.scope.label and ready.get("kind") != "CustomResourceDefinition":
        meta.setdefault("labels", {})[terms.scope.label] = terms.instance[:_LONGEST_LABEL].rstrip("-_.")
    return ready


def _is_server_side(obj: Obj, terms: Terms) -> bool:
    own = [option for option in comma_list(annotations_of(obj), SYNC_OPTIONS) if option.startswith("ServerSideApply=")]
    return own[-1] != "ServerSideApply=false" if own else terms.server_side


def _duplicate_key(obj: Obj) -> str:
    group, version = split_api_version(obj["apiVersion"])
    schema = builtin_schema(group, version, obj["kind"])
    return duplicate_key(obj, schema) if schema else ""


def _twice_told(obj: Obj, twice: str, place: str) -> str:
    where = f" ({place})" if place else ""
    return (
        f"{obj['kind']}/{name_of(obj)}{where}: {twice} is there twice, which server-side apply refuses: it is "
        "merged as kubectl does, by last-applied-configuration. Mend it in Git"
    )


def _known_fields(obj: Obj) -> Obj:
    """A copy without what the kind does not have (Validate=false). The server itself does that for custom kinds."""
    group, version = split_api_version(obj["apiVersion"])
    schema = builtin_schema(group, version, obj["kind"])
    return prune(obj, schema) if schema else copy_obj(obj)


def _move_string_data(secret: Obj) -> None:
    """`stringData` is write-only: the server keeps it as `data`, and so ownership is of `data`."""
    strings = secret.pop("stringData", None)
    if strings:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in strings.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _defined_by(obj: Obj) -> Resource | None:
    """The kind that a CustomResourceDefinition among the objects defines."""
    if obj.get("kind") != "CustomResourceDefinition":
        return None
    spec = obj.get("spec") or {}
    names, versions = spec.get("names") or {}, [v for v in spec.get("versions") or [] if v.get("served")]
    if not versions or not names.get("kind") or not names.get("plural"):
        return None
    stored = next((v for v in versions if v.get("storage")), versions[0])
    return Resource(
        spec.get("group", ""),
        stored.get("name", ""),
        names["kind"],
        names["plural"],
        namespaced=spec.get("scope") != "Cluster",
        status_subresource="status" in (stored.get("subresources") or {}),
    )


def _at_version(resource: Resource | None, obj: Obj) -> Resource | None:
    """The resource at the version the manifest is written in: that is the version it is applied at."""
    if resource is None:
        return None
    _, version = split_api_version(obj["apiVersion"])
    return resource if version == resource.version else msgspec.structs.replace(resource, version=version)


def place_of(obj: Obj) -> str:
    """`namespace/name` or `name`, for messages."""
    return f"{namespace_of(obj)}/{name_of(obj)}" if namespace_of(obj) else name_of(obj)
