"""CEL rules: what the contract table does not ask. They end in time, names are escaped, kinds without rules have none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kube.objects.schema import crd_schema
from shipway.localcluster.apiserver.rules.compiled import definition_problems, rule_tree
from shipway.localcluster.apiserver.rules.judge import Verdicts, escaped, judge
from shipway.localcluster.apiserver.rules.language import TOO_COSTLY, Old, compiled, costs_too_much

LIST = {"type": "array", "items": {"type": "integer"}}
TEXT = {"type": "string"}


def judged(field: dict[str, Any], value: Any, live: Any = None) -> Verdicts:
    """What the rules of one field say."""
    raw = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": field}}}}
    tree = rule_tree(raw, crd_schema(raw))
    assert tree is not None
    return judge(tree, {"spec": {"x": value}}, None if live is None else {"spec": {"x": live}})


def rule(schema: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": text, **more}]}


RUNAWAYS = {
    "nested loops": (LIST, "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))", list(range(300))),
    "a text that squares": (TEXT, "self.replace('a', self).replace('a', self).size() > 0", "a" * 5_000),
    "a text that doubles": (TEXT, "[self]" + ".map(x, x + x)" * 12 + ".size() > 0", "a" * 500_000),
    "long texts in loops": (
        {**TEXT, "maxLength": 3_000_000},
        "[1, 2].all(a, [1, 2].all(b, self.matches('(a?){20}b')))",
        "a" * 2_900_000,
    ),
}


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_runaway_rule_ends_and_no_further_one_is_run(name: str) -> None:
    schema, text, value = RUNAWAYS[name]
    field = rule(schema, text)
    field["x-kubernetes-validations"].append({"rule": "false", "message": "never asked"})
    found = judged(field, value)
    assert [problem.field for problem in found.problems] == ["spec.x"]
    assert TOO_COSTLY in found.problems[0].message


def test_rules_of_ordinary_size_are_asked() -> None:
    assert not costs_too_much("self.all(x, x.matches('^a+$'))", 100_000)
    sums = " + ".join(f"(self.size() > {n} ? self[{n}].matches.size() : 0)" for n in range(16))
    assert not costs_too_much(f"{sums} <= 128", 2_000_000)
    assert not costs_too_much("self.a + self.b == self.c.replace('-', '_')", 10_000)


def test_a_kind_without_rules_has_no_tree() -> None:
    raw = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": TEXT}}}}
    assert rule_tree(raw, crd_schema(raw)) is None


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("plain", "plain"),
        ("namespace", "__namespace__"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("__x", "__underscores__x"),
    ],
)
def test_fields_are_called_by_escaped_names(name: str, called: str) -> None:
    assert escaped(name) == called
    field = rule({"type": "object", "properties": {name: TEXT}}, f"self.{called} == 'v'")
    assert judged(field, {name: "v"}).problems == []
    assert judged(field, {name: "w"}).problems


def test_times_and_bytes_have_their_types_below_the_field_too() -> None:
    field = {
        "type": "object",
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "for": {"type": "string", "format": "duration"},
            "raw": {"type": "string", "format": "byte"},
        },
    }
    said = "self.at < timestamp('2027-01-01T00:00:00Z') && self.__for__ <= duration('90s') && size(self.raw) == 2"
    assert judged(rule(field, said), {"at": "2026-01-01T00:00:00Z", "for": "1m30s", "raw": "YWI="}).problems == []


def test_what_did_not_change_is_only_warned_of() -> None:
    field = rule({"type": "integer"}, "self > 2", message="too small")
    assert judged(field, 1, live=1) == Verdicts([], ["spec.x: Invalid value: 1: too small"])
    assert judged(field, 2, live=1).problems


def test_an_unknown_function_is_refused_by_name() -> None:
    (problem,) = definition_problems(rule(LIST, "semver('1.2.3').major() == 1"))
    assert problem.field == "x-kubernetes-validations[0].rule"
    assert "semver" in problem.message


@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31))
def test_a_transition_says_what_python_says(before: int, after: int) -> None:
    program = compiled("self >= oldSelf", Old.PLAIN)
    assert program.evaluate(after, before) is (after >= before)
