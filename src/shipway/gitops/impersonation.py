"""As whom an application is synced: `destinationServiceAccounts` of its AppProject, where `argocd-cm` switches that on.

    application.sync.impersonation.enabled    "true": writes and dry runs of a sync are made as a service account
    application.sync.impersonation.enforced   "false": without one that fits, with our own rights; by default not at all

The first entry counts whose `server` and `namespace` (globs) fit the destination; `defaultServiceAccount` is `name` in the
destination's namespace, or `namespace:name` (Argo CD's rules: util/settings DeriveServiceAccountToImpersonate). An application
is deleted as the account too. What is read and watched, and the application's own object, stay ours.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from shipway.api.application import Destination, ProjectSpec
from shipway.base.globs import compile_glob, glob_problem

_KEY = "application.sync.impersonation"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_ACCOUNT = re.compile(_NAME.pattern, re.IGNORECASE)
"""Capitals are let through, as Argo CD does: no account is called so, and whoever is synced as it is told by the API server."""


class Impersonation(Struct, frozen=True):
    """What `argocd-cm` says of it."""

    enabled: bool = False
    enforced: bool = True


class Acting(Struct, frozen=True):
    """`user` as whom an application is synced and deleted, "" for ourselves; `problem`: why that may not begin."""

    user: str = ""
    problem: str = ""


def read_impersonation(settings: Mapping[str, str]) -> Impersonation:
    """`settings` is the data of `argocd-cm`."""
    return Impersonation(settings.get(f"{_KEY}.enabled") == "true", settings.get(f"{_KEY}.enforced") != "false")


def account_problems(project: ProjectSpec) -> Iterator[str]:
    """What is wrong with `destinationServiceAccounts`, each with its path."""
    seen: set[tuple[str, str, str]] = set()
    for index, one in enumerate(project.destination_service_accounts or ()):
        where = f"destinationServiceAccounts[{index}]"
        for field, pattern in (("server", one.server), ("namespace", one.namespace)):
            if told := _bad_pattern(pattern):
                yield f"{where}.{field}: {told}"
        account = one.default_service_account
        if not all(map(_ACCOUNT.fullmatch, account.split(":"))) or account.count(":") > 1:
            yield f"{where}.defaultServiceAccount: {account!r} is no service account: write name, or namespace:name"
        if (key := (one.server, one.namespace, account)) in seen:
            yield f"{where}: it stands there already"
        seen.add(key)


def unknown_for(said: Impersonation, why: str) -> Acting:
    """Where nothing can be derived, since the project or the spec is not there or cannot be read."""
    return Acting(problem=f"nobody can tell as whom: {why}") if said.enabled and said.enforced else Acting()


def _bad_pattern(pattern: str) -> str:
    if "!" in pattern:
        return f"{pattern!r}: nothing is excluded here: put the entry that is meant before the others"
    return glob_problem(pattern)


def acting_for(said: Impersonation, project: ProjectSpec, name: str, destination: Destination, app_namespace: str) -> Acting:
    """As whom an application of the project `name` is synced. `app_namespace`: where the application itself lies."""
    if not said.enabled:
        return Acting()
    server, namespace = destination.stated_server, destination.namespace
    for one in project.destination_service_accounts or ():
        if compile_glob(one.server)(server) and compile_glob(one.namespace)(namespace):
            own, _, account = one.default_service_account.rpartition(":")
            where = own or namespace or app_namespace
            if not _NAME.fullmatch(where):
                return Acting(problem=f"spec.destination.namespace: {where!r} is no namespace, so it has no service accounts")
            return Acting(f"system:serviceaccount:{where}:{account}")
    if not said.enforced:
        return Acting()
    return Acting(
        problem="failed to find a matching service account to impersonate: no matching service account found for destination "
        f"server {server} and namespace {namespace}: add one to spec.destinationServiceAccounts of AppProject {name}"
    )
