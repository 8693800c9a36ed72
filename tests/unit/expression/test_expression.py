"""Conditions as Argo Rollouts users write them, and what must be refused rather than guessed."""

import math
import re
from typing import Any

import pytest

from shipway.base.clock import Instant
from shipway.expression import ExpressionError, evaluate, evaluate_condition

NAN = math.nan

TABLE = [
    ("result <= 0.05", 0.04, True),
    ("result <= 0.05", 0.3, False),
    ("result == 1", 1.0, True),
    ("result[0] >= 0.95", [0.99], True),
    ("all(result, {# < 5})", [1, 2, 3], True),
    ("all(result, # < 3)", [1, 2, 3], False),
    ("any(result, {# > 2}) and len(result) == 3", [1, 2, 3], True),
    ("none(result, {# > 3})", [1, 2, 3], True),
    ("one(result, {# > 2})", [1, 2, 3], True),
    ("count(result, {# % 2 == 1}) == 2", [1, 2, 3], True),
    ("result.failed / result.total <= 0.05", {"failed": 1, "total": 100}, True),
    ("result.a.b == 'x' || result.a?.c?.d == nil", {"a": {"b": "y"}}, True),
    ("result?.a?.b.c == nil", {}, True),
    ("(result.missing ?? 7) == 7", {}, True),
    ("isNaN(result) || result < 1", NAN, True),
    ("isNaN(result)", 0.5, False),
    ("isInf(result)", math.inf, True),
    ("default(result, 0) < 1", None, True),
    ("isNil(result)", None, True),
    ("len(result) == 0 or result[0] < 1", [], True),
    ("asFloat(result.value) > 0.5", {"value": "0.75"}, True),
    ("asInt('42') == 42", None, True),
    ("result matches '^v[0-9]+$'", "v12", True),
    ("not (result contains 'err')", "fine", True),
    ("result startsWith 'a' && result endsWith 'c'", "abc", True),
    ("'b' in result and 'z' not in result", ["a", "b"], True),
    ("'k' in result", {"k": 1}, True),
    ("1 / 2 == 0.5", None, True),
    ("7 % 4 == 3 and -7 % 4 == -3", None, True),
    ("2 ** 3 ** 2 == 512", None, True),
    ("2 + 3 * 4 - 1 == 13", None, True),
    ("-2 ** 2 == -4", None, True),
    ("result > 1 ? false : true", 1, True),
    ("3 in 1..5", None, True),
    ("sum(result[1:3]) == 5", [1, 2, 3, 4], True),
    ("sum(map(result, {#.n})) == 3", [{"n": 1}, {"n": 2}], True),
    ("filter(result, {.ok})[0].n == 2", [{"ok": False, "n": 1}, {"ok": True, "n": 2}], True),
    ("result | filter(# > 1) | len() == 2", [1, 2, 3], True),
    ("reduce(result, #acc + #, 0) == 6", [1, 2, 3], True),
    ("let x = result * 2; x > 5", 3, True),
    ("{'a': 1}.a == 1", None, True),
    ("max(1, 5, 3) == 5 and min(result) == 1", [2, 1], True),
    ("mean(result) == 2.0 and median(result) == 2", [1, 2, 3], True),
    ("true == (1 == 1.0)", None, True),
    ("result.a == true", {"a": 1.0}, False),
    ("result.a == 'x' or result.b == nil", {"a": 1.0}, True),
    ("now() - duration('1m') < now()", None, True),
    ("now() + duration('1h') - now() == duration('60m')", None, True),
    ("1e3 == 1000 and 0x10 == 16 and 1_000 == 1000", None, True),
    ("upper(trim(' ab ')) == 'AB'", None, True),
    ("findIndex(result, # == 2) == 1", [1, 2], True),
    ("round(2.5) == 3 and floor(-1.5) == -2 and ceil(1.2) == 2", None, True),
    ("1 / 0 > 10 and isInf(-1 / 0) /* comment */", None, True),
]


@pytest.mark.compat("rollouts:metric.conditions")
@pytest.mark.parametrize(("expression", "result", "expected"), TABLE)
def test_conditions(expression, result, expected) -> None:
    assert evaluate_condition(expression, result) is expected


REFUSED = [
    ("result < 'a'", 1, "mismatched types int and string"),
    ("result", 1, "expected bool, but got int"),
    ("result + 1", 1, "expected bool"),
    ("result.x.y == 1", {}, "cannot fetch y from <nil>"),
    ("result[3] > 1", [1], "index out of range: 3"),
    ("result < 1", [1.0], "mismatched types []float64 and int"),
    ("result < 1", None, "mismatched types nil and int"),
    ("unknown(result)", 1, "unknown name unknown"),
    ("resul > 1", 1, "unknown name resul"),
    ("result >", 1, "unexpected end of the expression"),
    ("result > 1 )", 1, "unexpected ')'"),
    ("result and true", 1, "mismatched types int and bool"),
    ("result == 'x'", 1.0, "invalid operation: == (mismatched types float64 and string)"),
    ("true || result == 'x'", 1.0, "invalid operation: == (mismatched types float64 and string)"),
    ("len(result) == 0 || result[0] == 'x'", [1.0], "invalid operation: == (mismatched types float64 and string)"),
    ("result == 1", [1.0], "invalid operation: == (mismatched types []float64 and int)"),
    ("result == 1", {}, "invalid operation: == (mismatched types map[string]interface {} and int)"),
    ("result % 2 == 0", 4.0, "invalid operation: % (mismatched types float64 and int)"),
    ("result.x > 1", 0.5, "type float64 has no field x"),
    ("result[0] > 1", 0.5, "type float64[int] is undefined"),
    ("result[0.5] > 1", [1.0], "array elements can only be selected using an integer (got float64)"),
    ("isNaN(result)", [1.0], "cannot use []float64 as argument"),
    ("len(result) > 1", 1.0, "invalid argument for len (type float64)"),
    ("any(result, {# > 'a'})", [1.0], "mismatched types float64 and string"),
    ("all(result, {# + 1})", [1.0], "predicate should return boolean (got float64)"),
    ("not result", 1.0, "invalid operation: not (mismatched type float64)"),
    ("result ? true : false", 1.0, "non-bool expression"),
    ("result.a < 1", {}, "mismatched types nil and int"),
    ("first(result) == 1", 1.0, "cannot get first element from float64"),
    ("now() < 1", None, "mismatched types time.Time and int"),
    ("duration('soon') == duration('1m')", None, "invalid duration"),
    ("all(result, {# > 1})", 5, "takes only array"),
    ("repeat('a', 100000000) == ''", None, "more than"),
    ("len(1..100000000) > 0", None, "a range of more than"),
    ("result matches '(?=x)'", "x", "bad regular expression"),
    ("(" * 500 + "true" + ")" * 500, None, "nested deeper"),
    ("5 % 0 == 1", None, "divide by zero"),
    ("result ~ 2", 1, "unexpected character '~'"),
]


@pytest.mark.parametrize(("expression", "result", "message"), REFUSED)
def test_what_cannot_be_evaluated_is_an_error_with_its_place(expression, result, message) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_condition(expression, result)
    assert message in caught.value.message


def test_an_endless_closure_runs_out_of_steps() -> None:
    with pytest.raises(ExpressionError, match="steps"):
        evaluate_condition("all(1..1000, {all(1..1000, {# > 0})})", None)


@pytest.mark.parametrize(
    "expression",
    [
        "let a = repeat('x', 900000); let b = a + a; let c = b + b; let d = c + c; let e = d + d; len(e) > 0",
        "all(result, # in result)",
        "all(result, sum(result) > 0)",
        "len(map(1..30000, 1..1000000)) > 0",
        "let a = 1..900000; let b = concat(a, a); len(b) > 0",
        "len(replace(repeat('x', 900000), '', repeat('y', 900000))) > 0",
        "len(join(map(1..3000, repeat('x', 900000)), '')) > 0",
    ],
)
def test_what_would_eat_the_machine_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate_condition(expression, [float(number) for number in range(200_000)])


def test_integers_wrap_around_as_in_go() -> None:
    assert evaluate_condition("9223372036854775807 + 1 < 0 and 9223372036854775807 * 2 == -2", None)


def test_the_first_of_each_is_kept() -> None:
    assert evaluate_condition("len(uniq(result)) == 4", [1, 1.0, True, [1], [1], "1"])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("time.Now().Sub(time.Parse(app.at)).Minutes() >= 5", True),
        ("time.Parse(app.at).Add(1 * time.Minute).Before(time.Parse('2026-11-18T15:06:40Z'))", True),
        ("time.Parse(app.at).Add(time.Hour * 2).After(time.Now())", True),
        ("time.Parse(app.at).Unix()", 1795014000),
        ("(time.Now().Sub(time.Parse(app.at))).Seconds()", 600.0),
        ("strings.ToUpper(app.name) + strings.ReplaceAll(app.name, 'o', 'i')", "SHOPship"),
        ("repo.FullNameByRepoURL(app.url)", "team/shop"),
        ("repo.RepoURLToHTTPS(app.url)", "https://git.example/team/shop.git"),
        ("app.nothing?.syncResult?.revision", None),
    ],
)
def test_expressions_over_names_may_call_the_library(expression: str, value: Any) -> None:
    app = {"at": "2026-11-18T15:00:00Z", "name": "shop", "url": "ssh://git@git.example/team/shop.git"}
    assert evaluate(expression, {"app": app}, Instant(1795014600.0)) == value


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("app.name.upper()", "string has no function upper"),
        ("time.Format('x')", "map has no function Format"),
        ("time.Parse(3)", "time.Parse takes a text, not int"),
        ("time.Parse('yesterday')", "not an RFC 3339 time"),
        ("time.Now().Add(3)", "cannot evaluate"),
    ],
)
def test_what_cannot_be_called_is_refused(expression: str, told: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(told)):
        evaluate(expression, {"app": {"name": "shop"}}, Instant(1795014600.0))


def test_a_condition_on_a_result_calls_no_fields() -> None:
    with pytest.raises(ExpressionError, match="cannot call a field at 8"):
        evaluate_condition("result.len() > 3", {"len": 4})
