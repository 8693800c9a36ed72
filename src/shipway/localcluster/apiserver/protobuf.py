"""Protobuf request bodies, which current kubectl and helm send for every kind they know.

A body is the magic `k8s\\0` and a `runtime.Unknown` envelope {1: typeMeta {1: apiVersion, 2: kind}, 2: raw}. The raw
message is decoded by the field numbers of `gotypes.json` into the JSON it stands for. Go also encodes zero values, so an
unknown field with an empty payload is skipped; an unknown field that carries something is refused (415), never dropped in
silence.
"""

import base64
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from shipway.base.clock import rfc3339, rfc3339_micro
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.gotypes import Field, struct_fields, type_of
from shipway.localcluster.apiserver.problems import Refused, bad_request

MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Payload = int | bytes


def decode(body: bytes, api_version: str, kind: str) -> Obj:
    """The JSON object of an enveloped body; the envelope's type wins over the one given. Raises Refused(400, 415)."""
    if not body.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = dict(_fields(memoryview(body)[4:]))
    type_meta = dict(_fields(_raw(envelope.get(1, b""))))
    api_version = _text(type_meta.get(1, b"")) or api_version
    kind = _text(type_meta.get(2, b"")) or kind
    name = type_of(api_version, kind)
    if name is None:
        raise _unknown(f"no message is known for {api_version} {kind}; send JSON instead")
    return {"apiVersion": api_version, "kind": kind, **_message(name, _raw(envelope.get(2, b"")), kind)}


def _unknown(why: str) -> Refused:
    return Refused(415, "UnsupportedMediaType", f"cannot decode the protobuf body: {why}")


@cache
def _numbers(name: str) -> dict[int, Field]:
    return {field.number: field for field in struct_fields(name) if field.number}


def _message(name: str, data: memoryview, path: str) -> Obj:
    known = _numbers(name)
    out: Obj = {}
    for number, payload in _fields(data):
        field = known.get(number)
        if field is None:
            if not _is_zero(payload):
                raise _unknown(f"field {number} of {path} is not known; send JSON instead")
        elif field.inline:
            out.update(_message(field.type.lstrip("*"), _raw(payload), path))
        else:
            _put(out, field, payload, path)
    return out


def _put(out: Obj, field: Field, payload: Payload, path: str) -> None:
    kind, here = field.type.lstrip("*"), f"{path}.{field.name}"
    if kind[0] == "{":
        entry = dict(_fields(_raw(payload)))
        value = _value(kind[1:], entry[2], here) if 2 in entry else _empty(kind[1:])
        out.setdefault(field.name, {})[_text(entry.get(1, b""))] = value
    elif kind[0] == "[":
        items = out.setdefault(field.name, [])
        if kind[1:] == "int" and isinstance(payload, bytes | memoryview):
            items.extend(_packed(_raw(payload)))
        else:
            items.append(_value(kind[1:], payload, here))
    else:
        out[field.name] = _value(kind, payload, here)


def _value(kind: str, payload: Payload, path: str) -> Any:
    match kind:
        case "string":
            return _text(payload)
        case "int":
            return _signed(payload)
        case "bool":
            return bool(payload)
        case "float":
            return struct.unpack("<d", payload)[0] if not isinstance(payload, int) else float(payload)
        case "bytes":
            return base64.b64encode(_raw(payload)).decode()
        case "quantity":
            return _text(dict(_fields(_raw(payload))).get(1, b"")) or "0"
        case "time" | "microtime":
            return _time(kind, _raw(payload))
        case "intorstring":
            parts = dict(_fields(_raw(payload)))
            return _text(parts.get(3, b"")) if parts.get(1, 0) == 1 else _signed(parts.get(2, 0))
        case "duration":
            return f"{_signed(dict(_fields(_raw(payload))).get(1, 0))}ns"
        case "fields" | "any":
            raw = _raw(dict(_fields(_raw(payload))).get(1, b""))
            return orjson.loads(raw) if raw else None
    if kind[0] == "=":
        return [_value(kind[1:], item, path) for _, item in _fields(_raw(payload))]
    if kind[0] == "*":
        return _value(kind[1:], payload, path)
    return _message(kind, _raw(payload), path)


def _empty(kind: str) -> Any:
    return {"int": 0, "bool": False, "quantity": "0"}.get(
        kind, [] if kind[0] in "[=" else "" if kind in ("string", "bytes") else {}
    )


def _time(kind: str, data: memoryview) -> str | None:
    parts = dict(_fields(data))
    if not parts:
        return None
    seconds, nanos = _signed(parts.get(1, 0)), _signed(parts.get(2, 0))
    if seconds == -62135596800:
        return None
    return rfc3339(seconds) if kind == "time" else rfc3339_micro(seconds + nanos / 1e9)


def _is_zero(payload: Payload) -> bool:
    if isinstance(payload, int):
        return payload == 0
    if not len(payload):
        return True
    try:
        return all(_is_zero(inner) for _, inner in _fields(_raw(payload)))
    except Refused:
        return False


def _fields(data: memoryview) -> Iterator[tuple[int, Payload]]:
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise bad_request(f"the protobuf body is malformed: wire type {wire}")
        if at + length > end:
            raise bad_request("the protobuf body is malformed: unexpected EOF")
        yield tag >> 3, data[at : at + length]  # type: ignore[misc]
        at += length


def _packed(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield _signed(value)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise bad_request("the protobuf body is malformed: unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(payload: Payload) -> int:
    number = int(payload) if isinstance(payload, int) else int.from_bytes(payload, "little")
    return number - (1 << 64) if number >= 1 << 63 else number


def _raw(payload: Payload) -> memoryview:
    if isinstance(payload, int):
        raise bad_request("the protobuf body is malformed: a message was expected")
    return memoryview(payload)


def _text(payload: Payload) -> str:
    try:
        return bytes(_raw(payload)).decode()
    except UnicodeDecodeError:
        raise bad_request("the protobuf body is malformed: invalid UTF-8") from None
