"""Objects and lists as bytes, in each of the shapes a client may ask for: whole, metadata only, or a Table."""

from collections.abc import Sequence

import orjson
from msgspec import Struct
from msgspec.structs import replace as with_fields

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.custom import shown
from shipway.localcluster.apiserver.faces import has_other_face, to_face
from shipway.localcluster.apiserver.history import Record
from shipway.localcluster.apiserver.negotiation import Wanted
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.store import decode_object, encode_object, encode_plain
from shipway.localcluster.apiserver.tables import table_columns, table_row

_PARTIAL = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'


class Look(Struct, frozen=True):
    """How a kind is to be shown: the shape, what a Table's rows carry, and the time that ages are relative to."""

    kind: Kind
    wanted: Wanted
    include: str
    now: Instant

    @property
    def key(self) -> tuple[str, ...]:
        """What the bytes of one object depend on, for caches."""
        return (self.kind.api_version, self.wanted.shape, self.wanted.table_version, self.include)


class ListMeta(Struct, frozen=True):
    """`remaining` None: not told. Lists of custom resources say `continue` even when it is empty (`custom`)."""

    version: int
    token: str = ""
    remaining: int | None = None
    custom: bool = False

    def encoded(self) -> bytes:
        meta: Obj = {"resourceVersion": str(self.version)}
        if self.token or self.custom:
            meta["continue"] = self.token
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return orjson.dumps(meta)


def decoded(record: Record, kind: Kind) -> Obj:
    """A fresh dict of the object as this kind shows it."""
    obj = decode_object(record, kind.kind, kind.api_version)
    return shown(kind, obj) if kind.crd else to_face(kind, obj)


def encode_one(record: Record, look: Look) -> bytes:
    """One object, in the wanted shape; a Table has its columns."""
    if look.wanted.shape == "metadata":
        return _PARTIAL + record.meta + b"}"
    if look.wanted.shape == "table":
        return encode_table([record], ListMeta(record.version), look)
    if _needs_decoding(look.kind):
        return orjson.dumps(decoded(record, look.kind))
    return encode_object(record, look.kind.kind, look.kind.api_version)


def _needs_decoding(kind: Kind) -> bool:
    return has_other_face(kind) or (kind.crd is not None and kind.crd.defaults_on_read)


def encode_list(records: Sequence[Record], meta: ListMeta, look: Look) -> bytes:
    """A list, in the wanted shape. Items of built-in lists carry no kind and apiVersion, those of custom ones do."""
    kind = look.kind
    if look.wanted.shape == "table":
        return encode_table(records, meta, look)
    if look.wanted.shape == "metadata":
        head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":'
        items = b",".join(_PARTIAL + record.meta + b"}" for record in records)
    else:
        meta = with_fields(meta, custom=kind.crd is not None)
        head = b'{"kind":"%sList","apiVersion":"%s","metadata":' % (kind.kind.encode(), kind.api_version.encode())
        items = b",".join(_item(record, kind) for record in records)
    return head + meta.encoded() + b',"items":[' + items + b"]}"


def _item(record: Record, kind: Kind) -> bytes:
    if kind.crd is None and not has_other_face(kind):
        return encode_plain(record)
    if not _needs_decoding(kind):
        return encode_object(record, kind.kind, kind.api_version)
    obj = decoded(record, kind)
    if kind.crd is None:
        del obj["kind"], obj["apiVersion"]
    return orjson.dumps(obj)


def encode_table(records: Sequence[Record], meta: ListMeta, look: Look, *, columns: bool = True) -> bytes:
    """A `meta.k8s.io` Table; `columns` False leaves the definitions out, as watch events after the first do."""
    rows = b",".join(_row(record, look) for record in records)
    definitions = orjson.dumps(table_columns(look.kind) if columns else None)
    return b'{"kind":"Table","apiVersion":"meta.k8s.io/%s","metadata":%s,"columnDefinitions":%s,"rows":[%s]}' % (
        look.wanted.table_version.encode(),
        meta.encoded(),
        definitions,
        rows,
    )


def _row(record: Record, look: Look) -> bytes:
    row = table_row(look.kind, decoded(record, look.kind), look.now)
    cells = orjson.dumps(row.cells)
    conditions = b',"conditions":' + orjson.dumps(list(row.conditions)) if row.conditions else b""
    if look.include == "None":
        return b'{"cells":%s%s,"object":null}' % (cells, conditions)
    if look.include == "Object":
        return b'{"cells":%s%s,"object":%s}' % (cells, conditions, orjson.dumps(decoded(record, look.kind)))
    return b'{"cells":%s%s,"object":%s%s}}' % (cells, conditions, _PARTIAL, record.meta)


def encode_object_as(obj: Obj, look: Look) -> bytes:
    """An object that is not stored (a dry run, a review) in the wanted shape."""
    if look.wanted.shape == "metadata":
        return _PARTIAL + orjson.dumps(obj["metadata"]) + b"}"
    if look.wanted.shape == "object":
        return orjson.dumps(obj)
    row = table_row(look.kind, obj, look.now)
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    table = {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{look.wanted.table_version}",
        "metadata": {"resourceVersion": obj["metadata"].get("resourceVersion", "")},
        "columnDefinitions": table_columns(look.kind),
        "rows": [{"cells": row.cells, "object": obj if look.include == "Object" else partial}],
    }
    return orjson.dumps(table)
