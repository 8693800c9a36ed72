"""Selectors: text and structured form, matching, and the API server's own error texts."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.selectors import (
    EVERYTHING,
    NOTHING,
    label_selector_of,
    matches_labels,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "n": "3", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web , tier=front", True),
        ("app=api", False),
        ("app!=web", False),
        ("missing!=x", True),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api)", True),
        ("missing notin (api)", True),
        ("missing in (api)", False),
        ("app", True),
        ("!app", False),
        ("! missing", True),
        ("n>2", True),
        ("n<3", False),
        ("app>2", False),
        ("empty=", True),
        ("empty=,app", True),
        ("empty in (,x)", True),
        ("in in (in)", False),
        ("example.com/app!=x", True),
    ],
)
def test_text_form_matches(text: str, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app=(", "unable to parse requirement: found '(', expected: identifier"),
        ("=web", "found '=', expected: !, identifier, or 'end of string'"),
        ("app=web,", "found '', expected: identifier after ','"),
        ("app in web", "unable to parse requirement: found 'web' expected: '('"),
        ("app foo", "unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt"),
        ("app=web tier=x", "found 'tier', expected: ',' or 'end of string'"),
        ("a in (b", "unable to parse requirement: found '', expected: ',', or ')'"),
        ("n>x", "must be an integer"),
        ("-bad=x", "not a label key"),
        ("a=-bad", "not a label value"),
    ],
)
def test_parse_errors_read_like_the_servers(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_label_selector(text)
    assert message in caught.value.message
    assert caught.value.reason == "BadRequest"


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        (None, LABELS, False),
        ({}, LABELS, True),
        ({"matchLabels": {"app": "web"}}, LABELS, True),
        ({"matchLabels": {"app": "web", "x": "y"}}, LABELS, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, LABELS, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, LABELS, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}, LABELS, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, LABELS, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, LABELS, False),
        ({"matchLabels": {"app": "web"}}, None, False),
    ],
)
def test_structured_form_matches(selector: dict | None, labels: dict | None, matches: bool) -> None:
    assert label_selector_of(selector).matches(labels) is matches


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Equals", "values": ["x"]},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
    ],
)
def test_structured_form_refuses(expression: dict) -> None:
    with pytest.raises(InvalidInput):
        label_selector_of({"matchExpressions": [expression]})


@pytest.mark.parametrize("text", ["app=web", "!a,b in (x,y),c,d notin (z),e!=f,g>3"])
def test_text_form_survives_a_round_trip(text: str) -> None:
    once = parse_label_selector(text)
    assert parse_label_selector(str(once)) == once


def test_both_forms_are_one_value() -> None:
    structured = {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}
    assert label_selector_of(structured) == parse_label_selector("a=1,c,b=2")
    assert EVERYTHING.is_everything and not NOTHING.is_everything


def test_a_service_without_selector_selects_nothing() -> None:
    assert not matches_labels({}, LABELS)
    assert not matches_labels(None, LABELS)
    assert matches_labels({"app": "web"}, LABELS)
    assert not matches_labels({"app": "web", "tier": "back"}, LABELS)


POD = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "hostNetwork": True}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=p", True),
        ("spec.nodeName==n1,status.phase!=Pending", True),
        ("spec.nodeName=", False),
        ("spec.schedulerName=", True),
        ("status.phase=Pending", False),
        ("spec.hostNetwork=true", True),
    ],
)
def test_field_selectors(text: str, matches: bool) -> None:
    assert parse_field_selector(text).matches(POD) is matches


def test_field_selectors_escape_and_pin() -> None:
    selector = parse_field_selector(r"message=a\,b\=c,metadata.name=p,x!=y")
    assert selector.required("message") == "a,b=c"
    assert selector.required("metadata.name") == "p"
    assert selector.required("x") is None
    assert selector.paths == ("message", "metadata.name", "x")
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize("text", ["metadata.name", "=x", r"a=\x"])
def test_field_selectors_refuse(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_field_selector(text)
