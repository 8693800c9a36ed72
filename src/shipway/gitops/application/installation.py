"""What an installation says for all of its Applications: `argocd-cm`, and the AppProject that each of them uses.

A memory of what was read of one version; it may be dropped at any moment.
"""

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import ApplicationSpec, IgnoreDifference, ProjectSpec, default_project
from shipway.api.hydration import CommitSettings
from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS, SECRETS
from shipway.api.sources import KustomizeSettings, ProjectFacts, SourceType
from shipway.gitops.application.projects import Projects, ReadProject
from shipway.gitops.application.scoped import BY_OWNER, with_own
from shipway.gitops.compare_options import read_compare_options
from shipway.gitops.customizations import CONFIG_MAP, Customizations, read_customizations
from shipway.gitops.global_projects import GlobalProject, names_inherited, read_global_projects
from shipway.gitops.handover import Stance
from shipway.gitops.hydration.settings import read_commit_settings
from shipway.gitops.ignore import rules_in
from shipway.gitops.impersonation import Impersonation, read_impersonation
from shipway.gitops.known_types import KnownTypes, read_known_types
from shipway.gitops.kustomize import read_kustomize
from shipway.gitops.project import DEFAULT, namespace_refusal
from shipway.gitops.scope import Scope, read_scope
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.tools import read_schemes, read_switched_off
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import resource_version_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World


class Said(Struct, frozen=True):
    """One version of `argocd-cm`, read. `without`: tools that are switched off; `schemes`: of URLs that files may be read from.
    `has_home`: Applications may go to the cluster that they live in."""

    version: tuple[str, str]
    said: Customizations
    ignored: tuple[IgnoreDifference, ...]
    known_types: KnownTypes
    scope: Scope
    kustomize: KustomizeSettings
    without: tuple[SourceType, ...]
    schemes: tuple[str, ...]
    global_projects: tuple[GlobalProject, ...]
    impersonation: Impersonation
    commits: CommitSettings
    has_home: bool


def _read(version: tuple[str, str], config_map: Obj | None) -> Said:
    said = read_customizations(config_map)
    (ignored, problems), (known_types, mistyped) = rules_in(said), read_known_types(said)
    settings: dict[str, str] = (config_map or {}).get("data") or {}
    scope, (overlooked, wrong) = read_scope(settings), read_compare_options(settings)
    global_projects, unread = read_global_projects(settings)
    said = replace(said, problems=(*said.problems, *problems, *mistyped, *scope.problems, *wrong, *unread))
    return Said(
        version,
        said,
        (*ignored, *overlooked),
        known_types,
        scope,
        read_kustomize(settings),
        read_switched_off(settings),
        read_schemes(settings),
        global_projects,
        read_impersonation(settings),
        read_commit_settings(settings),
        has_home=settings.get("cluster.inClusterEnabled") != "false",
    )


class Installation:
    """Reads both for one controller."""

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._projects = Projects()
        self._read = _read(("", ""), None)
        self._looked_in: World | None = None

    def lends(self, project: str) -> bool:
        """Whether other projects may inherit from this one, by the settings that were read last."""
        return any(one.name == project for one in self._read.global_projects)

    def said(self, world: World) -> Said:
        """Read once for each version of `argocd-cm`, and looked up once for one look at an application, which asks often."""
        if world is self._looked_in:
            return self._read
        self._looked_in = world
        config_map = world.get(CONFIG_MAPS, self._settings.namespace, CONFIG_MAP)
        version = (uid_of(config_map), resource_version_of(config_map)) if config_map else ("", "")
        if self._read.version != version:
            self._read = _read(version, config_map)
        return self._read

    def project(self, world: World, key: ObjectKey, spec: ApplicationSpec | None, stance: Stance) -> tuple[ReadProject, bool]:
        """The project as the application may use it, and whether it exists. Who only looks takes the default one for made."""
        name = (spec.project if spec else "") or DEFAULT
        found = world.get(APP_PROJECTS, self._settings.namespace, name)
        if found is None and name == DEFAULT and stance.kind == "report":
            found = default_project(self._settings.namespace)
        if found is None:
            self._projects.forget(name)
            return ReadProject(None, f"Application referencing project {name} which does not exist"), False
        parents = names_inherited(found, self.said(world).global_projects)
        there = (world.get(APP_PROJECTS, self._settings.namespace, one) for one in parents)
        project = self._projects.with_parents(found, [one for one in there if one is not None])
        if project.spec is not None:
            project = replace(project, spec=with_own(project.spec, world.indexed(SECRETS, BY_OWNER, name)))
        refusal = namespace_refusal(project.spec, name, key, self._settings.namespace)
        return (ReadProject(None, refusal) if project.spec and refusal else project), True


def facts_of(spec: ApplicationSpec, project: ProjectSpec | None) -> ProjectFacts:
    """What of its project a source may be told."""
    return ProjectFacts(spec.project or DEFAULT, tuple(project.source_repos or ()) if project else ())
