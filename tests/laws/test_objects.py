"""Laws of patches, field sets and server-side apply over generated objects."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.base.clock import Instant
from shipway.kube.objects.apply import ApplyConflict, Writer, record_update, server_side_apply
from shipway.kube.objects.field_sets import (
    FieldSet,
    covers,
    difference,
    intersection,
    is_member,
    uncovered,
    union,
    without_subtrees,
)
from shipway.kube.objects.managed_fields import decode
from shipway.kube.objects.patches import alters, json_patch, merge_patch
from shipway.kube.objects.schema import DEDUCED, Schema, builtin_schema
from shipway.kube.objects.strategic import strategic_merge
from shipway.kube.objects.typed_compare import whole
from shipway.kube.objects.typed_merge import merge
from shipway.kube.objects.views import copy_obj
from tests.effort import examples

Obj = dict[str, Any]

KEYS = st.sampled_from("abc")
SCALARS = st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from("xyz"))
TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2), max_leaves=8
)
OBJECTS = st.dictionaries(KEYS, TREES, max_size=3)
LEAVES = st.fixed_dictionaries({}, optional={"s": SCALARS, "t": SCALARS, "list": st.lists(SCALARS, min_size=1, max_size=2)})
MAPS = st.recursive(
    LEAVES, lambda inner: st.fixed_dictionaries({}, optional={"s": SCALARS, "map": inner, "other": inner}), max_leaves=6
)
FREE_SPECS = MAPS.map(lambda spec: {"always": 1, **spec}).map(lambda spec: _full(spec))
"""Free-form, but a key keeps its shape and nothing is empty: a real server makes null of a map that an apply empties but keeps,
and of a map that an apply turns into a list."""


def _full(value: Any) -> Any:
    """Without empty maps."""
    if not isinstance(value, dict):
        return value
    return {key: child for key, child in ((key, _full(child)) for key, child in value.items()) if child != {}}


PATCHES = st.dictionaries(
    KEYS, st.recursive(SCALARS | st.none(), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6), max_size=3
)


# --- patches ---------------------------------------------------------------------------------------------------------------


@given(OBJECTS)
def test_an_empty_merge_patch_changes_nothing(obj: Obj) -> None:
    assert merge_patch(obj, {}) == obj


@given(OBJECTS, PATCHES)
def test_a_merge_patch_applied_twice_is_applied_once(obj: Obj, patch: Obj) -> None:
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once


@given(OBJECTS, PATCHES)
def test_a_patch_alters_what_its_result_differs_from(obj: Obj, patch: Obj) -> None:
    assert alters(obj, patch) == (merge_patch(obj, patch) != obj)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_leads_from_any_object_to_any_other(a: Obj, b: Obj) -> None:
    assert merge_patch(a, _diff(a, b)) == b


def _diff(a: Obj, b: Obj) -> Obj:
    patch: Obj = {key: None for key in a if key not in b}
    for key, value in b.items():
        both = isinstance(value, dict) and isinstance(a.get(key), dict)
        patch[key] = _diff(a[key], value) if both else value
    return patch


@given(OBJECTS, KEYS, TREES)
def test_what_a_json_patch_adds_another_removes(obj: Obj, key: str, value: Any) -> None:
    obj.pop(key, None)
    added = json_patch(
        obj, [{"op": "add", "path": f"/{key}", "value": value}, {"op": "test", "path": f"/{key}", "value": value}]
    )
    assert added == {**obj, key: value}
    assert json_patch(added, [{"op": "remove", "path": f"/{key}"}]) == obj


# --- field sets: compared with Python's sets of paths ----------------------------------------------------------------------

PATHS = st.sets(st.lists(st.sampled_from(["f:a", "f:b", "f:c"]), min_size=1, max_size=3).map(tuple), max_size=6)


def tree_of(paths: set[tuple[str, ...]]) -> FieldSet:
    tree: FieldSet = {}
    for path in paths:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        tree = union(tree, node)
    return tree


def paths_of(tree: FieldSet, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for element, node in tree.items():
        if element != ".":
            found |= ({(*prefix, element)} if is_member(node) else set()) | paths_of(node, (*prefix, element))
    return found


@given(PATHS, PATHS)
def test_field_sets_are_sets_of_paths(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> None:
    left, right = tree_of(a), tree_of(b)
    assert paths_of(left) == a
    assert paths_of(union(left, right)) == a | b
    assert paths_of(intersection(left, right)) == a & b
    assert paths_of(difference(left, right)) == a - b
    below = {path for path in a if any(path[:n] in b for n in range(1, len(path) + 1))}
    assert paths_of(without_subtrees(left, right)) == a - below
    for result in (union(left, right), intersection(left, right), difference(left, right), without_subtrees(left, right)):
        assert tree_of(paths_of(result)) == result  # one shape for one set


# --- server-side apply -----------------------------------------------------------------------------------------------------

ENV = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("12")), max_size=3, unique_by=lambda pair: pair[0])
PORTS = st.lists(st.tuples(st.sampled_from([80, 81]), st.sampled_from(["", "TCP", "UDP"])), max_size=3)


@st.composite
def containers(draw: st.DrawFn) -> list[Obj]:
    found: list[Obj] = []
    for name in draw(st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True)):
        container: Obj = {"name": name, "image": draw(st.sampled_from(["i:1", "i:2"]))}
        if env := draw(ENV):
            container["env"] = [{"name": key, "value": value} for key, value in env]
        ports = {(port, protocol or "TCP"): (port, protocol) for port, protocol in draw(PORTS)}
        if ports:
            container["ports"] = [{"containerPort": p, **({"protocol": q} if q else {})} for p, q in ports.values()]
        if draw(st.booleans()):
            container["args"] = draw(st.lists(st.sampled_from("uv"), max_size=2))
        found.append(container)
    return found


@st.composite
def pod_templates(draw: st.DrawFn) -> Obj:
    labels = draw(st.dictionaries(KEYS, st.sampled_from("12"), min_size=1, max_size=2))
    spec: Obj = {"containers": draw(containers())}
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(st.dictionaries(KEYS, st.sampled_from("12"), min_size=1, max_size=2))
    if draw(st.booleans()):
        spec["terminationGracePeriodSeconds"] = draw(st.integers(1, 3))
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t", "labels": labels}, "template": template}


@st.composite
def schemaless(draw: st.DrawFn) -> Obj:
    return {
        "apiVersion": "x/v1",
        "kind": "Free",
        "metadata": {"name": "f"},
        "spec": draw(FREE_SPECS),
    }


FAMILIES = st.sampled_from([pod_templates(), schemaless()])
WRITES = st.lists(st.tuples(st.sampled_from(["m1", "m2", "hand"]), st.booleans(), st.data()), max_size=5)


def schema_of(obj: Obj) -> Schema:
    return builtin_schema("", "v1", "PodTemplate") or DEDUCED if obj["kind"] == "PodTemplate" else DEDUCED


def settled(obj: Obj) -> Obj:
    """The little of a server's defaulting that ownership depends on: the protocol of a port."""
    for container in (obj.get("template") or {}).get("spec", {}).get("containers") or []:
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
    return obj


def write(live: Obj | None, config: Obj, manager: str, force: bool, now: int) -> Obj:
    """An apply by m1 or m2 (refused ones change nothing), an update by "hand"."""
    writer = Writer(manager, config["apiVersion"], schema_of(config), Instant(now))
    if manager == "hand":
        after = settled(copy_obj(config))
        if live:
            after["metadata"]["managedFields"] = live["metadata"].get("managedFields")
        return record_update(live, after, writer)
    try:
        return server_side_apply(live, config, writer, finish=settled, force=force or live is None)
    except ApplyConflict:
        assert live is not None
        return live


@st.composite
def histories(draw: st.DrawFn) -> tuple[Obj, list[Obj]]:
    """A live object after some writes, and two more configurations of its kind."""
    family = draw(FAMILIES)
    live = write(None, draw(family), "m1", True, 1)
    for number in range(draw(st.integers(0, 4))):
        manager = draw(st.sampled_from(["m1", "m2", "hand"]))
        live = write(live, draw(family), manager, draw(st.booleans()), 2 + number)
    return live, [draw(family), draw(family)]


def entry_of(obj: Obj, manager: str) -> FieldSet:
    found = [entry.fields for key, entry in decode(obj).items() if key.manager == manager and key.operation == "Apply"]
    return found[0] if found else {}


@given(histories())
def test_applying_twice_is_applying_once(history: tuple[Obj, list[Obj]]) -> None:
    live, (config, _) = history
    once = write(live, config, "m1", True, 100)
    assert write(once, config, "m1", False, 200) == once  # and needs no force


@given(histories())
def test_after_an_apply_the_entry_covers_the_configuration_and_the_object_states_it(history: tuple[Obj, list[Obj]]) -> None:
    live, (config, _) = history
    result = write(live, config, "m1", True, 100)
    assert covers(entry_of(result, "m1"), config)
    stated = settled(copy_obj(config))
    assert merge(result, stated, schema_of(config)) == result


@given(histories())
def test_an_entry_covers_what_has_no_uncovered_path(history: tuple[Obj, list[Obj]]) -> None:
    live, configs = history
    for config in configs:
        for entry in decode(live).values():
            assert covers(entry.fields, config) == (uncovered(entry.fields, config) == [])


@given(histories())
def test_nobody_owns_what_is_not_there(history: tuple[Obj, list[Obj]]) -> None:
    live, (config, other) = history
    result = write(write(live, config, "m1", True, 100), other, "m2", True, 101)
    bare = {key: value for key, value in result.items() if key != "metadata"}
    bare["metadata"] = {key: value for key, value in result["metadata"].items() if key != "managedFields"}
    there = whole(bare, schema_of(result))
    for entry in decode(result).values():
        assert difference(entry.fields, there) == {}


@given(histories())
def test_drift_is_seen_in_ownership_exactly_when_the_object_says_something_else(history: tuple[Obj, list[Obj]]) -> None:
    """The idea that sync state is built on: look at managedFields instead of comparing objects."""
    live, (config, edited) = history
    ours = write(live, config, "m1", True, 100)
    after = write(ours, edited, "hand", False, 200)
    stated = settled(copy_obj(config))
    assert covers(entry_of(after, "m1"), config) == (_set_equal(merge(after, stated, schema_of(config)), after))


def _set_equal(a: Any, b: Any) -> bool:
    """Equality that leaves out the order of containers, environment and ports, which nobody owns."""
    return json.dumps(_ordered(a), sort_keys=True) == json.dumps(_ordered(b), sort_keys=True)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(child) for key, child in value.items()}
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, dict) and {"name", "containerPort"} & set(item) for item in value)
    ):
        return sorted((_ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


@given(histories())
def test_nothing_given_is_changed(history: tuple[Obj, list[Obj]]) -> None:
    live, (config, other) = history
    before = json.dumps([live, config, other])
    write(live, config, "m1", True, 100)
    write(live, other, "hand", False, 100)
    assert json.dumps([live, config, other]) == before


# --- strategic merge, judged by kubectl ------------------------------------------------------------------------------------


@st.composite
def pod_patches(draw: st.DrawFn) -> Obj:
    items: list[Obj] = []
    for name in draw(st.lists(st.sampled_from("xyzw"), max_size=3, unique=True)):
        kind = draw(st.sampled_from(["set", "delete", "env"]))
        patch: Obj = {"name": name}
        if kind == "delete":
            patch["$patch"] = "delete"
        elif kind == "set":
            patch["image"] = "i:3"
        else:
            patch["env"] = [{"name": key, "value": value} for key, value in draw(ENV)]
        items.append(patch)
    spec: Obj = {"containers": items} if items else {}
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(st.dictionaries(KEYS, st.sampled_from("12") | st.none(), max_size=2))
    return {"template": {"spec": spec}}


@settings(max_examples=examples(12, quick=2), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pod_templates(), pod_patches())
def test_strategic_merge_as_kubectl_does_it(program: Callable[[str], str], live: Obj, patch: Obj) -> None:
    command = [program("kubectl"), "patch", "--local", "-f", "-", "--type", "strategic", "-p", json.dumps(patch), "-o", "json"]
    done = subprocess.run(command, input=json.dumps(live), capture_output=True, text=True, timeout=30, check=True)
    assert strategic_merge(live, patch, schema_of(live)) == json.loads(done.stdout)
