"""What a kind's fields are and how they merge, as one tree of frozen nodes.

Server-side apply, strategic merge, pruning, defaulting and validation all walk an object and a `Schema` side by side. The
tree comes from one of two places: the pack of Kubernetes' own definitions (`builtin_schema`) or the structural schema of a
CustomResourceDefinition (`crd_schema`). A node answers for itself, without a look at its parents:

    type        "" stands for "anything": the value at hand decides (preserve-unknown subtrees, int-or-string)
    properties  declared fields
    additional  schema of undeclared keys that pruning keeps (additionalProperties)
    extra       schema of undeclared keys for server-side apply: `additional`, or DEDUCED below preserve-unknown, or None
    list_type   atomic (one leaf) | set (scalars) | map (objects, told apart by map_keys)
    map_type    granular | atomic (one leaf)

Trees are cyclic where Kubernetes' types are (JSONSchemaProps), and nodes compare by identity.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import force_setattr, replace

from shipway.kube.objects import packs
from shipway.kube.objects.resource import Obj

ListType = Literal["atomic", "set", "map"]
MapType = Literal["granular", "atomic"]


class Limits(Struct, frozen=True, eq=False):
    """Value validations of a CRD field, in JSON Schema's words."""

    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    all_of: tuple["Schema", ...] = ()
    any_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    negated: "Schema | None" = None
    rules: tuple[Obj, ...] = ()


class Schema(Struct, frozen=True, eq=False):
    """One node. `default` is UNSET when there is none; `nullable` says that null is a value, not an absence; `present` marks
    a field of a built-in kind that is never absent while its parent is there (a Go struct or list without omitempty)."""

    type: str = ""
    properties: Mapping[str, "Schema"] = {}
    additional: "Schema | None" = None
    extra: "Schema | None" = None
    items: "Schema | None" = None
    list_type: ListType = "atomic"
    map_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = {}
    map_type: MapType = "granular"
    merge_key: str = ""
    patch_strategies: tuple[str, ...] = ()
    preserve_unknown: bool = False
    embedded: bool = False
    int_or_string: bool = False
    quantity: bool = False
    nullable: bool = False
    present: bool = False
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    default: Any = UNSET
    format: str = ""
    limits: Limits | None = None

    def child(self, key: str) -> "Schema | None":
        """The schema of field `key` as server-side apply sees it; None: not declared."""
        return self.properties.get(key) or self.extra


def _deduced() -> Schema:
    node = Schema(preserve_unknown=True, nullable=True)
    force_setattr(node, "extra", node)
    return node


DEDUCED = _deduced()
"""Of a subtree without a schema: maps are granular, lists are atomic, nothing is unknown."""

RAW = Schema(type="object", map_type="atomic", preserve_unknown=True, extra=DEDUCED)
"""An embedded object that is one value (runtime.RawExtension)."""


def builtin_schema(group: str, version: str, kind: str) -> Schema | None:
    """The schema of a kind that Kubernetes brings, or None. Built when first asked for, then shared."""
    name = packs.kinds().get(f"{group}/{version}/{kind}")
    return _definition(name) if name else None


def core_schema(name: str) -> Schema | None:
    """The schema of a type of core/v1 (PodSpec, Container …), or None."""
    full = f"{packs.CORE}{name}"
    return _definition(full) if full in packs.definitions() else None


@cache
def _definition(name: str) -> Schema:
    return _named(name, {})


def _named(name: str, building: dict[str, Schema]) -> Schema:
    """The node of definition `name`; one that is being built is handed out unfinished, which closes the cycle."""
    if name in building:
        return building[name]
    if name.endswith(".runtime.RawExtension"):
        return RAW
    node = Schema()
    building[name] = node
    raw: Obj = packs.definitions()[name]
    if name.endswith(_LEFT_OUT_WHEN_EMPTY):
        raw = dict(raw, required=())
    built = _builtin(raw, building)
    for field in Schema.__struct_fields__:
        force_setattr(node, field, getattr(built, field))
    return node


_LEFT_OUT_WHEN_EMPTY = ".v1.ValidatingAdmissionPolicyBindingSpec"
"""The one Go struct whose required list is left out of the JSON when it is empty."""


def _builtin(raw: Obj, building: dict[str, Schema]) -> Schema:
    if "$ref" in raw:
        return _override(_named(raw["$ref"], building), raw)
    properties = {name: _builtin(child, building) for name, child in raw.get("properties", {}).items()}
    for name in raw.get("required", ()):
        if properties[name].type == "array":
            properties[name] = replace(properties[name], present=True)
    items = _builtin(raw["items"], building) if "items" in raw else None
    additional = _builtin(raw["additionalProperties"], building) if "additionalProperties" in raw else None
    kind = raw.get("type", "")
    free = kind in ("", "object") and not properties and additional is None
    list_type, map_keys = _list_type(raw)
    return Schema(
        type=kind,
        properties=properties,
        additional=additional,
        extra=additional or (DEDUCED if free else None),
        items=items or (DEDUCED if kind in ("", "array") else None),
        list_type=list_type,
        map_keys=map_keys,
        key_defaults=_builtin_key_defaults(map_keys, items),
        map_type=raw.get("x-kubernetes-map-type", "granular"),
        merge_key=raw.get("x-kubernetes-patch-merge-key", ""),
        patch_strategies=_strategies(raw),
        preserve_unknown=free,
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        quantity=raw.get("x-shipway-quantity", False),
        nullable=True,
        required=tuple(raw.get("required", ())),
        default=raw.get("default", UNSET),
        format=raw.get("format", ""),
    )


def _override(node: Schema, raw: Obj) -> Schema:
    """A reference may say how its target merges here: `strategy` of a Deployment retains keys."""
    changes: dict[str, Any] = {}
    if "x-kubernetes-patch-strategy" in raw:
        changes["patch_strategies"] = _strategies(raw)
    if "x-kubernetes-map-type" in raw:
        changes["map_type"] = raw["x-kubernetes-map-type"]
    if raw.get("x-shipway-present"):
        changes["present"] = True
    return replace(node, **changes) if changes else node


def _strategies(raw: Obj) -> tuple[str, ...]:
    text: str = raw.get("x-kubernetes-patch-strategy", "")
    return tuple(text.split(",")) if text else ()


def _list_type(raw: Obj) -> tuple[ListType, tuple[str, ...]]:
    """As server-side apply reads it: without a list type, a merge strategy makes a map (by its merge key) or a set."""
    declared: ListType | None = raw.get("x-kubernetes-list-type")
    if declared is not None:
        return declared, tuple(raw.get("x-kubernetes-list-map-keys", ()))
    if "merge" in _strategies(raw):
        key: str = raw.get("x-kubernetes-patch-merge-key", "")
        return ("map", (key,)) if key else ("set", ())
    return "atomic", ()


def _builtin_key_defaults(map_keys: tuple[str, ...], items: Schema | None) -> dict[str, Any]:
    """What a key field that an item leaves out stands for: its default, or the zero value of a required field."""
    zero: dict[str, Any] = {"string": "", "integer": 0, "boolean": False}
    found: dict[str, Any] = {}
    for key in map_keys if items else ():
        field = items.properties.get(key) if items else None
        if field is not None and field.default is not UNSET:
            found[key] = field.default
        elif field is not None and items and key in items.required:
            found[key] = zero.get(field.type)
    return found


def object_meta() -> Schema:
    """The schema of `metadata`."""
    return _definition(packs.META + "ObjectMeta")


_TEXT = Schema(type="string")


def crd_schema(openapi_v3_schema: Obj) -> Schema:
    """The schema of a custom resource: the CRD version's structural schema, with apiVersion, kind and metadata at its root."""
    return _with_type_meta(_structural(openapi_v3_schema, False))


def _with_type_meta(node: Schema) -> Schema:
    known = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": object_meta()}
    return replace(node, properties={**node.properties, **known})


def _structural(raw: Obj, opened: bool) -> Schema:
    """`opened`: an ancestor preserves unknown fields, so server-side apply deduces what is not declared here."""
    preserve: bool = raw.get("x-kubernetes-preserve-unknown-fields", False)
    opened = opened or preserve
    properties = {name: _structural(child, opened) for name, child in raw.get("properties", {}).items()}
    additional = _additional(raw.get("additionalProperties"), opened)
    kind: str = raw.get("type", "")
    free = opened or (kind in ("", "object") and not properties and "additionalProperties" not in raw)
    items = _structural(raw["items"], opened) if "items" in raw else DEDUCED if kind in ("", "array") else None
    list_type, map_keys = _list_type(raw)
    node = Schema(
        type=kind,
        properties=properties,
        additional=additional,
        extra=additional or (DEDUCED if free else None),
        items=items,
        list_type=list_type,
        map_keys=map_keys,
        key_defaults={k: p.default for k in map_keys if items and (p := items.properties.get(k)) and p.default is not UNSET},
        map_type=raw.get("x-kubernetes-map-type", "granular"),
        preserve_unknown=preserve,
        embedded=raw.get("x-kubernetes-embedded-resource", False),
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        nullable=raw.get("nullable", False),
        required=tuple(raw.get("required", ())),
        enum=tuple(raw.get("enum") or ()),
        default=raw.get("default", UNSET),
        format=raw.get("format", ""),
        limits=_limits(raw),
    )
    return _with_type_meta(node) if node.embedded else node


def _additional(raw: Any, opened: bool) -> Schema | None:
    if isinstance(raw, dict):
        return _structural(raw, opened)  # pyright: ignore[reportUnknownArgumentType]
    return DEDUCED if raw is True else None


_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_items",
    "maxItems": "max_items",
    "uniqueItems": "unique_items",
    "minProperties": "min_properties",
    "maxProperties": "max_properties",
}
_JUNCTORS = {"allOf": "all_of", "anyOf": "any_of", "oneOf": "one_of"}


def _limits(raw: Obj) -> Limits | None:
    found: dict[str, Any] = {ours: raw[theirs] for theirs, ours in _LIMITS.items() if theirs in raw}
    for theirs, ours in _JUNCTORS.items():
        if raw.get(theirs):
            found[ours] = tuple(_structural(branch, False) for branch in raw[theirs])
    if "not" in raw:
        found["negated"] = _structural(raw["not"], False)
    if raw.get("x-kubernetes-validations"):
        found["rules"] = tuple(raw["x-kubernetes-validations"])
    return Limits(**found) if found else None
