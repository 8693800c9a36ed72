"""The Application that follows its service to the new place: the same name, destination and settings, other sources.

Since name and namespace stay, what runs stays its own: applying it where the old one is moves it, and changes nothing else.
"""

from collections.abc import Iterator, Sequence

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS
from shipway.api.sources import ProjectFacts
from shipway.base.errors import InvalidInput
from shipway.gitops.annotations import KINDS
from shipway.gitops.backup import kept
from shipway.gitops.pinned import spec_sources
from shipway.gitops.project import permits_repository
from shipway.gitops.relocation.layout import HOME
from shipway.kube.objects.client_side import LAST_APPLIED
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import annotations_of, dig, metadata, spec_of

GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
"""Where Argo CD looks whether a push concerns the Application: folders of the repository that it left."""
_ARGOS = frozenset(kind.group_kind for kind in (APPLICATIONS, APP_PROJECTS, APPLICATION_SETS))


def check_movable(app: Obj) -> None:
    """Raises InvalidInput for an Application whose sources cannot be moved, saying why and what to do."""
    if spec_of(app).get("sourceHydrator"):
        raise InvalidInput(
            "a hydrator renders it into a branch, and that branch is what it follows: move its dry source by hand"
        )
    for source in spec_sources(app)[0]:
        if source.get("plugin"):
            raise InvalidInput("a plugin may read anything of its repository, so nobody can say what to take along")
        if dig(source, "directory", "jsonnet", "libs"):
            raise InvalidInput(
                "directory.jsonnet.libs are paths from the root of the central repository: import them relatively"
            )
        for one in dig(source, "helm", "fileParameters", default=()) or ():
            path = str(one.get("path") or "")
            if path.startswith(("/", "$", "../")) or "/../" in path:
                raise InvalidInput(
                    f"the file parameter {one.get('name')} lies outside of its chart ({path}): put it into the chart"
                )


def check_objects(objects: Sequence[Obj]) -> None:
    """Raises InvalidInput where the Application gives other Applications: those are no service's configuration."""
    for obj in objects:
        group, _ = split_api_version(obj.get("apiVersion") or "")
        if (group, obj.get("kind") or "") in _ARGOS:
            raise InvalidInput(f"it gives objects of kind {obj['kind']}: it is the platform's, not a service's: leave it out")


def moved(app: Obj, sources: Sequence[Obj]) -> Obj:
    """With other sources, and without what a server or an engine wrote."""
    found = kept({key: value for key, value in app.items() if key != "status"}, APPLICATIONS)
    noted = {key: value for key, value in annotations_of(found).items() if key not in (KINDS, LAST_APPLIED)}
    if GENERATE_PATHS in noted:
        noted[GENERATE_PATHS] = f"/{HOME}"
    meta = {key: value for key, value in metadata(found).items() if key != "annotations"}
    said = {"sources": list(sources)} if spec_sources(app)[1] else {"source": sources[0]}
    rest = {key: value for key, value in spec_of(app).items() if key not in ("source", "sources")}
    return {**found, "metadata": {**meta, **({"annotations": noted} if noted else {})}, "spec": {**rest, **said}}


def notes(app: Obj, project: ProjectFacts, repo_url: str) -> Iterator[str]:
    """What has to be done besides applying it."""
    for owner in metadata(app).get("ownerReferences") or ():
        if owner.get("kind") == APPLICATION_SETS.kind:
            yield f"ApplicationSet {owner.get('name')} makes it: its template has to say the new source too"
    if not permits_repository(project, repo_url):
        yield f"AppProject {project.name} does not permit {repo_url}: add it to spec.sourceRepos"
