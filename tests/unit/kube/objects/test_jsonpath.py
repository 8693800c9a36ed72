"""Kubernetes' JSONPath; the expressions are those of its documentation and of printer columns in the wild."""

from typing import Any

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.jsonpath import compiled, find

OBJ: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"kind": "None", "metadata": {"name": "127.0.0.1", "labels": {"a.b/c": "hidden"}}, "status": {"n": 4, "ready": True}},
        {"kind": "None", "metadata": {"name": "127.0.0.2"}, "status": {"n": 8}},
    ],
    "users": [{"name": "myself", "user": {}}, {"name": "e2e", "user": {"username": "admin", "password": "secret"}}],
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False", "n": 1.5}]},
    "empty": None,
}

FINDS: list[tuple[str, list[Any]]] = [
    ("{.kind}", ["List"]),
    (".kind", ["List"]),
    ("kind", ["List"]),
    ("$.kind", ["List"]),
    ("{$}", [OBJ]),
    ("{@}", [OBJ]),
    (".", [OBJ]),
    ("{['kind']}", ["List"]),
    ("{.items[*].metadata.name}", ["127.0.0.1", "127.0.0.2"]),
    ("{.items[0].metadata.name}", ["127.0.0.1"]),
    ("{.items[-1].metadata.name}", ["127.0.0.2"]),
    ("{.items[-1:].metadata.name}", ["127.0.0.2"]),
    ("{.items[0:1].metadata.name}", ["127.0.0.1"]),
    ("{.items[0:2:2].metadata.name}", ["127.0.0.1"]),
    ("{.items[0,1].metadata.name}", ["127.0.0.1", "127.0.0.2"]),
    ("{.items[7].metadata.name}", []),
    ("{.users[*].name}", ["myself", "e2e"]),
    ('{.users[?(@.name=="e2e")].user.password}', ["secret"]),
    ("{.users[?(@.name=='e2e')].user.password}", ["secret"]),
    ("{.users[?(@.name!='e2e')].name}", ["myself"]),
    ("{.users[?(@.user.username)].name}", ["e2e"]),
    ("{.items[?(@.status.n>4)].metadata.name}", ["127.0.0.2"]),
    ("{.items[?(@.status.n >= 4)].status.n}", [4, 8]),
    ("{.items[?(@.status.ready==true)].status.n}", [4]),
    ("{.items[?(@.status.n=='4')].status.n}", []),  # another type never equals
    ("{.status.conditions[?(@.n<2)].type}", ["Synced"]),
    ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
    ("{.items[*]['metadata.name', 'status.n']}", ["127.0.0.1", "127.0.0.2", 4, 8]),
    ("{.users[*]['name','user']}", ["myself", "e2e", {}, {"username": "admin", "password": "secret"}]),
    (r"{.items[0].metadata.labels['a\.b/c']}", ["hidden"]),
    ("{.items[0]['metadata']['name']}", ["127.0.0.1"]),
    (r"{.items[0].metadata.labels.a\.b/c}", ["hidden"]),
    ("{.items[0].metadata.labels['a.b/c']}", ["hidden"]),
    ("{..name}", ["127.0.0.1", "127.0.0.2", "myself", "e2e"]),
    ("{..status.n}", [4, 8]),
    ("{.users[1].user.*}", ["admin", "secret"]),
    ("{..conditions[0].type}", ["Ready"]),
    ("{.nothing.at.all}", []),
    ("{.empty}", [None]),
    ("{.empty.more}", []),
    ("{.kind[0]}", []),
    ("{.kind[*]}", []),
]


@pytest.mark.parametrize(("expression", "expected"), FINDS)
def test_find(expression: str, expected: list[Any]) -> None:
    assert find(expression, OBJ) == expected


MALFORMED = [
    "{.a}{.b}",
    "x={.a}",
    "{range .items[*]}{.x}{end}",
    "{.items[}",
    "{.items[x]}",
    "{.items[]}",
    "{.items[0:2:-1]}",
    "{.items[?(@.a==)]}",
    "{.items[?()]}",
    "{.items[?(@.a=='x']}",
    "{.a..}",
    "{.a['b}",
    "{.a b}",
]


@pytest.mark.parametrize("expression", MALFORMED)
def test_what_does_not_parse(expression: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        compiled(expression)
    assert caught.value.reason == "InvalidJSONPath"
    assert expression in caught.value.message


def test_a_web_metric() -> None:
    answer = {"data": {"ok": 3, "total": 4}, "results": [{"value": "0.97"}]}
    assert find("{$.data.ok}", answer) == [3]
    assert find("{$.results[0].value}", answer) == ["0.97"]
    assert find("{$}", 0.5) == [0.5]
