"""From a set to the Applications it wants."""

from typing import Any

import pytest

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from tests.unit.appsets.sets import Answers, evaluated, made


def listed(*names: str, **template: Any) -> Obj:
    block: Obj = {"elements": [{"name": name} for name in names]}
    return {"list": {**block, "template": template} if template else block}


@pytest.mark.compat("argocd:appset.generatorTemplate")
def test_the_template_of_a_generator_goes_over_that_of_the_set() -> None:
    own = listed("b", metadata={"name": "own-{{.name}}", "labels": {"a": "b"}}, spec={"project": "p", "source": {"path": ""}})
    wanted = evaluated(made(listed("a"), own)).applications
    assert sorted(wanted) == ["a", "own-b"]
    assert wanted["own-b"]["metadata"]["labels"] == {"a": "b"}
    assert spec_of(wanted["own-b"])["project"] == "p"
    assert spec_of(wanted["own-b"])["source"] == {"repoURL": "https://git.test/a.git", "path": "a"}
    assert spec_of(wanted["a"])["project"] == "default"


def test_one_generator_that_fails_leaves_the_others_their_entries() -> None:
    wanted = evaluated(made({"nothing": {}}, listed("a")))
    assert list(wanted.applications) == ["a"]
    assert [one.reason for one in wanted.problems] == ["ApplicationGenerationFromParamsError"]
    assert not wanted.is_complete


def test_a_question_without_an_answer_makes_it_pending() -> None:
    git = {"git": {"repoURL": "https://git.test/a.git", "directories": [{"path": "apps/*"}]}}
    assert evaluated(made(git)).is_pending
    known = evaluated(made(git), Answers(apps=[]))
    assert (known.is_pending, known.is_complete, known.empty) == (False, True, ("spec.generators[0].git",))


def test_what_the_generators_saw_is_told_apart_from_what_the_set_says() -> None:
    git = {"git": {"repoURL": "https://git.test/a.git", "directories": [{"path": "apps/*"}]}}
    named = {"metadata": {"name": "{{.path.basename}}"}}
    answers = Answers(apps=[("apps/a", {})])
    one = evaluated(made(git, template=named), answers)
    edited = evaluated(made(git, listed("x"), template={"metadata": {"name": "x"}}), answers)
    moved = evaluated(made(git, template=named), Answers(apps=[("apps/b", {})]))
    assert one.outside == edited.outside != moved.outside
