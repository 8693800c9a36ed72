"""How an operation begins and ends, as its state says it."""

from shipway.base.clock import Instant
from shipway.gitops.operation import Begun, begin, finish


def test_an_operation_that_is_refused_before_its_sources_are_known_names_none() -> None:
    """The CRD of Argo CD refuses a source without a repository, and with it the whole status."""
    app = {"metadata": {"name": "shop", "uid": "u", "resourceVersion": "7"}}
    state = finish(begin(app, {"sync": {}}, Begun(), Instant(0.0)), "Error", "no", Instant(0.0))
    assert (state["phase"], state["syncResult"]) == ("Error", {"revision": ""})
