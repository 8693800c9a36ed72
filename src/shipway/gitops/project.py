"""AppProject: which repositories, destinations and kinds an application of the project may use.

Every refusal says which rule refused. Patterns are globs in which `*` does not cross a `/` in repository URLs; a pattern
that starts with `!` denies, and a denial wins.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial

from shipway.api.application import (
    DEFAULT_PROJECT,
    ApplicationSpec,
    Destination,
    InheritingProject,
    ProjectDestination,
    ProjectKind,
    ProjectSpec,
)
from shipway.api.signatures import key_problems
from shipway.api.sources import ProjectFacts
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, glob_or_regex
from shipway.gitops.annotations import REQUIRE_REASON
from shipway.gitops.impersonation import account_problems
from shipway.gitops.project_roles import role_problems
from shipway.gitops.windows import problem_of
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of
from shipway.kube.runtime.controller import ObjectKey

DEFAULT = DEFAULT_PROJECT


def requires_reason(project: Obj) -> bool:
    """Whether a person has to say why, for what is done to the applications of the project."""
    return annotations_of(project).get(REQUIRE_REASON) == "true"


def problems(project: ProjectSpec, name: str) -> tuple[str, ...]:
    """What is wrong with a project itself, each with its path; its applications are not synced until that is mended."""
    found = [f"spec.syncWindows[{n}].{told}" for n, one in enumerate(project.sync_windows or ()) if (told := problem_of(one))]
    found += [f"spec.{told}" for told in _bad_patterns(project)]
    for index, role in enumerate(project.roles or ()):
        found += [f"spec.roles[{index}].{told}" for told in role_problems(name, role)]
    found += [f"spec.{told}" for told in key_problems(project)]
    found += [f"spec.{told}" for told in account_problems(project)]
    return tuple(f"AppProject {name}: {told}" for told in found)


def _bad_patterns(project: ProjectSpec) -> Iterator[str]:
    lists: dict[str, Sequence[str]] = {
        "sourceRepos": project.source_repos or (),
        "destinations": [text for rule in project.destinations or () for text in (rule.server, rule.name, rule.namespace)],
        "sourceNamespaces": project.source_namespaces or (),
    }
    for field, patterns in lists.items():
        for pattern in patterns:
            try:
                glob_or_regex(pattern.removeprefix("!"))
            except InvalidInput as error:
                yield f"{field}: {error.message}"


def refusals(project: ProjectSpec, name: str, spec: ApplicationSpec, owner: str = "") -> tuple[str, ...]:
    """Why the project does not allow this application; empty when it does. `owner`: the project that the cluster belongs to."""
    found: list[str] = []
    for repo_url in spec.repo_urls:
        if not _permits_text(repo_url, project.source_repos or (), "/"):
            whose = _whose(project, "sourceRepos", partial(_denies_repository, repo_url))
            found.append(f"application repo {repo_url} is not permitted in project '{name}'{whose}")
    where = spec.destination.server or spec.destination.name
    if not _permits_destination(spec.destination, project.destinations or (), spec.destination.namespace):
        whose = _whose(project, "destinations", partial(_denies_destination, spec.destination, spec.destination.namespace))
        found.append(
            f"application destination server '{where}' and namespace "
            f"'{spec.destination.namespace}' do not match any of the allowed destinations in project '{name}'{whose}"
        )
    elif project.permit_only_project_scoped_clusters and owner != name:
        found.append(
            f"application destination server '{where}' is not permitted in project '{name}': permitOnlyProjectScopedClusters "
            f"is on, and the cluster belongs to {owner or 'no project'}"
        )
    return tuple(found)


def namespace_refusal(project: ProjectSpec | None, project_name: str, app: ObjectKey, control_namespace: str) -> str:
    """Why an application outside the control-plane namespace may not use the project; "" when it may."""
    if app.namespace == control_namespace:
        return ""
    if project is not None and project.serves(app.namespace):
        return ""
    return f"application '{app.name}' in namespace '{app.namespace}' is not allowed to use project '{project_name}'"


def refusal_of(project: ProjectSpec, name: str, ref: Ref, is_namespaced: bool, destination: Destination) -> str:
    """Why the project does not allow this object; "" when it does."""
    if is_namespaced:
        allowed = project.namespace_resource_whitelist is None or _any_kind(project.namespace_resource_whitelist, ref)
        denied = _any_kind(project.namespace_resource_blacklist or (), ref)
    else:
        allowed = _any_kind(project.cluster_resource_whitelist or (), ref)
        denied = _any_kind(project.cluster_resource_blacklist or (), ref)
    if denied or not allowed:
        return f"resource {ref.group}:{ref.kind} is not permitted in project {name}{_who_lists(project, ref, is_namespaced)}"
    if is_namespaced and not _permits_destination(destination, project.destinations or (), ref.namespace):
        whose = _whose(project, "destinations", partial(_denies_destination, destination, ref.namespace))
        return f"namespace {ref.namespace} is not permitted in project '{name}'{whose}"
    return ""


def permits_everything(project: ProjectSpec) -> bool:
    """Whether no object at all is refused, as in the project `default`."""
    is_plain = project.namespace_resource_whitelist is None and not project.namespace_resource_blacklist
    every_kind = ProjectKind("*", "*") in (project.cluster_resource_whitelist or ()) and not project.cluster_resource_blacklist
    places = project.destinations or ()
    everywhere = all("!" not in text for rule in places for text in (rule.server, rule.name, rule.namespace))
    return (
        is_plain and every_kind and everywhere and any((one.server or one.name, one.namespace) == ("*", "*") for one in places)
    )


def _who_lists(project: ProjectSpec, ref: Ref, is_namespaced: bool) -> str:
    """Which list of a global project refuses a kind; "" where it is the project's own."""
    if not is_namespaced:
        return _whose(project, "clusterResourceBlacklist", lambda one: _any_kind(one.cluster_resource_blacklist or (), ref))
    whose = _whose(project, "namespaceResourceBlacklist", lambda one: _any_kind(one.namespace_resource_blacklist or (), ref))
    allows_all = isinstance(project, InheritingProject) and project.own.namespace_resource_whitelist is None
    return whose or _whose(
        project, "namespaceResourceWhitelist", lambda one: allows_all and bool(one.namespace_resource_whitelist)
    )


def _whose(project: ProjectSpec, field: str, refuses: Callable[[ProjectSpec], bool]) -> str:
    """From which global project a rule that refuses comes; "" where none says so."""
    parents = project.parents if isinstance(project, InheritingProject) else ()
    name = next((name for name, one in parents if refuses(one)), "")
    return f": {field} of global project {name}" if name else ""


def _denies_destination(destination: Destination, namespace: str, project: ProjectSpec) -> bool:
    """Whether a rule with `!` speaks of it."""
    rules = project.destinations or ()
    denials = [one for one in rules if any(part.startswith("!") for part in (one.server, one.name, one.namespace))]
    everything = ProjectDestination(server="*", namespace="*"), ProjectDestination(name="*", namespace="*")
    return not _permits_destination(destination, (*everything, *denials), namespace)


def _denies_repository(repo_url: str, project: ProjectSpec) -> bool:
    denials = [one for one in project.source_repos or () if one.startswith("!")]
    return not _permits_text(repo_url, ("*", *denials), "/")


def _permits_destination(destination: Destination, rules: Sequence[ProjectDestination], namespace: str) -> bool:
    def fits(rule: ProjectDestination, *, denial: bool) -> bool:
        server, name, where = rule.server, rule.name, rule.namespace
        if denial:
            parts = [(part[1:], value) for part, value in _pairs(rule, destination, namespace) if part.startswith("!")]
            rest = [(part, value) for part, value in _pairs(rule, destination, namespace) if part and not part.startswith("!")]
            return bool(parts) and all(_matches(part, value) for part, value in parts + rest)
        if any(part.startswith("!") for part in (server, name, where)):
            return False
        place = _is_here(server, name, destination)
        return place and _matches(where, namespace)

    if any(fits(rule, denial=True) for rule in rules):
        return False
    return any(fits(rule, denial=False) for rule in rules)


def _pairs(rule: ProjectDestination, destination: Destination, namespace: str) -> list[tuple[str, str]]:
    return [
        (rule.server, destination.stated_server),
        (rule.name, destination.stated_name),
        (rule.namespace, namespace),
    ]


def _is_here(server: str, name: str, destination: Destination) -> bool:
    """A rule names the cluster by server or by name."""
    if server:
        return _matches(server, destination.stated_server)
    return bool(name) and _matches(name, destination.stated_name)


def _any_kind(rules: Iterable[ProjectKind], ref: Ref) -> bool:
    return any(
        _matches(rule.group, ref.group) and _matches(rule.kind, ref.kind) and (not rule.name or _matches(rule.name, ref.name))
        for rule in rules
    )


def permits_repository(project: ProjectFacts, repo_url: str) -> bool:
    """Whether a repository may be read, or logged in to, that only a source itself names."""
    return _permits_text(repo_url, project.source_repos, "/")


def _permits_text(text: str, patterns: Sequence[str], separator: str) -> bool:
    text = text.removesuffix(".git").lower()
    denied = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    allowed = [pattern for pattern in patterns if not pattern.startswith("!")]

    def fits(pattern: str) -> bool:
        return pattern == "*" or _matches(pattern.removesuffix(".git").lower(), text, separator)

    return any(map(fits, allowed)) and not any(map(fits, denied))


@lru_cache(maxsize=8192)
def _matches(pattern: str, text: str, separator: str = "") -> bool:
    """Kept: every look at an application asks the same of its project."""
    return _glob(pattern, separator)(text)


@lru_cache(maxsize=1024)
def _glob(pattern: str, separator: str) -> Callable[[str], bool]:
    return compile_glob(pattern, separator)
