"""`globalProjects` of `argocd-cm`: AppProjects from which those with certain labels inherit.

    - labelSelector: {matchLabels: {team: shop}}    # as Kubernetes writes it; an empty one fits every project
      projectName: base

Windows, repositories, destinations and the white and black lists of kinds are put after the project's own (Argo CD's
mergeVirtualProject, util/argo); everything else is the project's alone. A project without `namespaceResourceWhitelist` allows
every kind, so one that is inherited narrows it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from shipway.api.application import InheritedWindow, InheritingProject, ProjectSpec
from shipway.base.errors import InvalidInput
from shipway.gitops.customizations import CONFIG_MAP
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import LabelSelector, label_selector_of
from shipway.kube.objects.views import labels_of, name_of

KEY = "globalProjects"
_LISTS = (
    *("source_repos", "destinations", "cluster_resource_whitelist", "cluster_resource_blacklist"),
    *("namespace_resource_whitelist", "namespace_resource_blacklist"),
)


class GlobalProject(Struct, frozen=True):
    """`name` of the AppProject from which those inherit that `selector` fits."""

    name: str
    selector: LabelSelector


def read_global_projects(settings: Mapping[str, str]) -> tuple[tuple[GlobalProject, ...], tuple[str, ...]]:
    """(rules, problems) of the data of `argocd-cm`. An entry that cannot be read is told and fits nobody."""
    found: list[GlobalProject] = []
    problems: list[str] = []
    try:
        said: Any = yaml.load(settings.get(KEY) or "[]") or []
    except InvalidInput as error:
        return (), (f"{CONFIG_MAP}: {KEY}: {error.message}",)
    if not isinstance(said, list):
        return (), (f"{CONFIG_MAP}: {KEY} has to be a list",)
    for number, entry in enumerate(said):
        try:
            found.append(_read(entry))
        except InvalidInput as error:
            problems.append(f"{CONFIG_MAP}: {KEY}[{number}]: {error.message}")
    return tuple(found), tuple(problems)


def _read(entry: Any) -> GlobalProject:
    if not isinstance(entry, dict) or not isinstance(entry.get("projectName"), str) or not entry["projectName"]:
        raise InvalidInput("projectName is required: say from which AppProject is inherited")
    selector = entry.get("labelSelector") or {}
    if not isinstance(selector, dict):
        raise InvalidInput("labelSelector has to be a map with matchLabels or matchExpressions")
    return GlobalProject(entry["projectName"], label_selector_of(selector))


def names_inherited(project: Obj, rules: Sequence[GlobalProject]) -> tuple[str, ...]:
    """The names of the projects that this one inherits from, in the order in which they are put after one another."""
    return tuple(one.name for one in rules if one.name != name_of(project) and one.selector.matches(labels_of(project)))


def inheriting(project: ProjectSpec, parents: Sequence[tuple[str, ProjectSpec]]) -> ProjectSpec:
    """The project with what it inherits from `parents` (name, spec); itself when there are none."""
    if not parents:
        return project
    merged: dict[str, Any] = asdict(project)
    for _, parent in parents:
        for name in _LISTS:
            if getattr(parent, name):
                merged[name] = (*(merged[name] or ()), *getattr(parent, name))
    windows = [
        InheritedWindow(**asdict(window), inherited_from=name)
        for name, parent in parents
        for window in parent.sync_windows or ()
    ]
    merged["sync_windows"] = (*(project.sync_windows or ()), *windows)
    return InheritingProject(**merged, own=project, parents=tuple(parents))
