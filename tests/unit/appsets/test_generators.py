"""From generators to entries, with the parameters that users of Argo CD know."""

import base64
from typing import Any

import pytest

from shipway.api.forges import Branch, PullRequest
from shipway.appsets.asks import DecisionsAsk, PluginAsk
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from tests.unit.appsets.sets import Answers, entries, evaluated, made


def cluster(name: str, server: str = "", **labels: str) -> Obj:
    text = {"name": name, "server": server or f"https://{name}", "project": "p"}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
    return {"metadata": {"name": f"secret-{name}", "labels": labels, "annotations": {"note": name}}, "data": data}


EAST, WEST = cluster("East_1", env="prod"), cluster("west", env="test")
HERE = {"name": "in-cluster", "nameNormalized": "in-cluster", "server": "https://kubernetes.default.svc", "project": ""}


BOTH = {"name": "placed", "labelSelector": {"matchLabels": {"a": "b"}}}
PLUGIN = {"configMapRef": {"name": "versions"}, "input": {"parameters": {"team": "shop"}}}


def listed(*elements: Obj) -> Obj:
    return {"list": {"elements": list(elements)}}


@pytest.mark.compat("argocd:appset.list")
def test_a_list_gives_its_elements_and_those_written_as_text() -> None:
    generator = {"list": {"elements": [{"a": 1, "b": {"c": True}}], "elementsYaml": "- a: 2\n- a: 3"}}
    assert entries(generator) == [{"a": 1, "b": {"c": True}}, {"a": 2}, {"a": 3}]
    assert entries(generator, go=False) == [{"a": "1", "b.c": "true"}, {"a": "2"}, {"a": "3"}]


@pytest.mark.compat("argocd:appset.clusters")
def test_clusters_are_those_with_a_secret_and_the_one_we_live_in() -> None:
    found = entries({"clusters": {}}, None, WEST, EAST)
    assert [one["name"] for one in found] == ["East_1", "in-cluster", "west"]
    assert found[0] == {
        "name": "East_1",
        "nameNormalized": "east-1",
        "server": "https://East_1",
        "project": "p",
        "metadata": {"labels": {"env": "prod"}, "annotations": {"note": "East_1"}},
    }
    assert found[1] == HERE
    flat = entries({"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}, None, WEST, EAST, go=False)
    assert [(one["nameNormalized"], one["metadata.labels.env"], one["metadata.annotations.note"]) for one in flat] == [
        ("east-1", "prod", "East_1")
    ]


@pytest.mark.compat("argocd:appset.clusters")
def test_a_secret_for_the_local_cluster_takes_its_place() -> None:
    local = cluster("home", "https://kubernetes.default.svc")
    assert [one["name"] for one in entries({"clusters": {}}, None, local, EAST)] == ["East_1", "home"]


@pytest.mark.compat("argocd:appset.values")
def test_values_are_filled_with_what_the_entry_says() -> None:
    generator = {"clusters": {"selector": {"matchLabels": {"env": "prod"}}, "values": {"where": "{{.name}}-x"}}}
    assert entries(generator, None, EAST)[0]["values"] == {"where": "East_1-x"}
    generator["clusters"]["values"] = {"where": "{{name}}-x"}
    assert entries(generator, None, EAST, go=False)[0]["values.where"] == "East_1-x"


@pytest.mark.compat("argocd:appset.clusters.flatList")
def test_a_flat_list_is_one_entry_with_all_clusters() -> None:
    (one,) = entries({"clusters": {"flatList": True}}, None, EAST, WEST)
    assert [each["name"] for each in one["clusters"]] == ["East_1", "in-cluster", "west"]


def git(what: str, pattern: str, **extra: Any) -> Obj:
    return {"git": {"repoURL": "https://git.test/a.git", what: [{"path": pattern}], **extra}}


@pytest.mark.compat("argocd:appset.git.directories")
def test_folders() -> None:
    answers = Answers(apps=[("apps/My_App", {}), ("apps/b", {})])
    first, second = entries(git("directories", "apps/*", pathParamPrefix="dir"), answers)
    assert first == {
        "dir": {
            "path": {
                "path": "apps/My_App",
                "basename": "My_App",
                "basenameNormalized": "my-app",
                "segments": ["apps", "My_App"],
            }
        }
    }
    assert second["dir"]["path"]["basename"] == "b"
    flat = entries(git("directories", "apps/*"), answers, go=False)[0]
    assert flat == {
        "path": "apps/My_App",
        "path.basename": "My_App",
        "path.basenameNormalized": "my-app",
        "path[0]": "apps",
        "path[1]": "My_App",
    }


@pytest.mark.compat("argocd:appset.git.files")
def test_files() -> None:
    answers = Answers(cfg=[("cfg/a/config.json", [{"team": "red", "size": 3}, {"team": "blue"}])])
    red, blue = entries(git("files", "cfg/**"), answers)
    assert (red["team"], red["size"], blue["team"]) == ("red", 3, "blue")
    assert red["path"] == {
        "path": "cfg/a",
        "basename": "a",
        "basenameNormalized": "a",
        "filename": "config.json",
        "filenameNormalized": "config.json",
        "segments": ["cfg", "a"],
    }
    flat = entries(git("files", "cfg/**"), answers, go=False)[0]
    assert (flat["team"], flat["size"], flat["path"], flat["path.filename"]) == ("red", "3", "cfg/a", "config.json")


@pytest.mark.compat("argocd:appset.matrix")
def test_a_matrix_combines_and_the_second_may_speak_of_the_first() -> None:
    answers = Answers(cfg_red=[("cfg/red/c.json", {"size": 1})], cfg_blue=[("cfg/blue/c.json", {"size": 2})])
    second = git("files", "cfg/{{.team}}/*")
    second["git"]["values"] = {"both": "{{.team}}-{{.size}}"}
    found = entries({"matrix": {"generators": [listed({"team": "red"}, {"team": "blue"}), second]}}, answers)
    assert [(one["team"], one["size"], one["values"]["both"]) for one in found] == [("red", 1, "red-1"), ("blue", 2, "blue-2")]
    both = {"matrix": {"generators": [listed({"a": "1"}, {"a": "2"}), {"clusters": {}}]}}
    assert [(one["a"], one["name"]) for one in entries(both, None, EAST)] == [
        ("1", "East_1"),
        ("1", "in-cluster"),
        ("2", "East_1"),
        ("2", "in-cluster"),
    ]


@pytest.mark.compat("argocd:appset.matrix")
def test_without_go_templates_a_matrix_refuses_two_meanings_of_one_name() -> None:
    with pytest.raises(InvalidInput, match="found duplicate key a with different value, a: 1 ,b: 2"):
        entries({"matrix": {"generators": [listed({"a": "1"}), listed({"a": "2"})]}}, go=False)


@pytest.mark.compat("argocd:appset.merge")
def test_a_merge_overrides_the_entries_of_the_first_by_key() -> None:
    base = {"clusters": {"values": {"size": "small", "kind": "x"}}}
    other = listed({"server": "https://west", "values": {"size": "large"}}, {"server": "https://nowhere"})
    found = entries({"merge": {"mergeKeys": ["server"], "generators": [base, other]}}, None, EAST, WEST)
    assert [(one["name"], one["values"]) for one in found] == [
        ("East_1", {"size": "small", "kind": "x"}),
        ("in-cluster", {"size": "small", "kind": "x"}),
        ("west", {"size": "large", "kind": "x"}),
    ]
    with pytest.raises(InvalidInput, match="were not unique by the given mergeKeys"):
        entries({"merge": {"mergeKeys": ["a"], "generators": [listed({"a": "1"}, {"a": "1"}), other]}})


@pytest.mark.compat("argocd:appset.selector")
def test_a_selector_on_any_generator_picks_among_its_entries() -> None:
    generator = {**listed({"env": "prod", "n": "1"}, {"env": "test", "n": "2"}), "selector": {"matchLabels": {"env": "test"}}}
    assert [one["n"] for one in entries(generator)] == ["2"]
    expression = {"matchExpressions": [{"key": "metadata.labels.env", "operator": "In", "values": ["prod"]}]}
    assert [one["name"] for one in entries({"clusters": {}, "selector": expression}, None, EAST, WEST)] == ["East_1"]
    nested = {"matrix": {"generators": [generator, {"clusters": {}}]}}
    assert [one["n"] for one in entries(nested)] == ["2"]


PULLS = (
    PullRequest(7, "Fix it", "fix-a", "main", "abcdef1234567890", ("preview",), "ada"),
    PullRequest(12, "Try it", "Feature/B_c", "release", "0123456789abcdef", (), "bob"),
)
SHOP = {"owner": "acme", "repo": "shop", "tokenRef": {"secretName": "forge", "key": "token"}}


@pytest.mark.compat("argocd:appset.pullRequest")
def test_open_pull_requests() -> None:
    answers = Answers()
    answers.pulls = PULLS
    first, second = entries({"pullRequest": {"github": SHOP, "values": {"host": "{{.branch_slug}}.test"}}}, answers)
    assert first == {
        "number": "7",
        "title": "Fix it",
        "branch": "fix-a",
        "branch_slug": "fix-a",
        "target_branch": "main",
        "target_branch_slug": "main",
        "head_sha": "abcdef1234567890",
        "head_short_sha": "abcdef12",
        "head_short_sha_7": "abcdef1",
        "labels": ["preview"],
        "author": "ada",
        "values": {"host": "fix-a.test"},
    }
    assert second["branch_slug"] == "feature-b_c"
    assert "labels" not in entries({"pullRequest": {"github": SHOP}}, answers, go=False)[0]


@pytest.mark.compat("argocd:appset.pullRequest")
@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ([{"branchMatch": "^fix"}], ["7"]),
        ([{"branchMatch": "^fix", "targetBranchMatch": "release"}], []),
        ([{"branchMatch": "^fix"}, {"titleMatch": "Try"}], ["7", "12"]),
        ([], ["7", "12"]),
    ],
)
def test_pull_requests_are_filtered(filters: list[Obj], numbers: list[str]) -> None:
    answers = Answers()
    answers.pulls = PULLS
    found = entries({"pullRequest": {"gitlab": {"project": 12}, "filters": filters}}, answers)
    assert [one["number"] for one in found] == numbers


@pytest.mark.compat("argocd:appset.pullRequest")
@pytest.mark.parametrize(("goes_on", "is_complete"), [(False, False), (True, True)])
def test_a_repository_that_is_gone_is_a_problem_unless_told_otherwise(goes_on: bool, is_complete: bool) -> None:
    answers = Answers()
    answers.pulls = NotFound("no such repository")
    generator = {"pullRequest": {"github": SHOP, "continueOnRepoNotFoundError": goes_on}}
    wanted = evaluated(made(generator), answers)
    assert wanted.is_complete == is_complete
    assert wanted.empty == ("spec.generators[0].pullRequest",)


@pytest.mark.compat("argocd:appset.scmProvider")
def test_branches_of_an_organization() -> None:
    answers = Answers()
    answers.branches = (Branch("acme", "shop", "Feature/x", "abcdef1234567890", "git@x:acme/shop.git", "7", ("web", "go")),)
    generator = {"scmProvider": {"github": {"organization": "acme", "allBranches": True}, "values": {"n": "{{.repository}}-x"}}}
    assert entries(generator, answers) == [
        {
            "organization": "acme",
            "repository": "shop",
            "repository_id": "7",
            "url": "git@x:acme/shop.git",
            "branch": "Feature/x",
            "branchNormalized": "feature-x",
            "sha": "abcdef1234567890",
            "short_sha": "abcdef12",
            "short_sha_7": "abcdef1",
            "labels": "web,go",
            "values": {"n": "shop-x"},
        }
    ]


@pytest.mark.parametrize(
    ("generator", "told"),
    [
        ({}, "this one has none"),
        ({"scmProvider": {}}, "exactly one of github, gitlab, gitea"),
        ({"scmProvider": {"gitlab": {}}}, "it needs group"),
        ({"scmProvider": {"gitea": {"owner": "a"}}}, "it needs owner and api"),
        ({"scmProvider": {"github": {"organization": "a"}, "cloneProtocol": "ftp"}}, "neither ssh nor https"),
        ({"pullRequest": {}}, "exactly one of github, gitlab, gitea"),
        ({"pullRequest": {"github": {"owner": "a"}}}, "it needs owner and repo"),
        ({"pullRequest": {"gitea": {"owner": "a", "repo": "b"}}}, "it needs owner, repo and api"),
        ({"pullRequest": {"gitlab": {"project": "a", "appSecretName": "c"}}}, "only GitHub has Apps; give a tokenRef"),
        ({"list": {}, "clusters": {}}, "this one has list and clusters"),
        ({"matrix": {"generators": [listed(), listed(), listed()]}}, "found more than two generators"),
        ({"merge": {"mergeKeys": ["a"], "generators": [listed()]}}, "Merge requires two or more"),
        ({"merge": {"generators": [listed(), listed()]}}, "no merge keys were specified"),
        (
            {"matrix": {"generators": [{"matrix": {"generators": [{"matrix": {"generators": []}}, listed()]}}, listed()]}},
            "may be combined 2 levels deep",
        ),
        ({"matrix": {"generators": ["list", "list"]}}, "expected a list of generators"),
        ({"list": {"elementsYaml": "a: b"}}, "it is no list of objects"),
        ({"clusters": {"selector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}}, "is not a valid label selector"),
        ({"plugin": {}}, r"spec.generators\[0\].plugin: .*configMapRef"),
        ({"clusterDecisionResource": {"configMapRef": "ocm"}}, "it needs either a name or a labelSelector"),
        ({"clusterDecisionResource": {"configMapRef": "ocm", **BOTH}}, "it needs either a name or a labelSelector"),
    ],
)
def test_what_is_no_generator_says_why(generator: Obj, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        entries(generator)


@pytest.mark.compat("argocd:appset.plugin")
def test_a_plugin_gives_what_it_answers_with_what_it_was_told_and_the_values() -> None:
    answers = Answers()
    answers.plugin = lambda told: [{"name": f"{told['team']}-1", "deep": {"n": 7}, "values": "no", "generator": "no"}]
    generator = {"plugin": {**PLUGIN, "values": {"host": "{{.name}}.test"}, "requeueAfterSeconds": 30}}
    (entry,) = entries(generator, answers)
    assert entry == {
        "name": "shop-1",
        "deep": {"n": 7},
        "generator": {"input": {"parameters": {"team": "shop"}}},
        "values": {"host": "shop-1.test"},
    }
    assert answers.asked == [PluginAsk("versions", "fleet", b'{"team":"shop"}', 30.0)]
    (flat,) = entries({"plugin": PLUGIN}, answers, go=False)
    assert (flat["name"], flat["deep.n"], flat["generator.input.parameters.team"]) == ("shop-1", "7", "shop")


@pytest.mark.compat("argocd:appset.plugin")
def test_in_a_matrix_a_plugin_is_asked_once_for_each_of_what_the_first_generator_gives() -> None:
    answers = Answers()
    answers.plugin = lambda told: [{"digest": f"sha-{told['branch']}"}]
    asking = {"plugin": {"configMapRef": {"name": "digests"}, "input": {"parameters": {"branch": "{{.branch}}"}}}}
    branches = listed({"branch": "a", "name": "one"}, {"branch": "b", "name": "two"}, {"branch": "a", "name": "three"})
    found = entries({"matrix": {"generators": [branches, asking]}}, answers)
    assert [(one["name"], one["digest"]) for one in found] == [("one", "sha-a"), ("two", "sha-b"), ("three", "sha-a")]
    assert len(answers.asked) == 2


@pytest.mark.compat("argocd:appset.clusterDecisionResource")
def test_decisions_become_entries_for_the_clusters_that_we_know() -> None:
    answers = Answers()
    answers.decided = [
        {"clusterName": "west", "reason": "cheap"},
        {"clusterName": "unknown"},
        {"reason": "nothing"},
        {"clusterName": "in-cluster"},
    ]
    block = {"configMapRef": "ocm", "labelSelector": {"matchLabels": {"set": "shop"}}, "values": {"zone": "{{.name}}-1"}}
    found = entries({"clusterDecisionResource": block}, answers, WEST, EAST)
    assert found == [
        {"name": "west", "server": "https://west", "clusterName": "west", "reason": "cheap", "values": {"zone": "west-1"}},
        {**{key: HERE[key] for key in ("name", "server")}, "clusterName": "in-cluster", "values": {"zone": "in-cluster-1"}},
    ]
    assert answers.asked == [DecisionsAsk("ocm", "", "set=shop", 180.0)]
    flat = entries({"clusterDecisionResource": {"configMapRef": "ocm", "name": "placed"}}, answers, WEST, go=False)
    assert [one["server"] for one in flat] == ["https://west", HERE["server"]]
    merged = {"mergeKeys": ["name"], "generators": [{"clusters": {}}, {"clusterDecisionResource": {**block, "values": None}}]}
    by_name = {one["name"]: one.get("reason") for one in entries({"merge": merged}, answers, WEST, EAST)}
    assert by_name == {"East_1": None, "in-cluster": None, "west": "cheap"}


@pytest.mark.compat("argocd:appset.plugin")
@pytest.mark.compat("argocd:appset.clusterDecisionResource")
def test_a_plugin_or_a_decision_that_suddenly_says_nothing_is_doubted() -> None:
    decision = {"clusterDecisionResource": {"configMapRef": "ocm", "name": "placed"}}
    wanted = evaluated(made({"plugin": PLUGIN}, decision))
    assert wanted.empty == ("spec.generators[0].plugin", "spec.generators[1].clusterDecisionResource")
