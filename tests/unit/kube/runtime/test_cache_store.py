"""The store of an informer: lookups, indexes, and what a relist really changed."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pods import pod
from shipway.base.errors import InvalidInput
from shipway.kube.objects.views import resource_version_of
from shipway.kube.runtime.cache_store import CacheStore, stored


def obj(name: str, version: str = "1", color: str = "", namespace: str = "a") -> dict[str, Any]:
    labels = {"color": color} if color else {}
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": version, "labels": labels}}


def colors(o: dict[str, Any]) -> list[str]:
    return list(o["metadata"]["labels"].values())


def names(objects: Any) -> list[str]:
    return sorted(o["metadata"]["name"] for o in objects)


def test_objects_by_namespace_and_name() -> None:
    store = CacheStore()
    assert store.put(obj("x")) is None
    store.put(obj("y", namespace="b"))
    assert store.get("a", "x") == obj("x")
    assert store.get("b", "x") is None
    assert names(store.list("a")) == ["x"] and names(store.list()) == ["x", "y"] and len(store) == 2
    assert store.remove("a", "x") == obj("x")
    assert store.remove("a", "x") is None
    assert names(store.list("a")) == []


def test_indexes_follow_changes() -> None:
    store = CacheStore()
    store.put(obj("x", color="red"))
    store.add_index("color", colors)
    assert names(store.indexed("color", "red")) == ["x"]
    store.put(obj("x", "2", color="blue"))
    assert names(store.indexed("color", "red")) == [] and names(store.indexed("color", "blue")) == ["x"]
    store.remove("a", "x")
    assert names(store.indexed("color", "blue")) == []
    assert store.has_index("color") and not store.has_index("size")
    with pytest.raises(InvalidInput):
        store.indexed("size", "1")


def test_a_relist_tells_only_what_changed() -> None:
    store = CacheStore()
    for name in ("same", "changed", "gone"):
        store.put(obj(name))
    store.add_index("color", colors)
    changes = list(store.replace(map(stored, [obj("same"), obj("changed", "2", "red"), obj("new")])))
    told = {(old and old["metadata"]["name"], new and new["metadata"]["name"]) for old, new in changes}
    assert told == {("gone", None), ("changed", "changed"), (None, "new")} and len(changes) == 3
    assert names(store.list()) == ["changed", "new", "same"]
    assert names(store.indexed("color", "red")) == ["changed"]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["", "red", "blue"]), st.booleans()), max_size=20))
def test_an_index_is_always_what_a_scan_would_find(steps: list[tuple[str, str, bool]]) -> None:
    store = CacheStore()
    store.add_index("color", colors)
    for version, (name, color, removed) in enumerate(steps):
        if removed:
            store.remove("a", name)
        else:
            store.put(obj(name, str(version), color))
    for color in ("red", "blue"):
        assert names(store.indexed("color", color)) == names(o for o in store.list() if color in colors(o))


def test_an_index_has_one_meaning() -> None:
    store = CacheStore()
    store.add_index("color", colors)
    store.add_index("color", colors)
    with pytest.raises(InvalidInput, match="two meanings"):
        store.add_index("color", lambda o: ())


def test_what_was_asked_for_last_stays_decoded_and_no_more() -> None:
    store = CacheStore(at_hand=2)
    for name in ("x", "y", "z"):
        store.put(obj(name))
    assert store.get("a", "z") is store.get("a", "z")
    seen = store.get("a", "z")
    list(store.list()), store.get("a", "x"), store.get("a", "y")
    assert store.get("a", "z") is not seen and store.get("a", "z") == seen
    store.put(obj("z", "2"))
    assert resource_version_of(store.get("a", "z") or {}) == "2"
    assert resource_version_of(store.remove("a", "z") or {}) == "2" and store.get("a", "z") is None


@pytest.mark.proves("kube:memory-of-caches")
def test_a_cached_pod_weighs_a_quarter_of_a_plain_one() -> None:
    """At most 40 MB for 10,000 pods as a busy cluster has them."""
    count = 250

    def plain() -> dict[int, Any]:
        return {n: orjson.loads(orjson.dumps(pod(n))) for n in range(count)}

    def cached() -> CacheStore:
        store = CacheStore(at_hand=0)
        store.add_index("node", lambda o: [o["spec"]["nodeName"]])
        for n in range(count):
            slim = pod(n)
            del slim["metadata"]["managedFields"]
            store.put(slim)
        return store

    as_dicts, as_cache = weight(plain), weight(cached)
    assert as_cache <= count * 4_000
    assert as_cache * 4 <= as_dicts


def weight(make: Callable[[], Any]) -> int:
    """Bytes that what `make` makes keeps."""
    tracemalloc.start()
    made = make()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return held
