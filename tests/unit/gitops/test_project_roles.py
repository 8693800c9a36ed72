"""Roles of a project: rows that could never work are told with Argo CD's words."""

import pytest

from shipway.api.application import ProjectRole
from shipway.gitops.project_roles import policy_problem, role_problems


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("p, proj:team:dev, applications, sync, team/*, allow", ""),
        ("p, proj:team:dev, applications, action/apps/Deployment/restart, team/argo/shop, deny", ""),
        ("p, proj:team:dev, applications, delete/*/Pod/*, team/shop, allow", ""),
        ("p, proj:team:dev, logs, get, team/*, allow", ""),
        ("g, proj:team:dev, applications, sync, team/*, allow", "must be of the form: 'p, sub, res, act, obj, eft'"),
        ("p, proj:team:dev, applications, sync, team/*", "must be of the form: 'p, sub, res, act, obj, eft'"),
        (
            "p, proj:other:dev, applications, sync, team/*, allow",
            "policy subject must be: 'proj:team:dev', not 'proj:other:dev'",
        ),
        (
            "p, proj:team:dev, accounts, get, team/*, allow",
            "project resource must be: 'applications', 'applicationsets', 'repositories', 'exec', 'logs' or 'clusters', not "
            "'accounts'",
        ),
        ("p, proj:team:dev, applications, destroy, team/*, allow", "invalid action 'destroy'"),
        (
            "p, proj:team:dev, applications, get, other/*, allow",
            "object must be of form 'team/*', 'team[/<NAMESPACE>]/<APPNAME>' or 'team/<APPNAME>', not 'other/*'",
        ),
        ("p, proj:team:dev, applications, get, team/*, maybe", "effect must be: 'allow' or 'deny'"),
    ],
)
@pytest.mark.compat("argocd:project.roles")
def test_policies(policy: str, told: str) -> None:
    assert policy_problem("team", "dev", policy) == told


def test_names_and_groups() -> None:
    role = ProjectRole(name="-dev", groups=("ok", '"a, b"', "a, b", "", " lead", "tail ", 'q"x'))
    assert [told.split(":")[0] for told in role_problems("team", role)] == ["name", *(f"groups[{n}]" for n in (2, 3, 4, 5, 6))]
