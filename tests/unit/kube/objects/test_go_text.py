"""Values as Go prints them."""

from typing import Any

import pytest

from shipway.kube.objects.go_text import go_scalar, go_syntax, go_text

VALUES: list[tuple[Any, str, str]] = [
    ("x", "x", '"x"'),
    (5, "5", "5"),
    (2.0, "2", "2"),
    (1.5, "1.5", "1.5"),
    (True, "true", "true"),
    (None, "<nil>", "interface {}(nil)"),
    ({"b": 1, "a": "x"}, "map[a:x b:1]", 'map[string]interface {}{"a":"x", "b":1}'),
    (["a", {"b": None}], "[a map[b:<nil>]]", '[]interface {}{"a", map[string]interface {}{"b":interface {}(nil)}}'),
]


@pytest.mark.parametrize(("value", "text", "syntax"), VALUES)
def test_values(value: Any, text: str, syntax: str) -> None:
    assert go_text(value) == text
    assert go_syntax(value) == syntax


def test_scalars() -> None:
    assert go_scalar('a"b') == '"a\\"b"'
