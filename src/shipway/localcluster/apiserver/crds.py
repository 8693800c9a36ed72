"""CustomResourceDefinitions: from a stored definition to kinds that are served, and back.

What a real cluster does by controllers happens here at once, within the write: names are accepted, the kind is established and
served. A definition that is deleted stays, terminating, until its last object has gone (`deleting.py` asks those to go).
"""

from collections.abc import Iterable

import orjson
from msgspec import convert

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.views import is_deleting
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.registry import CUSTOM_VERBS, CrdVersion, Kind, PrinterColumn, ScalePaths
from shipway.localcluster.apiserver.rules.compiled import rule_tree
from shipway.localcluster.apiserver.store import ShelfKey, decode_object

SHELF = ("apiextensions.k8s.io", "customresourcedefinitions")
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def load(backend: Backend, rows: Iterable[tuple[ShelfKey, bytes]]) -> None:
    """Serves what stored CRDs define, before their objects are loaded."""
    for _, data in rows:
        install(backend, orjson.loads(data))


def complete(obj: Obj) -> None:
    """Fills the defaults of a CRD in place."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    conversion = spec.setdefault("conversion", {})
    conversion.setdefault("strategy", "None")


def establish(backend: Backend, obj: Obj) -> None:
    """The status of a new or changed CRD: names accepted, established, versions that were ever stored. In place."""
    spec, status = obj["spec"], obj.setdefault("status", {})
    now = rfc3339(backend.clock.now())
    taken = _taken_by(backend, obj)
    if taken:
        accepted = ("False", "NameConflict", f'"{spec["names"]["kind"]}" is already in use by {taken}')
        established = ("False", "NotAccepted", "not all names are accepted")
    else:
        accepted = ("True", "NoConflicts", "no conflicts found")
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
        status["acceptedNames"] = spec["names"]
    _set_condition(status, "NamesAccepted", accepted, now)
    _set_condition(status, "Established", established, now)
    stored = list(status.get("storedVersions") or [])
    status["storedVersions"] = stored + [v["name"] for v in spec["versions"] if v.get("storage") and v["name"] not in stored]


def _taken_by(backend: Backend, obj: Obj) -> str:
    """The CRD of the same group that already has this kind."""
    spec, own = obj["spec"], obj["metadata"]["name"]
    for row in backend.registry:
        if row.crd and row.crd.crd_name != own and (row.group, row.kind) == (spec["group"], spec["names"]["kind"]):
            return row.crd.crd_name
    return ""


def _set_condition(status: Obj, kind: str, value: tuple[str, str, str], now: str) -> None:
    state, reason, message = value
    conditions: list[Obj] = status.setdefault("conditions", []) or []
    status["conditions"] = conditions
    found = next((c for c in conditions if c["type"] == kind), None)
    if found is None:
        found = {"type": kind}
        conditions.append(found)
    if found.get("status") != state:
        found["lastTransitionTime"] = now
    found.update(status=state, reason=reason, message=message)


def mark_terminating(backend: Backend, obj: Obj) -> None:
    """What the first DELETE does to a CRD: it waits for its objects. In place."""
    metadata = obj["metadata"]
    if CLEANUP not in (metadata.get("finalizers") or []):
        metadata["finalizers"] = [*(metadata.get("finalizers") or []), CLEANUP]
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will be initiated soon"
    _set_condition(
        obj.setdefault("status", {}), "Terminating", ("True", "InstanceDeletionPending", text), rfc3339(backend.clock.now())
    )


def after_write(backend: Backend, kind: Kind, obj: Obj) -> None:
    """Serves, or serves differently, what a stored CRD defines."""
    if kind.group_kind == CRD:
        install(backend, obj)


def after_removal(backend: Backend, kind: Kind, obj: Obj) -> None:
    """Stops serving what a removed CRD defined; lets a terminating CRD go with its last object."""
    if kind.group_kind == CRD:
        group, plural = obj["spec"]["group"], obj["spec"]["names"]["plural"]
        backend.registry.replace_crd(group, plural, ())
        backend.store.end_watches((group, plural))
    elif kind.crd and kind.crd.terminating:
        release_if_empty(backend, kind.crd.crd_name)


def release_if_empty(backend: Backend, name: str) -> None:
    """Takes the cleanup finalizer off a terminating CRD that has no objects; with the last finalizer the CRD goes."""
    row = backend.registry.find("apiextensions.k8s.io", "v1", SHELF[1])
    record = backend.store.get(SHELF, "", name)
    if record is None or row is None:
        return
    crd = decode_object(record, row.kind, row.api_version)
    if not is_deleting(crd) or backend.store.shelf((crd["spec"]["group"], crd["spec"]["names"]["plural"])).records:
        return
    kept = [finalizer for finalizer in crd["metadata"].get("finalizers") or [] if finalizer != CLEANUP]
    if kept:
        crd["metadata"]["finalizers"] = kept
        backend.store.commit(SHELF, crd)
        return
    backend.store.remove(SHELF, crd)
    after_removal(backend, row, crd)


def install(backend: Backend, crd: Obj) -> None:
    """Puts the served versions of a CRD into the registry."""
    spec = crd["spec"]
    established = any(c["type"] == "Established" and c["status"] == "True" for c in crd["status"].get("conditions") or [])
    rows = [_row(crd, version) for version in spec["versions"] if version.get("served")] if established else []
    backend.registry.replace_crd(spec["group"], spec["names"]["plural"], rows)


def _row(crd: Obj, version: Obj) -> Kind:
    spec = crd["spec"]
    names, parts = spec["names"], version.get("subresources") or {}
    schema_json = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    schema = crd_schema(schema_json)
    columns = convert(version.get("additionalPrinterColumns") or [], tuple[PrinterColumn, ...])
    return Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec.get("scope") == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if parts.get(name) is not None),
        verbs=CUSTOM_VERBS,
        generation=True,
        storage=(spec["group"], names["plural"]),
        scale=_scale(parts["scale"]) if parts.get("scale") is not None else None,
        crd=CrdVersion(
            schema=schema,
            schema_json=schema_json,
            columns=columns,
            crd_name=crd["metadata"]["name"],
            terminating=is_deleting(crd),
            defaults_on_read=(crd["metadata"].get("generation") or 1) > 1,
            rules=rule_tree(schema_json, schema),
            selectable=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        ),
    )


def _scale(paths: Obj) -> ScalePaths:
    def steps(path: str) -> tuple[str, ...]:
        return tuple(step for step in path.split(".") if step)

    selector = steps(paths.get("labelSelectorPath") or "")
    return ScalePaths(steps(paths["specReplicasPath"]), steps(paths["statusReplicasPath"]), selector)
