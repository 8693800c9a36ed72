"""Looks into plain objects, and how they are kept."""

import tracemalloc

import orjson

from shipway.kube.objects.views import container_names, kept_json


def test_what_is_kept_is_as_long_as_it_says() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [kept_json({"name": f"x{number}"}) for number in range(100)]
        each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert each < 200  # the encoder's own: 4 KB
    assert orjson.loads(kept[7]) == {"name": "x7"}


def test_containers_that_stay_come_first() -> None:
    assert container_names({"initContainers": [{"name": "setup"}], "containers": [{"name": "web"}, {"name": "proxy"}]}) == [
        "web", "proxy", "setup",
    ]  # fmt: skip
    assert container_names({}) == []
