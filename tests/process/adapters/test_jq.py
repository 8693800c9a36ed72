"""jq expressions as users write them, and what they may not do."""

import json
import os

import pytest

from shipway.adapters.jq.engine import JqEngine
from shipway.adapters.jq.worker import paths
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.workers.pool import WorkerPool

POD = {"spec": {"containers": [{"name": "main", "image": "a"}, {"name": "proxy", "image": "b"}], "replicas": 2}}


def selected(*expressions: str, obj: object = POD) -> list[list[str | int]]:
    return paths({"expressions": expressions, "obj": json.dumps(obj)})


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (".spec.replicas", [["spec", "replicas"]]),
        ('.spec.containers[] | select(.name == "proxy") | .image', [["spec", "containers", 1, "image"]]),
        (".spec.containers[]?.image", [["spec", "containers", 0, "image"], ["spec", "containers", 1, "image"]]),
        (".spec.initContainers[]?", []),
        (".spec.initContainers[]", []),
        (".spec.containers[0:1]", []),
        (".spec.replicas # a remark", [["spec", "replicas"]]),
        ('.spec | select(env | has("PATH")) | .replicas', []),
        ('.spec | select($ENV | has("PATH")) | .replicas', []),
        ("halt", []),
        ("1", []),
    ],
)
def test_what_an_expression_selects(expression: str, found: list[list[str | int]]) -> None:
    assert "PATH" in os.environ
    assert selected(expression) == found


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (".spec[", "jq expression '.spec[': syntax error"),
        ("nobody(.)", "jq expression 'nobody(.)': nobody/1 is not defined"),
        ('import "a" as a; .', "jq expression"),
        ("range(100000) as $n | .a[$n]", "selects 10000 fields or more"),
    ],
)
def test_what_is_no_expression_is_told(expression: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        selected(expression)
    assert told in caught.value.message
    assert os.environ["PATH"] not in caught.value.message


async def test_an_expression_that_never_ends_costs_a_worker_and_nothing_else() -> None:
    pool = WorkerPool("jq", size=1, memory_bytes=1 << 30, timeout_seconds=8.0, clock=SystemClock())
    try:
        with pytest.raises(ShipwayError, match="no result"):
            await JqEngine(pool).paths(["[range(infinite)] | .x"], b"{}")
        assert await JqEngine(pool).paths([".a"], b'{"a": 1}') == [["a"]]
    finally:
        await pool.close()
