"""Which keys of `argocd-cm` a team has to know of before it comes over."""

from pathlib import Path

import pytest

from shipway.gitops.argocd_settings import READ, unread, unread_flags

PAGE = (Path(__file__).parents[3] / "docs" / "compatibility-argo-cd.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "key",
    [
        *("timeout.reconciliation", "resource.customizations.health.argoproj.io_Rollout", "kustomize.buildOptions"),
        *("globalProjects", "url", "dex.config", "accounts.ci", "ui.bannercontent", "application.links"),
        *("resource.ignoreResourceUpdatesEnabled", "resource.customizations.ignoreResourceUpdates.all"),
    ],
)
def test_what_acts_here_or_has_nothing_to_act_on_is_not_told(key: str) -> None:
    assert unread({key: "something"}) == ()


def test_what_changes_deployments_and_is_not_read_is_told() -> None:
    settings = {"helm.valuesFileSchemes": "https", "application.links": "x", "resource.heard": "x", "resource.unheard": ""}
    assert unread(settings) == ("resource.heard",)


def test_flags_that_change_what_is_deployed_are_told_where_they_are_set() -> None:
    flags = {
        "application.namespaces": "team-*",
        "reposerver.allow.oob.symlinks": "true",
        "applicationsetcontroller.dryrun": "false",
        "controller.sync.timeout.seconds": "900",
        "applicationsetcontroller.policy": "create-only",
        "server.insecure": "true",
    }
    assert unread_flags(flags) == ("reposerver.allow.oob.symlinks",)


@pytest.mark.parametrize("pattern", READ)
def test_what_is_read_stands_on_the_page(pattern: str) -> None:
    """Patterns are spelled with `<version>` there."""
    assert any(pattern.replace("*", end) in PAGE for end in ("*", "<version>", "enabled"))
