"""Where charts get their dependencies from: repositories of charts, logged in to as the Secrets say.

A login is used where the AppProject permits the repository as a source, as in Argo CD; any other is asked as everybody may.
`@name` and `alias:name` are repositories by the name that their Secret gives them.
"""

from pathlib import Path

from shipway.adapters.charts.charts import Access, Charts
from shipway.adapters.helm.dependencies import Dependency
from shipway.api.sources import ProjectFacts
from shipway.assembly.repositories import Repositories
from shipway.base.errors import InvalidInput
from shipway.gitops.project import permits_repository

_NAMED = ("@", "alias:")


class DependencyCharts:
    """Fetches them; equal ones once, as they are kept by digest."""

    def __init__(self, charts: Charts, repositories: Repositories) -> None:
        self._charts = charts
        self._repositories = repositories

    async def fetch(self, dependency: Dependency, project: ProjectFacts) -> Path:
        """The unpacked chart. Raises what the repository raises."""
        url = self._url_of(dependency.repository, project)
        access = Access(project.name, anonymous=not permits_repository(project, url))
        _, digest = await self._charts.fetch(url, dependency.name, dependency.version, access)
        return self._charts.folder(digest)

    def _url_of(self, repository: str, project: ProjectFacts) -> str:
        name = next((repository.removeprefix(mark) for mark in _NAMED if repository.startswith(mark)), "")
        if not name:
            return repository
        known = (one for one in self._repositories.known() if one.name == name and one.project in ("", project.name))
        found = max(known, key=lambda one: one.project, default=None)
        if found is None:
            raise InvalidInput(
                f"no repository Secret has the name {name}: add one, or write its URL", reason="UnknownRepository"
            )
        return f"oci://{found.url.removeprefix('oci://')}" if found.is_oci else found.url
