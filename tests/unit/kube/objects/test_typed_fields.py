"""Paths that a value states, what is refused, and what can be taken out again."""

from typing import Any

import pytest

from shipway.kube.objects.field_sets import FieldSet
from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.typed_fields import TypeMismatch, explain, fields_of, in_terms_of, remove, with_named_parents

M: FieldSet = {}
TEXT = {"type": "string"}
SCHEMA = crd_schema(
    {
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "flag": {"type": "boolean"},
            "map": {"type": "object", "additionalProperties": TEXT},
            "one": {"type": "object", "additionalProperties": TEXT, "x-kubernetes-map-type": "atomic"},
            "plain": {"type": "array", "items": TEXT},
            "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            "keyed": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k", "side"],
                "items": {"type": "object", "properties": {"k": TEXT, "side": {**TEXT, "default": "l"}, "v": TEXT}},
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
)

STATED: list[tuple[Any, FieldSet]] = [
    ({}, {}),
    ({"number": 1, "flag": False}, {"f:number": M, "f:flag": M}),
    ({"number": None}, {"f:number": M}),
    ({"map": {}}, {"f:map": M}),
    ({"map": {"a": "1"}}, {"f:map": {"f:a": M}}),
    ({"one": {"a": "1"}}, {"f:one": M}),
    ({"plain": ["a"]}, {"f:plain": M}),
    ({"plain": []}, {"f:plain": M}),
    ({"set": ["a", "b"]}, {"f:set": {'v:"a"': M, 'v:"b"': M}}),
    ({"set": []}, {}),
    ({"keyed": [{"k": "x", "v": "1"}]}, {"f:keyed": {'k:{"k":"x","side":"l"}': {".": M, "f:k": M, "f:v": M}}}),
    ({"free": {"a": {"b": [1]}}}, {"f:free": {"f:a": {".": M, "f:b": M}}}),
]


@pytest.mark.parametrize(("value", "fields"), STATED)
def test_what_a_value_states(value: Any, fields: FieldSet) -> None:
    assert fields_of(value, SCHEMA) == fields


REFUSED: list[tuple[Any, str]] = [
    ({"nope": 1}, ".nope: field not declared in schema"),
    ({"number": "1"}, ".number: expected numeric (int or float), got string"),
    ({"number": True}, ".number: expected numeric (int or float), got bool"),
    ({"flag": "x"}, ".flag: expected boolean, got &{x}"),
    ({"map": {"a": 5}}, ".map.a: expected string, got &value.valueUnstructured{Value:5}"),
    ({"map": ["a"]}, ".map: expected map, got &{[a]}"),
    ({"set": {"a": 1}}, ".set: expected list, got &{map[a:1]}"),
    ({"set": ["a", "a"]}, '.set: duplicate entries for key [="a"]'),
    ({"set": [None]}, ".set: element 0: associative list without keys has an element that's an explicit null"),
    ({"keyed": [{"k": "x"}, {"k": "x"}]}, '.keyed: duplicate entries for key [k="x",side="l"]'),
    ({"keyed": ["x"]}, ".keyed: element 0: associative list with keys may not have non-map elements"),
    (
        {"nope": 1, "number": "1"},
        "errors:\n  .nope: field not declared in schema\n  .number: expected numeric (int or float), got string",
    ),
]


@pytest.mark.parametrize(("value", "text"), REFUSED)
def test_what_is_refused(value: Any, text: str) -> None:
    with pytest.raises(TypeMismatch):
        fields_of(value, SCHEMA)
    assert explain(value, SCHEMA) == text


TAKEN: list[tuple[Any, FieldSet, Any]] = [
    ({"number": 1, "flag": True}, {"f:number": M}, {"flag": True}),
    ({"map": {"a": "1", "b": "2"}}, {"f:map": {"f:a": M}}, {"map": {"b": "2"}}),
    ({"map": {"a": "1"}}, {"f:map": {"f:a": M}}, {"map": None}),  # emptied, not gone
    ({"map": {"a": "1"}}, {"f:map": {".": M, "f:a": M}}, None),
    ({"set": ["a", "b"]}, {"f:set": {'v:"a"': M}}, {"set": ["b"]}),
    ({"keyed": [{"k": "x", "v": "1"}]}, {"f:keyed": {'k:{"k":"x","side":"l"}': {"f:v": M}}}, {"keyed": [{"k": "x"}]}),
]


@pytest.mark.parametrize(("value", "fields", "left"), TAKEN)
def test_taking_out(value: Any, fields: FieldSet, left: Any) -> None:
    assert remove(value, fields, SCHEMA) == left


def test_taking_out_what_is_not_there_returns_the_very_value() -> None:
    value = {"map": {"a": "1"}, "one": {"a": "1"}}
    assert remove(value, {"f:map": {"f:z": M}, "f:one": {"f:a": M}, "f:number": M}, SCHEMA) is value


def test_declared_parents_become_members_but_map_entries_do_not() -> None:
    fields = {"f:map": {"f:a": M}, "f:free": {"f:x": {"f:y": M}}}
    expected = {"f:map": {".": M, "f:a": M}, "f:free": {".": M, "f:x": {"f:y": M}}}
    assert with_named_parents(fields, SCHEMA) == expected


def test_a_set_from_before_a_field_became_atomic_is_folded() -> None:
    before = {"f:one": {"f:a": M}, "f:plain": {'v:"x"': M}, "f:map": {"f:a": M}}
    assert in_terms_of(SCHEMA, before) == {"f:one": M, "f:plain": M, "f:map": {"f:a": M}}
    unchanged = {"f:one": M, "f:free": {"f:a": {"f:b": M}}}
    assert in_terms_of(SCHEMA, unchanged) is unchanged
