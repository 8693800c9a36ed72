"""Applications as users write them, read into typed views; wrong types name their path."""

from typing import Any

import pytest

from shipway.api.application import Backoff, parse_operation, parse_project, parse_spec
from shipway.base.errors import InvalidInput


def test_an_application_of_argo_cd_users_is_read() -> None:
    spec = parse_spec(
        {
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": "https://git.test/x.git",
                    "path": "charts/web",
                    "targetRevision": "main",
                    "helm": {"valueFiles": ["values-staging.yaml"], "parameters": [{"name": "a", "value": "b"}]},
                    "aFieldOfTheFuture": 1,
                },
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "web"},
                "syncPolicy": {
                    "automated": {"prune": True, "selfHeal": True},
                    "syncOptions": ["CreateNamespace=true"],
                    "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
                },
            }
        }
    )
    assert spec.source is not None and spec.sync_policy is not None
    assert (spec.source.repo_url, spec.source.target_revision) == ("https://git.test/x.git", "main")
    assert spec.sync_policy.automated is not None and spec.sync_policy.automated.self_heal is True
    assert spec.sync_policy.automated.allow_empty is None
    assert spec.sync_policy.retry is not None and spec.sync_policy.retry.limit == 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"source": {"repoURL": 5}}, "spec.source.repoURL: expected `str`, got `int`"),
        ({"syncPolicy": {"automated": {"prune": "yes"}}}, "spec.syncPolicy.automated.prune: expected `bool | null`, got `str`"),
        ({"syncPolicy": {"syncOptions": [1]}}, "spec.syncPolicy.syncOptions[0]: expected `str`, got `int`"),
        ({"destination": []}, "spec.destination: expected `object`, got `array`"),
    ],
)
@pytest.mark.compat("argocd:validation")
def test_a_wrong_type_names_its_path(spec: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_spec({"spec": spec})
    assert (refusal.value.message, refusal.value.reason) == (message, "InvalidSpecError")


def test_an_operation_and_a_project_are_read_tolerantly() -> None:
    operation = parse_operation({"sync": {"revision": "HEAD", "prune": True, "more": 1}, "initiatedBy": {"username": "ada"}})
    assert operation.sync is not None and operation.sync.prune
    assert parse_project({"spec": {"sourceRepos": ["*"]}}).source_repos == ("*",)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff(), [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 180.0]),
        (Backoff(duration="1s", factor=3, max_duration="5s"), [1.0, 3.0, 5.0]),
        (Backoff(duration=7, factor=None), [7.0, 14.0]),
        (Backoff(duration="30"), [30.0]),
    ],
)
@pytest.mark.compat("argocd:retry.backoff")
def test_backoff_grows_by_its_factor_up_to_its_maximum(backoff: Backoff, waits: list[float]) -> None:
    assert [backoff.wait(tries) for tries in range(len(waits))] == waits
