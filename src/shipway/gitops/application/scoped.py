"""What belongs to one AppProject: repositories and clusters whose Secrets name it. It may use them without saying so itself."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from shipway.api.application import ProjectDestination, ProjectSpec
from shipway.api.clusters import CLUSTER_SELECTOR, parse_cluster
from shipway.api.kinds import APPLICATIONS, SECRETS
from shipway.api.repositories import REPOSITORY, SECRET_TYPE
from shipway.gitops.application.destinations import BY_DESTINATION, names_of, users_of_cluster
from shipway.gitops.project import DEFAULT
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import labels_of, spec_of
from shipway.kube.runtime.decision import Indexed, Watch, nobody

BY_OWNER = "owner"
"""An index of those Secrets by the project that they name."""
BY_PROJECT = "project"
"""An index of Applications by their project."""
EVERY = "every"
"""An index of all Applications under one value, for what concerns them all."""


def watches_of_secrets(namespace: str, *, wakes: bool) -> tuple[Watch, ...]:
    """The Secrets of clusters and of repositories; `wakes`: the Applications that use them."""
    repositories = f"{SECRET_TYPE}={REPOSITORY}"
    return (
        Watch(
            SECRETS,
            _users_of_cluster if wakes else nobody,
            {BY_DESTINATION: names_of, BY_OWNER: owner_of},
            namespace=namespace,
            label_selector=CLUSTER_SELECTOR,
        ),
        Watch(SECRETS, _project if wakes else nobody, {BY_OWNER: owner_of}, namespace=namespace, label_selector=repositories),
    )


def project_of(app: Obj) -> Iterable[str]:
    return (spec_of(app).get("project") or DEFAULT,)


def every(_: Obj) -> Iterable[str]:
    return ("",)


def owner_of(secret: Obj) -> Iterable[str]:
    """The project that a Secret belongs to; nothing where it is everybody's."""
    project = secret_values(secret).get("project", "")
    return (project,) if project else ()


def with_own(project: ProjectSpec, secrets: Iterable[Obj]) -> ProjectSpec:
    """The project with the repositories and clusters of these Secrets, which are its own; itself where there are none."""
    repositories: list[str] = []
    destinations: list[ProjectDestination] = []
    for secret in secrets:
        if labels_of(secret).get(SECRET_TYPE) == REPOSITORY:
            repositories.append(secret_values(secret).get("url", "").strip())
        else:
            cluster = parse_cluster(secret)
            namespaces = cluster.reach.namespaces or ("*",)
            destinations += [ProjectDestination(server=cluster.server, namespace=one) for one in namespaces]
    if not (repositories or destinations):
        return project
    more: dict[str, Any] = {
        "source_repos": (*(project.source_repos or ()), *filter(None, repositories)),
        "destinations": (*(project.destinations or ()), *destinations),
    }
    return replace(project, **more)


def _project(secret: Obj) -> Iterable[Indexed]:
    return tuple(Indexed(APPLICATIONS, BY_PROJECT, name) for name in owner_of(secret))


def _users_of_cluster(secret: Obj) -> Iterable[Indexed]:
    return (*users_of_cluster(secret), *_project(secret))
