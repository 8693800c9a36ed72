"""What makes a live Application the wanted one."""

from typing import Any

import pytest

from shipway.appsets.names import RESOURCES_FINALIZER
from shipway.appsets.plan import alterations, evaluated_of, evaluated_text, given_by
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Apply, Patch
from tests.unit.appsets.sets import evaluated, made

LABELLED = {"templatePatch": '{"metadata": {"labels": {"tier": "web"}}}'}


def listed(*names: str) -> Obj:
    return {"list": {"elements": [{"name": name} for name in names]}}


def wanted_of(**spec: Any) -> Obj:
    return evaluated(made(listed("a"), **spec)).applications["a"]


def live_as(app: Obj, **meta: Any) -> Obj:
    return {**app, "metadata": {**app["metadata"], "uid": "1", **meta}}


def test_an_application_carries_nothing_that_its_template_does_not_say() -> None:
    assert "annotations" not in wanted_of()["metadata"]
    assert alterations(live_as(wanted_of()), wanted_of(), given_by({"a": wanted_of()})) == ()


def test_what_others_wrote_beside_it_stays() -> None:
    live = live_as(wanted_of(), labels={"theirs": "x"}, annotations={"theirs": "x"})
    assert alterations(live, wanted_of(), given_by({"a": wanted_of(**LABELLED)})) == ()


@pytest.mark.compat("argocd:appset.preservedFields")
def test_what_the_set_gave_and_gives_no_more_is_taken_away() -> None:
    live = live_as(wanted_of(**LABELLED), labels={"tier": "web", "theirs": "x"})
    (patch,) = alterations(live, wanted_of(), given_by({"a": wanted_of(**LABELLED)}))
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"labels": {"tier": None}}}


def test_a_finalizer_that_the_set_gave_goes_with_an_apply_that_leaves_it_out() -> None:
    gives, gives_none = wanted_of(), wanted_of(syncPolicy={"preserveResourcesOnDeletion": True})
    assert gives["metadata"]["finalizers"] == [RESOURCES_FINALIZER]
    (apply,) = alterations(live_as(gives), gives_none, given_by({"a": gives}))
    assert isinstance(apply, Apply)
    assert "finalizers" not in apply.obj["metadata"]
    assert alterations(live_as(gives), gives_none, frozenset()) == ()


def test_an_entry_of_a_list_says_nothing_but_what_the_template_does() -> None:
    wanted = {**wanted_of(), "spec": {"sources": [{"repoURL": "x"}]}}
    live = live_as({**wanted, "spec": {"sources": [{"repoURL": "x", "helm": {"releaseName": "y"}}]}})
    assert [type(one) for one in alterations(live, wanted)] == [Apply]
    assert alterations(live_as({**wanted, "spec": {"sources": [{"repoURL": "x", "path": ""}]}}), wanted) == ()


def test_what_was_given_is_remembered_until_all_is_carried_out() -> None:
    labelled, plain = made(listed("a"), **LABELLED), made(listed("a"))

    def remembering(text: str) -> Obj:
        return {**plain, "metadata": {**plain["metadata"], "generation": 2, "annotations": {"shipway.dev/evaluated": text}}}

    appset = remembering(evaluated_text(labelled, evaluated(labelled)))
    under_way = evaluated_of(remembering(evaluated_text(appset, evaluated(plain), is_over=False)))
    over = evaluated_of(remembering(evaluated_text(appset, evaluated(plain))))
    assert under_way and over
    finalizer = f"finalizers/{RESOURCES_FINALIZER}"
    assert (under_way.given, under_way.generation) == ((finalizer, "labels/tier"), evaluated_of(appset).generation)
    assert (over.given, over.generation) == ((finalizer,), 2)
    incomplete = evaluated_of(remembering(evaluated_text(appset, evaluated(made({"nothing": {}}, listed("a"))))))
    assert incomplete
    assert (incomplete.given, incomplete.outside) == ((finalizer, "labels/tier"), "")
