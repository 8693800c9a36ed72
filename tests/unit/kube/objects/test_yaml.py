"""YAML as Go reads it: against 61 answers of real Go, against Go itself, and at the limits."""

import json
from pathlib import Path

import helm_python
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from tests.effort import CHARACTERS, examples

CASES = json.loads((Path(__file__).parents[3] / "golden" / "go_yaml_cases.json").read_text())

MORE = [
    "a: {b: 2, <<: {b: 1}}",
    "a: {<<: {b: 1}, b: 2}",
    "a: {<<: [{b: 1},{b: 2}]}",
    "1e3: a",
    "1e6: a",
    "1234567.5: a",
    "0.00001: a",
    "a: 1e400",
    "a: !!int abc",
    "a: ! 12",
    "a: !!binary '?'",
    "a: !!str",
    "a: !!null x",
    "a: 0x",
    "a: 0xffffffffffffffffff",
    "a: -0b11",
    "a: 0b102",
    "a: 1_",
    "a: 0o78",
    "a: - 1",
    "a: !!int '12'",
    "0x10: q",
    "018446744073709551615: a",
    "a: &x 1\nb: *x",
    "a: *x",
    "a: &x {b: *x}",
    "b: {<<: 1}",
    "? {a: 1}\n: b",
    "a: 1²",
    "a: 1٣",
    "a: ++1",
]


def go(text: str):
    """What Go's sigs.k8s.io/yaml makes of it, through Helm's own reader; an error is `Error`."""
    try:
        return helm_python.chart.values_from_yaml(text)
    except helm_python.HelmError:
        return {"Error": True}


def ours(text: str):
    try:
        return yaml.load(text)
    except InvalidInput:
        return {"Error": True}


def same(mine, theirs) -> bool:
    """Equal but for integers that the oracle had to squeeze through a float."""
    if isinstance(theirs, dict) and "Error" in theirs:
        return mine == {"Error": True}
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(same(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if isinstance(mine, bool) or isinstance(theirs, bool):
        return mine is theirs
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return float(mine) == float(theirs)
    return type(mine) is type(theirs) and mine == theirs


@pytest.mark.parametrize("name", CASES)
def test_reads_as_go_did(name):
    text, want = CASES[name]
    assert same(ours(text), want)


@pytest.mark.parametrize("text", MORE)
def test_reads_as_go_does(text):
    assert same(ours(text), go(text))


def test_integers_stay_exact():
    assert yaml.load("a: 9223372036854775807\nb: 18446744073709551615") == {"a": 2**63 - 1, "b": 2**64 - 1}
    assert type(yaml.load("a: 1.0")["a"]) is int


def test_documents_know_their_line():
    text = "# head\n---\na: 1\n---\n\n# note\nb: 2\n---\n"
    assert [(d.value, d.line) for d in yaml.load_all_located(text)] == [({"a": 1}, 3), ({"b": 2}, 7), (None, 9)]


def test_bytes_with_a_byte_order_mark():
    assert yaml.load_all("\ufeffa: ü".encode()) == [{"a": "ü"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: [", "line 3"),
        ("a:\n\tb: 1", "line 2, column 1"),
        ("a: 1\nb: .inf", "line 2, column 4"),
        ("x: 1\n\n? [1]\n: 2", "line 3"),
        (b"a: 1\nb: \xff", "line 2"),
        ("a: \x07", "not readable"),
        ("[" * 1000, "nested deeper"),
    ],
)
def test_refusals_say_where(text, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        yaml.load_all(text)
    assert caught.value.reason == "InvalidYAML"


def test_a_billion_laughs_are_refused():
    lines = ["a: &a [l, l, l, l, l, l, l, l, l, l]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(InvalidInput, match="aliases expand"):
        yaml.load("\n".join(lines))


def test_aliases_are_copies():
    value = yaml.load("a: &a {k: [1]}\nb: *a")
    assert value["a"] == value["b"]
    assert value["a"]["k"] is not value["b"]["k"]


def test_anchors_end_with_their_document():
    with pytest.raises(InvalidInput, match="unknown anchor"):
        yaml.load_all("a: &a 1\n---\nb: *a")


AMBIGUOUS = [
    "y",
    "N",
    "on",
    "1e3",
    "0o7",
    "007",
    "12:30:45",
    "2024-01-02",
    "=",
    "<<",
    "",
    "~",
    ".inf",
    "+1",
    "0x1F",
    "a: b",
    "- a",
    "#",
]


@pytest.mark.parametrize("text", [*AMBIGUOUS, "two\nlines\n", "trailing \n", "ü😀", "x" * 300, "word " * 60])
def test_go_reads_back_the_string_that_was_written(text):
    assert go(yaml.dump({"a": text})) == {"a": text}


def test_dump_sorts_keys_as_go():
    assert yaml.dump({"b": [{"y": "on"}], "a": {"z": None, "c": 0.5}}) == 'a:\n  c: 0.5\n  z: null\nb:\n- "y": "on"\n'


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(CHARACTERS, max_size=12) | st.sampled_from(AMBIGUOUS)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS, max_size=6), inner, max_size=4)
)


@settings(max_examples=examples(200), deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert yaml.load(yaml.dump(value)) == value
