"""Do the projects and clusters that the Applications of a set name exist? Said of the set, in Argo CD's words. Pure.

The Applications are made all the same: they say it themselves, and what they name may come later. So it holds nothing back.
"""

from collections.abc import Iterator, Mapping

from shipway.api.application import DEFAULT_PROJECT, IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from shipway.api.clusters import normalized
from shipway.appsets.generators.clusters import selected_clusters
from shipway.appsets.scene import VALIDATION, Problem, Scene
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import EVERYTHING
from shipway.kube.objects.views import dig


def doubts(applications: Mapping[str, Obj], scene: Scene) -> tuple[Problem, ...]:
    """One for each thing that is not there, with the first Application that names it and how many more do."""
    clusters = selected_clusters(scene.around.clusters, EVERYTHING)
    called = {IN_CLUSTER_NAME, *(one["name"] for one in clusters)}
    servers = {IN_CLUSTER_SERVER, *(normalized(one["server"]) for one in clusters)}
    named: dict[str, list[str]] = {}
    for name, app in applications.items():
        for message in _missing(app, scene, called, servers):
            named.setdefault(message, []).append(name)
    return tuple(Problem(VALIDATION, f"application {_first(names)}: {message}") for message, names in named.items())


def _missing(app: Obj, scene: Scene, called: set[str], servers: set[str]) -> Iterator[str]:
    project = dig(app, "spec", "project") or DEFAULT_PROJECT
    if not scene.has_project(project):
        yield f"application references project {project} which does not exist"
    name, server = dig(app, "spec", "destination", "name"), dig(app, "spec", "destination", "server")
    if name and name not in called:
        yield f"application destination spec is invalid: there are no clusters with this name: {name}"
    if server and normalized(server) not in servers:
        unknown = f'error getting cluster by server "{server}": cluster "{server}" not found'
        yield f"application destination spec is invalid: {unknown}"


def _first(names: list[str]) -> str:
    return repr(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
