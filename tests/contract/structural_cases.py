"""Custom resources and CRD schemas that a real API server judged: the tables behind `test_structural_oracle`."""

from typing import Any

Body = dict[str, Any]

TEXT: Body = {"type": "string"}
NUMBER: Body = {"type": "integer"}


def obj(**properties: Any) -> Body:
    return {"type": "object", "properties": properties}


def listed(items: Body, **more: Any) -> Body:
    return {"type": "array", "items": items, **more}


STRICT: Body = obj(
    spec=obj(
        text={"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        one={"type": "string", "maxLength": 1},
        choice={"type": "string", "enum": ["a", "b"]},
        number={"type": "integer", "minimum": 1, "maximum": 10},
        above={"type": "number", "minimum": 1, "exclusiveMinimum": True, "maximum": 2.5, "exclusiveMaximum": True},
        even={"type": "integer", "multipleOf": 2},
        flag={"type": "boolean"},
        port={"x-kubernetes-int-or-string": True},
        items=listed(TEXT, minItems=2, maxItems=3),
        single=listed(TEXT, maxItems=1),
        unique=listed(TEXT, **{"x-kubernetes-list-type": "set"}),
        keyed=listed(
            {**obj(name=TEXT, side={**TEXT, "default": "l"}, v=NUMBER), "required": ["name"]},
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
        map={"type": "object", "additionalProperties": NUMBER, "minProperties": 1, "maxProperties": 2},
        needed={**obj(a=TEXT, b=TEXT), "required": ["a", "b"]},
        any={**obj(a=NUMBER, b=NUMBER), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        oneof={**obj(a=NUMBER, b=NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        all={"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]},
        never={"type": "string", "not": {"enum": ["x"]}},
        when={"type": "string", "format": "date-time"},
        date={"type": "string", "format": "date"},
        period={"type": "string", "format": "duration"},
        ip={"type": "string", "format": "ipv4"},
        cidr={"type": "string", "format": "cidr"},
        uuid={"type": "string", "format": "uuid"},
        bytes={"type": "string", "format": "byte"},
        unheard={"type": "string", "format": "unheard-of"},
        maybe={"type": "string", "nullable": True},
        withDefault={"type": "string", "default": "d"},
        nested=obj(x={"type": "integer", "default": 7}, y=TEXT),
        anything={"x-kubernetes-preserve-unknown-fields": True},
        free={"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": obj(a=TEXT)}},
        whatever={"type": "object", "additionalProperties": True},
        embedded={
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    )
)

OBJECTS: dict[str, Any] = {
    "nothing": {},
    "text short": {"text": "a"},
    "text long": {"text": "abcde"},
    "text one byte": {"one": "ab"},
    "text pattern": {"text": "A1"},
    "text of another type": {"text": 5},
    "text as list": {"text": ["a"]},
    "text umlauts count as one": {"one": "ü"},
    "choice": {"choice": "c"},
    "choice of another type": {"choice": 1},
    "number low": {"number": 0},
    "number high": {"number": 11},
    "number as text": {"number": "5"},
    "number as float": {"number": 1.5},
    "number as whole float": {"number": 2.0},
    "number as bool": {"number": True},
    "above at the limits": {"above": 1},
    "above over": {"above": 2.5},
    "even": {"even": 3},
    "flag": {"flag": "true"},
    "port text": {"port": "http"},
    "port bool": {"port": True},
    "items few": {"items": ["a"]},
    "items many": {"items": ["a", "b", "c", "d"]},
    "single": {"single": ["a", "b"]},
    "items of another type": {"items": ["a", 1]},
    "items null": {"items": ["a", None]},
    "unique": {"unique": ["a", "b", "a", "a"]},
    "keyed twice": {"keyed": [{"name": "a"}, {"name": "a", "v": 2}]},
    "keyed without name": {"keyed": [{"v": 1}]},
    "keyed defaults": {"keyed": [{"name": "a"}, {"name": "b", "side": "r"}]},
    "map empty": {"map": {}},
    "map full": {"map": {"a": 1, "b": 2, "c": 3}},
    "map of another type": {"map": {"a": "x"}},
    "needed": {"needed": {"a": "1"}},
    "any none": {"any": {}},
    "any one": {"any": {"b": 1}},
    "oneof none": {"oneof": {}},
    "oneof both": {"oneof": {"a": 1, "b": 1}},
    "all low": {"all": 2},
    "all high": {"all": 6},
    "never": {"never": "x"},
    "date-time": {"when": "2026-01-01"},
    "date-time good": {"when": "2026-01-01T00:00:00Z"},
    "date": {"date": "2026-13-01"},
    "duration": {"period": "5 parsecs"},
    "duration good": {"period": "1h30m"},
    "ipv4": {"ip": "1.2.3.400"},
    "cidr": {"cidr": "10.0.0.0"},
    "uuid": {"uuid": "x"},
    "byte": {"bytes": "%%%"},
    "unheard format": {"unheard": "anything"},
    "null where there is none": {"text": None, "number": None},
    "null with default": {"withDefault": None},
    "null where there is": {"maybe": None},
    "null in a map": {"map": {"a": None, "b": 1}},
    "default kept": {"withDefault": "x"},
    "nested default": {"nested": {}},
    "unknown": {"foo": 1, "nested": {"z": 1}, "keyed": [{"name": "a", "zz": 1}]},
    "anything": {"anything": {"a": [1, {"b": None}]}},
    "free": {"free": {"other": {"x": 1}, "known": {"a": "1", "b": "2"}}},
    "whatever": {"whatever": {"a": 1, "b": {"c": 1}, "l": [{"d": 1}]}},
    "embedded": {"embedded": {"foo": 1}},
    "embedded good": {"embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "n"}, "foo": 1}},
    "two things": {"text": "A", "number": 0},
}


def root(**spec: Any) -> Body:
    return obj(spec=obj(**spec))


SCHEMAS: dict[str, Body] = {
    "good": root(a=TEXT),
    "no type at the root": {"properties": {"spec": {"type": "object"}}},
    "another type at the root": {"type": "array", "items": TEXT},
    "no type of a field": root(a={"description": "x"}),
    "no type of items": root(a=listed({})),
    "no items": root(a={"type": "array"}),
    "unknown type": root(a={"type": "text"}),
    "preserve without type": root(a={"x-kubernetes-preserve-unknown-fields": True}),
    "int or string": root(a={"x-kubernetes-int-or-string": True}),
    "int or string with anyOf": root(
        a={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    ),
    "int or string that preserves": root(a={"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}),
    "additionalProperties at the root": {"type": "object", "additionalProperties": TEXT},
    "additionalProperties and properties": root(a={**obj(x=TEXT), "additionalProperties": TEXT}),
    "uniqueItems": root(a=listed(TEXT, uniqueItems=True)),
    "type in anyOf": root(a={**TEXT, "anyOf": [{"type": "string"}]}),
    "default in allOf": root(a={**TEXT, "allOf": [{"default": "x"}]}),
    "description in oneOf": root(a={**TEXT, "oneOf": [{"description": "x", "minLength": 1}]}),
    "nullable in not": root(a={**TEXT, "not": {"nullable": True}}),
    "property only in anyOf": root(a={"type": "object", "anyOf": [{"properties": {"b": {"minimum": 1}}}]}),
    "items only in allOf": root(a={"type": "object", "allOf": [{"items": {"minimum": 1}}]}),
    "metadata with a name": obj(metadata=obj(name={**TEXT, "pattern": "^a"}), spec=obj()),
    "metadata with labels": obj(metadata=obj(labels=obj()), spec=obj()),
    "metadata of another type": obj(metadata=TEXT, spec=obj()),
    "kind of another type": obj(kind=NUMBER, spec=obj()),
    "bad default": root(a={**NUMBER, "default": "x"}),
    "bad default below": root(a={**obj(b=NUMBER), "default": {"b": "x"}}),
    "default that would be pruned": root(a={**obj(b=NUMBER), "default": {"c": 1}}),
    "list map without keys": root(a=listed(obj(k=TEXT), **{"x-kubernetes-list-type": "map"})),
    "list map key that is optional": root(
        a=listed(obj(k=TEXT), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})
    ),
    "list map key that is not there": root(
        a=listed({**obj(k=TEXT)}, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["z"]})
    ),
    "keys without a list map": root(a=listed(obj(k=TEXT), **{"x-kubernetes-list-map-keys": ["k"]})),
    "list type of no list": root(a={**TEXT, "x-kubernetes-list-type": "set"}),
    "embedded without fields": root(a={"type": "object", "x-kubernetes-embedded-resource": True}),
    "embedded of another type": root(a={**TEXT, "x-kubernetes-embedded-resource": True}),
    "bad pattern": root(a={**TEXT, "pattern": "("}),
    "reference": root(a={**TEXT, "$ref": "#/x"}),
}
