"""The check of our little GitHub against GitHub's published description refuses what it should."""

from typing import Any

import pytest

from tests.github_description import flaws, refusal

PULLS = "/api/v3/repos/acme/shop/pulls"


@pytest.mark.parametrize(
    ("method", "path", "query", "told"),
    [
        ("GET", PULLS, {"state": "open", "per_page": "100", "page": "1"}, ""),
        ("GET", "/repos/acme/shop/contents/a/b%20c.yaml", {"ref": "main"}, ""),
        ("POST", "/app/installations/42/access_tokens", {}, ""),
        ("GET", "/repos/acme/shop/branches/a%2Fb", {}, ""),
        ("GET", "/repos/acme/shop/branches/a/b", {}, "is not in GitHub's description"),
        ("DELETE", PULLS, {}, "is not in GitHub's description"),
        ("GET", PULLS, {"labels": "x"}, "labels is no parameter"),
        ("GET", PULLS, {"state": "merged"}, "state is none of open, closed, all"),
        ("GET", PULLS, {"per_page": "many"}, "per_page is no number"),
    ],
)
def test_calls(method: str, path: str, query: dict[str, str], told: str) -> None:
    found = refusal(method, path, query)
    assert told in found if told else not found


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([{"number": 1, "title": "x", "labels": [{"name": "a"}], "head": {"ref": "b", "sha": "c"}}], []),
        ({}, ["$ is no array"]),
        ([{"number": "1"}], ["$[0].number is no integer"]),
        ([{"number": True}], ["$[0].number is no integer"]),
        ([{"iid": 1}], ["$[0].iid is no field"]),
        ([{"head": {"ref": None}}], ["$[0].head.ref is no string"]),
    ],
)
def test_answers(answer: Any, told: list[str]) -> None:
    assert flaws("GET", PULLS, answer) == [f"get /repos/{{owner}}/{{repo}}/pulls: {one}" for one in told]


def test_what_may_be_null_and_what_is_one_of_several() -> None:
    assert flaws("GET", "/app/installations", [{"id": 1, "account": None}]) == []
    assert flaws("GET", "/app/installations", [{"id": 1, "account": {"login": 7}}]) != []
    assert flaws("GET", "/repos/acme/shop/contents/a", {"path": "a"}) == []
    assert flaws("GET", "/repos/acme/shop/contents/a", [{"path": "a"}]) == []
