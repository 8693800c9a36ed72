"""RFC 7386 and RFC 6902 on Kubernetes objects."""

from typing import Any

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import MAX_OPERATIONS, json_patch, merge_diff, merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj

# The table of RFC 7386, appendix A, as far as target and patch are objects.
MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ({"a": "x"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
]


@pytest.mark.parametrize(("target", "patch", "expected"), MERGES)
def test_merge_patch(target: Any, patch: Any, expected: Any) -> None:
    before = copy_obj(target)
    assert merge_patch(target, patch) == expected
    assert target == before


@pytest.mark.parametrize("patch", [None, [], "x", 3])
def test_a_merge_patch_must_be_an_object(patch: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge_patch({"a": 1}, patch)
    assert caught.value.reason == "BadRequest"


def test_results_share_nothing_with_their_inputs() -> None:
    target, patch = {"a": {"b": [1]}}, {"c": {"d": [2]}}
    merged = merge_patch(target, patch)
    merged["a"]["b"].append(3)
    merged["c"]["d"].append(3)
    value = [1]
    patched = json_patch(target, [{"op": "add", "path": "/x", "value": value}])
    patched["x"].append(2)
    patched["a"]["b"].append(2)
    assert (target, patch, value) == ({"a": {"b": [1]}}, {"c": {"d": [2]}}, [1])


PATCHES: list[tuple[Any, list[Any], Any]] = [
    ({"a": 1}, [{"op": "add", "path": "/b", "value": {"c": None}}], {"a": 1, "b": {"c": None}}),
    ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
    ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
    ({"a/b": 1, "~": 2}, [{"op": "replace", "path": "/a~1b", "value": 3}, {"op": "remove", "path": "/~0"}], {"a/b": 3}),
    ({"a": {"x": 1}}, [{"op": "move", "from": "/a/x", "path": "/b"}], {"a": {}, "b": 1}),
    ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
    ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}, {"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
]


@pytest.mark.parametrize(("target", "ops", "expected"), PATCHES)
def test_json_patch(target: Any, ops: list[Any], expected: Any) -> None:
    before = copy_obj(target)
    assert json_patch(target, ops) == expected
    assert target == before


REFUSED: list[tuple[Any, str]] = [
    ({"op": "add"}, "BadRequest"),
    (["x"], "BadRequest"),
    ([{"op": "remove", "path": "/no"}], "Invalid"),
    ([{"op": "replace", "path": "/no/x", "value": 1}], "Invalid"),
    ([{"op": "test", "path": "/a", "value": 2}], "Invalid"),
    ([{"op": "dance", "path": "/a"}], "Invalid"),
    ([{"op": "add", "path": "/a"}], "Invalid"),
    ([{"op": "add", "path": "/l/9", "value": 1}], "Invalid"),
    ([{"op": "replace", "path": "", "value": 1}], "Invalid"),
    ([{"op": "test", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1), "RequestEntityTooLarge"),
]


@pytest.mark.parametrize(("ops", "reason"), REFUSED)
def test_json_patch_refuses(ops: Any, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        json_patch({"a": 1, "l": []}, ops)
    assert caught.value.reason == reason
    if reason == "Invalid":
        assert caught.value.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"c": 3}}, {"a": None, "b": {"c": 3, "d": None}}),
        ({"l": [1]}, {"l": [1, 2]}, {"l": [1, 2]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_the_smallest_merge_patch(old: Obj, new: Obj, patch: Obj) -> None:
    assert merge_diff(old, new) == patch
    assert merge_patch(old, patch) == new
