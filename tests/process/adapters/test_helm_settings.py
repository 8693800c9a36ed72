"""`--set` against real Helm's own parser."""

from typing import Any

import helm_python
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.adapters.helm.integers import integers_in
from shipway.adapters.helm.setting import escape_commas, set_value
from shipway.base.errors import InvalidInput
from tests.effort import examples

EXPRESSIONS = [
    "a=1", "a=", "a=true", "a=TRUE", "a=null", "a=0", "a=007", "a=-5", "a=1.5", "a=99999999999999999999", "a.b.c=x",
    "a.b=1,a.c=2", "a={x,y}", "a={}", "a={1,true}", "a={x,}", "a={,x}", "a[0]=x", "a[1].b=y", "a[0][1]=z", "a=x\\,y",
    "a\\.b=c", "a=x=y", "a.b[0].c=1", "a={x,y},b=1", "a", "a.b", ".a=1", "a[x]=1", "a[-1]=1", "a={x", "a[0]", "a[0]b=1",
    "a[99999]=1", ",a=1", "a=1,", "a={a\\,b}",
]  # fmt: skip


def ours(expression: str, force_string: bool = False):
    values: dict = {}
    try:
        set_value(values, expression, force_string=force_string)
    except InvalidInput:
        return "refused"
    return values


def theirs(parse, expression: str):
    try:
        return parse(expression)
    except helm_python.HelmError:
        return "refused"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_helm_reads_it(expression):
    assert ours(expression) == theirs(helm_python.parse_set_string, expression)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_strings_as_helm_reads_them(expression):
    assert ours(expression, force_string=True) == theirs(helm_python.parse_set_string_values, expression)


NAMES = st.from_regex(r"[ab]{1,2}(\\\.c)?(\[[0-2]\])?", fullmatch=True, alphabet="abc.\\[]012")
PLACES = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
PLAIN = st.text(alphabet="ab01-.t\\= ", min_size=1, max_size=6)  # Helm loses an empty value at the end
SETTINGS = st.tuples(PLACES, PLAIN | st.lists(PLAIN, max_size=3).map(lambda items: "{" + ",".join(items) + "}"))


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(st.lists(SETTINGS, min_size=1, max_size=3))
def test_any_settings_as_helm_reads_them(parts):
    expression = ",".join(f"{place}={value}" for place, value in parts)
    assert ours(expression) == theirs(helm_python.parse_set_string, expression)


@given(st.text(alphabet="ab=.,[]{}\\01t", max_size=12))
def test_any_text_is_read_or_refused(expression):
    assert isinstance(ours(expression), dict | str)


def test_into_what_is_there():
    values = {"a": {"x": 1, "list": [{"n": 1}, {"n": 2}]}, "b": None}
    set_value(values, "a.list[1].n=3,a.y=2,b.c=4")
    assert values == {"a": {"x": 1, "y": 2, "list": [{"n": 1}, {"n": 3}]}, "b": {"c": 4}}
    with pytest.raises(InvalidInput, match="1 stands there already, not a map"):
        set_value(values, "a.x.z=1")


def test_commas_of_a_parameter_belong_to_its_value():
    assert [escape_commas(v) for v in ("a,b", "{a,b}", "a\\,b", ",")] == ["a\\,b", "{a,b}", "a\\,b", "\\,"]


def test_whole_numbers_are_remembered_where_they_stand() -> None:
    values: dict[str, Any] = {"file": 7, "list": [1]}
    for expression in ("a.b=1", "list[1].n=2", "text=x", "many={3,y,4}", "zero=0"):
        set_value(values, expression)
    set_value(values, "forced=5", force_string=True)
    wanted = {"a": {"b": "1"}, "list": {"1": {"n": "2"}}, "many": {"0": "3", "2": "4"}, "zero": "0"}
    assert integers_in(values) == wanted
