"""How far one looks on a cluster: what is listed for it, and what lies outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Resource

names = st.sampled_from(["a", "b", "c", "d"])
reaches = st.builds(Reach, st.lists(names, unique=True, max_size=3).map(tuple), st.booleans())
kinds = st.sampled_from([CONFIG_MAPS, NAMESPACES])


@pytest.mark.parametrize(
    ("reach", "resource", "namespace", "places"),
    [
        (EVERYWHERE, CONFIG_MAPS, "", ("",)),
        (EVERYWHERE, NAMESPACES, "", ("",)),
        (EVERYWHERE, CONFIG_MAPS, "a", ("a",)),
        (Reach(("a", "b")), CONFIG_MAPS, "", ("a", "b")),
        (Reach(("a", "b")), CONFIG_MAPS, "b", ("b",)),
        (Reach(("a", "b")), CONFIG_MAPS, "c", ()),
        (Reach(("a", "b")), NAMESPACES, "", ()),
        (Reach(("a", "b"), cluster_resources=True), NAMESPACES, "", ("",)),
        (Reach(("a", "b"), cluster_resources=True), CONFIG_MAPS, "", ("a", "b")),
    ],
)
def test_one_list_for_each_namespace(reach: Reach, resource: Resource, namespace: str, places: tuple[str, ...]) -> None:
    assert reach.places(resource, namespace) == places


@given(reaches, kinds, names)
def test_what_is_listed_holds_an_object_once_where_it_is_included_and_never_elsewhere(
    reach: Reach, resource: Resource, name: str
) -> None:
    lies_in = name if resource.namespaced else ""
    lists = [place for place in reach.places(resource) if place in ("", lies_in)]
    assert len(lists) == (1 if reach.includes(lies_in) else 0)
    assert reach.covers(resource) == bool(reach.places(resource))


@given(reaches, names)
def test_part_of_a_kind_is_listed_where_the_whole_is(reach: Reach, namespace: str) -> None:
    assert reach.places(CONFIG_MAPS, namespace) == ((namespace,) if reach.includes(namespace) else ())
