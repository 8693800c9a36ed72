"""Asks the rules of a custom resource about an object, and about the step from what it was.

A rule that says no is a problem; where nothing changed since the rule was not there yet it is only a warning, so that an old
object can be mended step by step (ratcheting). Values are shown to CEL as their schema has them: numbers, times, and fields
under the names by which rules call them.
"""

import base64
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
from msgspec import Struct

from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import Schema
from shipway.localcluster.apiserver.problems import FieldProblem, go_value
from shipway.localcluster.apiserver.rules.compiled import Rule, RuleNode
from shipway.localcluster.apiserver.rules.language import (
    TOO_COSTLY,
    Old,
    RuleFailed,
    costs_too_much,
    is_overload,
    needs_size,
)

_RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
_LONGEST_MESSAGE = 5 * 1024


class Verdicts(Struct):
    """What rules have against an object, and what they would have had if it were new."""

    problems: list[FieldProblem]
    warnings: list[str]


class _Place(Struct, frozen=True):
    """A value on its way: its path, what it was (None: nothing that compares), and whether it is as it was."""

    path: str
    before: Json
    is_same: bool

    def below(self, path: str, before: Json, value: Json) -> "_Place":
        is_same = value == before if before is not None else self.is_same
        return _Place(path, before, is_same)


def judge(tree: RuleNode, obj: Obj, live: Obj | None) -> Verdicts:
    """All that the rules say."""
    found = Verdicts([], [])
    with suppress(_OutOfBudget):
        _judge(tree, _root_view(obj), _Place("", _root_view(live) if live else None, obj == live), found)
    return found


class _OutOfBudget(Exception):
    """A rule cost too much: no further one is run."""


def _root_view(obj: Obj) -> Obj:
    """What rules may see at the root."""
    metadata = obj.get("metadata") or {}
    return {**obj, "metadata": {key: metadata[key] for key in ("name", "generateName") if key in metadata}}


def _judge(node: RuleNode, value: Json, place: _Place, found: Verdicts) -> None:
    if value is None:
        return
    if node.rules:
        _ask_all(node, value, place, found)
    if isinstance(value, dict):
        before = place.before if isinstance(place.before, dict) else {}
        for key, child in value.items():
            known = node.schema.properties.get(key)
            below = node.properties.get(key) if known is not None else node.additional
            if below is not None:
                path = (f"{place.path}.{key}" if place.path else key) if known is not None else f"{place.path}[{key}]"
                _judge(below, child, place.below(path, before.get(key), child), found)
    elif isinstance(value, list) and node.items is not None:
        old_items = _by_key(node.schema, place.before)
        for index, item in enumerate(value):
            before = old_items.get(_key_of(node.schema, item)) if old_items else None
            _judge(node.items, item, place.below(f"{place.path}[{index}]", before, item), found)


def _by_key(schema: Schema, before: Json) -> dict[bytes, Json]:
    """Old items by their keys; only lists that have keys compare."""
    if schema.list_type != "map" or not isinstance(before, list):
        return {}
    return {_key_of(schema, item): item for item in before}


def _key_of(schema: Schema, item: Json) -> bytes:
    return orjson.dumps([item.get(key) for key in schema.map_keys]) if isinstance(item, dict) else b""


def _ask_all(node: RuleNode, value: Json, place: _Place, found: Verdicts) -> None:
    shown = _shown(value, node.schema)
    before = _shown(place.before, node.schema) if place.before is not None else None
    for rule in node.rules:
        if rule.program.old is Old.PLAIN and before is None:
            continue  # there is no step to judge
        problem = _ask(rule, node.schema, (value, shown, before), place.path)
        if problem is None:
            continue
        if place.is_same and not rule.sees_old and problem.reason != "RuleFailed":
            found.warnings.append(f"{problem.field}: {problem.message}")
        else:
            found.problems.append(_settled(problem))
        if TOO_COSTLY in problem.message:
            raise _OutOfBudget


def _settled(problem: FieldProblem) -> FieldProblem:
    reason = "FieldValueInvalid" if problem.reason == "RuleFailed" else problem.reason
    return FieldProblem(problem.field, reason, problem.message)


def _ask(rule: Rule, schema: Schema, values: tuple[Json, Any, Any], path: str) -> FieldProblem | None:
    """The problem of one rule; reason `RuleFailed` if it came to no answer."""
    value, shown, before = values
    where = path or "<nil>"
    try:
        _check_cost(rule.program.text, value)
        if rule.program.evaluate(shown, before, has_before=before is not None) is True:
            return None
    except RuleFailed as failure:
        said = _failure_text(failure, rule)
        return FieldProblem(where, "RuleFailed", f'Invalid value: "{schema.type}": {said}')
    detail = _message(rule, values)
    at = f"{path}{rule.where}".lstrip(".") or "<nil>"
    return FieldProblem(at, rule.reason, _refusal(rule.reason, schema, value, detail))


def _check_cost(text: str, value: Json) -> None:
    """Raises RuleFailed."""
    if needs_size(text) and costs_too_much(text, len(orjson.dumps(value))):
        raise RuleFailed(TOO_COSTLY)


def _failure_text(failure: RuleFailed, rule: Rule) -> str:
    what = rule.message or rule.text
    if is_overload(failure):
        fit = "call arguments did not match a supported operator, function or macro signature"
        return f"'{failure.message}': {fit} for rule: {what}"
    if failure.message == TOO_COSTLY:
        return f"'{TOO_COSTLY}': no further validation rules will be run due to call cost exceeds limit for rule: {what}"
    return f"{failure.message} evaluating rule: {what}"


def _refusal(reason: str, schema: Schema, value: Json, detail: str) -> str:
    """The message of a problem; objects and lists are not printed."""
    printed = "" if schema.type in ("object", "array") else f": {go_value(value)}"
    match reason:
        case "FieldValueForbidden":
            return f"Forbidden: {detail}"
        case "FieldValueRequired":
            return f"Required value: {detail}"
        case "FieldValueDuplicate":
            return f"Duplicate value{printed}"
        case _:
            return f"Invalid value{printed}: {detail}"


def _message(rule: Rule, values: tuple[Json, Any, Any]) -> str:
    value, shown, before = values
    if rule.message_program is not None:
        try:
            _check_cost(rule.message_program.text, value)
            said = rule.message_program.evaluate(shown, before, has_before=before is not None)
        except RuleFailed:
            said = ""
        said = said.strip() if isinstance(said, str) else ""
        if said and "\n" not in said and len(said.encode()) <= _LONGEST_MESSAGE:
            return said
    return rule.message or f"failed rule: {rule.text}"


# --- values as rules see them ----------------------------------------------------------------------------------------------


def _shown(value: Json, schema: Schema | None) -> Any:
    if value is None or schema is None:
        return value
    if isinstance(value, dict):
        return dict(_fields(value, schema))
    if isinstance(value, list):
        return [_shown(item, schema.items) for item in value]
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and schema.format in ("date-time", "date", "duration", "byte"):
        return _typed(value, schema.format)
    return value


def _fields(value: Obj, schema: Schema) -> Iterator[tuple[str, Any]]:
    for key, child in value.items():
        known = schema.properties.get(key)
        yield (escaped(key), _shown(child, known)) if known is not None else (key, _shown(child, schema.additional))


def escaped(name: str) -> str:
    """The name by which rules call a field."""
    if name in _RESERVED:
        return f"__{name}__"
    text = name.replace("__", "__underscores__")
    for mark, word in ((".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        text = text.replace(mark, word)
    return text


def _typed(text: str, kind: str) -> Any:
    """Times, durations and bytes as the CEL runtime takes them; a text that is none stays a text."""
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

    try:
        if kind == "byte":
            return base64.b64decode(text, validate=True)
        if kind == "duration":
            length = Duration()
            length.FromNanoseconds(round(parse_duration(text) * 1e9))
            return length
        moment = Timestamp()
        moment.FromJsonString(text if kind == "date-time" else f"{text}T00:00:00Z")
    except ValueError:
        return text
    return moment
