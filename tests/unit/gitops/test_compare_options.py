"""What `resource.compareoptions` overlooks."""

import pytest

from shipway.gitops.compare_options import AGGREGATED_ROLES, KEY, read_compare_options


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("", ()),
        ("ignoreAggregatedRoles: true", (AGGREGATED_ROLES,)),
        ("ignoreAggregatedRoles: false\nignoreResourceStatusField: crd", ()),
        ("ignoreResourceStatusField: off\nignoreDifferencesOnResourceUpdates: true", ()),
        ("ignoreResourceStatusField: 'none'\nsomethingNew: 1", ()),
    ],
)
@pytest.mark.compat("argocd:cm.resource.compareoptions")
def test_what_is_read(written: str, rules: object) -> None:
    assert read_compare_options({KEY: written}) == (rules, ())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("ignoreAggregatedRoles: 'yes'", "ignoreAggregatedRoles is true or false, not 'yes'"),
        ("ignoreResourceStatusField: some", "ignoreResourceStatusField is one of all, crd, none, not 'some'"),
        ("- a", "has to be a map"),
        ("{", "did not find expected node content"),
    ],
)
def test_what_cannot_be_meant_overlooks_nothing_and_is_told(written: str, told: str) -> None:
    rules, (problem,) = read_compare_options({KEY: written})
    assert rules == ()
    assert told in problem
