"""As whom an application is synced."""

from typing import Any

import pytest

from shipway.api.application import Destination, ProjectSpec, parse_project
from shipway.gitops.impersonation import Acting, Impersonation, account_problems, acting_for, read_impersonation

ON = Impersonation(enabled=True)
HERE = "https://kubernetes.default.svc"


def project(*accounts: tuple[str, str, str]) -> ProjectSpec:
    written: list[Any] = [{"server": s, "namespace": n, "defaultServiceAccount": a} for s, n, a in accounts]
    return parse_project({"spec": {"destinationServiceAccounts": written}})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, Impersonation()),
        ({"application.sync.impersonation.enabled": "true"}, ON),
        ({"application.sync.impersonation.enabled": "yes"}, Impersonation()),
        (
            {"application.sync.impersonation.enabled": "true", "application.sync.impersonation.enforced": "false"},
            Impersonation(enabled=True, enforced=False),
        ),
    ],
)
def test_what_is_said_of_it(data: dict[str, str], said: Impersonation) -> None:
    assert read_impersonation(data) == said


@pytest.mark.parametrize(
    ("accounts", "destination", "user"),
    [
        ([(HERE, "shop", "deployer")], Destination(server=HERE, namespace="shop"), "shop:deployer"),
        ([(HERE, "shop", "deployer")], Destination(name="in-cluster", namespace="shop"), "shop:deployer"),
        ([(HERE, "*", "ops:deployer")], Destination(server=HERE, namespace="shop"), "ops:deployer"),
        ([(HERE, "", "deployer")], Destination(server=HERE), "argocd:deployer"),
        (
            [("https://a.test", "*", "first"), ("https://*", "sh?p", "second"), ("*", "*", "third")],
            Destination(server=HERE, namespace="shop"),
            "shop:second",
        ),
    ],
)
@pytest.mark.compat("argocd:project.destinationServiceAccounts")
def test_the_first_entry_that_fits_counts(accounts: list[Any], destination: Destination, user: str) -> None:
    assert acting_for(ON, project(*accounts), "team", destination, "argocd") == Acting(f"system:serviceaccount:{user}")


def test_where_none_fits() -> None:
    rules, there = project((HERE, "other", "deployer")), Destination(server=HERE, namespace="shop")
    assert acting_for(Impersonation(), rules, "team", there, "argocd") == Acting()
    assert acting_for(Impersonation(enabled=True, enforced=False), rules, "team", there, "argocd") == Acting()
    told = acting_for(ON, rules, "team", there, "argocd").problem
    assert told == (
        "failed to find a matching service account to impersonate: no matching service account found for destination "
        f"server {HERE} and namespace shop: add one to spec.destinationServiceAccounts of AppProject team"
    )


def test_a_namespace_that_is_none_is_nobody() -> None:
    there = Destination(server=HERE, namespace="x\r\nimpersonate-group: system:masters")
    acting = acting_for(ON, project(("*", "*", "deployer")), "team", there, "argocd")
    assert acting.user == ""
    assert "is no namespace" in acting.problem


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ((HERE, "shop", ""), "destinationServiceAccounts[0].defaultServiceAccount: '' is no service account"),
        ((HERE, "shop", "a/b"), "'a/b' is no service account: write name, or namespace:name"),
        ((HERE, "shop", "a:b:c"), "'a:b:c' is no service account"),
        ((HERE, "shop", "a b"), "'a b' is no service account"),
        ((HERE, "!shop", "a"), "destinationServiceAccounts[0].namespace: '!shop': nothing is excluded here"),
        (("[", "shop", "a"), "destinationServiceAccounts[0].server: "),
    ],
)
def test_what_is_wrong_with_an_entry(account: tuple[str, str, str], told: str) -> None:
    (problem,) = account_problems(project(account))
    assert told in problem


def test_an_entry_that_stands_there_twice() -> None:
    one = (HERE, "shop", "a")
    assert list(account_problems(project(one, one))) == ["destinationServiceAccounts[1]: it stands there already"]
    assert list(account_problems(project(one, (HERE, "shop", "b")))) == []


def test_an_account_that_nobody_can_have_keeps_no_project_from_working() -> None:
    """Argo CD takes capitals, so an entry that no application comes to must not stop them all."""
    assert list(account_problems(project((HERE, "shop", "deployer"), (HERE, "*", "missing-Account")))) == []
