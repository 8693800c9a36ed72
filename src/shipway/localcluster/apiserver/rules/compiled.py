"""From a CRD's schema to its rules: a tree with nodes only where a rule stands or stands below."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.schema import Schema
from shipway.localcluster.apiserver.problems import FieldProblem, go_value, invalid_value, not_supported, required
from shipway.localcluster.apiserver.rules.language import Old, Program, compiled

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_KEY = "x-kubernetes-validations"
_OLD_SELF = re.compile(r"\boldSelf\b")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\['((?:[^'\\]|\\.)*)'\]")


class Rule(Struct, frozen=True):
    """One rule, compiled. `where` is what its `fieldPath` adds to the path of the value."""

    program: Program
    text: str
    message: str
    message_program: Program | None
    reason: str
    where: str

    @property
    def sees_old(self) -> bool:
        return bool(_OLD_SELF.search(self.text))


class RuleNode(Struct, frozen=True, eq=False):
    """The rules of one value, and the nodes below it."""

    schema: Schema
    rules: tuple[Rule, ...]
    properties: Mapping[str, "RuleNode"]
    additional: "RuleNode | None"
    items: "RuleNode | None"


def rule_tree(raw: Obj, schema: Schema) -> RuleNode | None:
    """The tree of a schema, None if it has no rules. A rule that does not compile is left out: a stored definition has none."""
    children = {
        name: node
        for name, child in (raw.get("properties") or {}).items()
        if name in schema.properties and (node := rule_tree(child, schema.properties[name])) is not None
    }
    below = raw.get("additionalProperties")
    additional = rule_tree(below, schema.additional) if isinstance(below, dict) and schema.additional else None
    items = rule_tree(raw["items"], schema.items) if isinstance(raw.get("items"), dict) and schema.items else None
    rules = tuple(_rule(given, raw) for given in raw.get(_KEY) or () if not list(_rule_problems(given, raw, "")))
    if not rules and not children and additional is None and items is None:
        return None
    return RuleNode(schema, rules, children, additional, items)


def _rule(given: Obj, raw: Obj) -> Rule:
    text = given["rule"]
    expression = given.get("messageExpression")
    return Rule(
        program=compiled(text, _old_of(given)),
        text=text.strip(),
        message=(given.get("message") or "").strip(),
        message_program=compiled(expression, _old_of({**given, "rule": expression})) if expression else None,
        reason=given.get("reason") or "FieldValueInvalid",
        where=_field_path(given.get("fieldPath") or "", raw) or "",
    )


def _old_of(given: Obj) -> Old:
    if given.get("optionalOldSelf"):
        return Old.OPTIONAL
    return Old.PLAIN if _OLD_SELF.search(given["rule"]) else Old.NONE


def _field_path(path: str, raw: Obj) -> str | None:
    """`fieldPath` as it is added to a path; None if it leads nowhere."""
    said, at = "", 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        name, at = step[1] or step[2].replace("\\'", "'"), step.end()
        is_field = bool(raw.get("properties"))
        below = raw["properties"].get(name) if is_field else raw.get("additionalProperties")
        if not isinstance(below, dict):
            return None
        raw, said = below, f"{said}.{name}" if is_field else f"{said}[{name}]"
    return said


def definition_problems(raw: Obj, path: str = "", uncorrelatable: str = "") -> Iterator[FieldProblem]:
    """What is wrong with the rules of a schema; paths are relative to it. `uncorrelatable`: where a list above has no keys."""
    for index, given in enumerate(raw.get(_KEY) or ()):
        where = f"{path}{_KEY}[{index}]"
        yield from _rule_problems(given, raw, where)
        if uncorrelatable and _OLD_SELF.search(given.get("rule") or "") and not given.get("optionalOldSelf"):
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            yield invalid_value(f"{where}.rule", given["rule"], text)
    for name, child in (raw.get("properties") or {}).items():
        yield from definition_problems(child, f"{path}properties[{name}].", uncorrelatable)
    if isinstance(raw.get("additionalProperties"), dict):
        yield from definition_problems(raw["additionalProperties"], f"{path}additionalProperties.", uncorrelatable)
    if isinstance(raw.get("items"), dict):
        loose = uncorrelatable or ("" if raw.get("x-kubernetes-list-type") == "map" else path.rstrip(".") or "items")
        yield from definition_problems(raw["items"], f"{path}items.", loose)


def _rule_problems(given: Obj, raw: Obj, where: str) -> Iterator[FieldProblem]:
    rule, message, reason = given.get("rule") or "", given.get("message"), given.get("reason")
    if not rule.strip():
        yield required(f"{where}.rule", "rule is not specified")
        return
    if message is not None and not message.strip():
        yield invalid_value(f"{where}.message", message, "must be non-empty if specified")
    elif message and "\n" in message.strip():
        yield invalid_value(f"{where}.message", message, "must not contain line breaks")
    elif not message and "\n" in rule.strip():
        yield required(f"{where}.message", "message must be specified if rule contains line breaks")
    if reason and reason not in REASONS:
        yield not_supported(f"{where}.reason", reason, REASONS)
    if (path := given.get("fieldPath")) and _field_path(path, raw) is None:
        text = "fieldPath must be a valid path: does not refer to a valid field"
        yield invalid_value(f"{where}.fieldPath", path, text)
    if given.get("optionalOldSelf") and not _OLD_SELF.search(rule):
        yield invalid_value(f"{where}.optionalOldSelf", True, "may not be set if oldSelf is not used in rule")
    yield from _compile_problems(given, where)


def _compile_problems(given: Obj, where: str) -> Iterator[FieldProblem]:
    for field, wanted in (("rule", "bool"), ("messageExpression", "string")):
        text = given.get(field)
        if not text:
            continue
        try:
            program = compiled(text, _old_of({**given, "rule": text}))
        except InvalidInput as error:
            yield FieldProblem(f"{where}.{field}", "FieldValueInvalid", f"Invalid value: {go_value(given)}: {error.message}")
            continue
        if program.type not in (wanted.upper(), "DYN"):
            what = (
                "cel expression must evaluate to a bool" if field == "rule" else "messageExpression must evaluate to a string"
            )
            yield FieldProblem(f"{where}.{field}", "FieldValueInvalid", f"Invalid value: {go_value(given)}: {what}")
