"""How an operation begins and ends, as its state says it."""

from shipway.base.clock import Instant
from shipway.gitops.operation import Begun, begin, begins, finish


def test_an_operation_that_is_refused_before_its_sources_are_known_names_none() -> None:
    """The CRD of Argo CD refuses a source without a repository, and with it the whole status."""
    app = {"metadata": {"name": "shop", "uid": "u", "resourceVersion": "7"}}
    state = finish(begin(app, {"sync": {}}, Begun(), Instant(0.0)), "Error", "no", Instant(0.0))
    assert (state["phase"], state["syncResult"]) == ("Error", {"revision": ""})


def test_an_operation_that_has_just_begun_is_about_to_act_for_ten_seconds() -> None:
    began = Instant(1_800_000_000.0)
    operation = {"sync": {}}
    state = begin({"metadata": {"uid": "u", "resourceVersion": "1"}}, operation, Begun(), began)
    assert begins(state, operation, Instant(began + 9))
    assert not begins(state, operation, Instant(began + 10))
    assert not begins({**state, "message": "waiting for a window"}, operation, began)
    assert not begins(state, None, began)
    assert not begins(finish(state, "Failed", "no", began), operation, began)
