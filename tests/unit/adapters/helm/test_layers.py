"""What each layer of a chart's values says of one value."""

from typing import Any

import pytest

from shipway.adapters.helm.layers import Layer, said

LAYERS = (
    Layer("base", {"replicas": 1, "hosts": [{"name": "a"}, {"name": "b"}], "log": {"level": None}}),
    Layer("env", {"hosts": [{"name": "c"}], "log": "off"}),
)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("replicas", [("base", 1)]),
        ("hosts[0].name", [("base", "a"), ("env", "c")]),
        ("hosts[1].name", [("base", "b")]),
        ("hosts.name", []),
        ("log.level", [("base", None)]),
        ("log.level.deeper", []),
        ("replicas[0]", []),
    ],
)
def test_who_says_something_of_a_value(path: str, told: list[tuple[str, Any]]) -> None:
    assert list(said(LAYERS, path)) == told
