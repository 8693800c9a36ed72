"""docs/migrate-from-a-central-repo.md, command by command: services leave a central repository, and what runs stays as it is.

`shipway run` reconciles all the while. The central repository and those of the services are served over HTTP.
"""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, SERVICES
from shipway.kube.objects.views import dig
from tests.central_repository import ENVIRONMENTS, applications, central_files
from tests.central_repository import SERVICES as NAMES
from tests.clients.pages import sections
from tests.clients.programs import said_by
from tests.e2e.places import Place
from tests.e2e.running import app_is, environment, synced_to, versions
from tests.repository import ENVIRONMENT, WorkingCopy

PAGE = sections("migrate-from-a-central-repo.md")


class Reader:
    """Who follows the page."""

    def __init__(self, place: Place, central: str) -> None:
        home = place.home.parent
        self.folder = home / "desk"
        self.folder.mkdir()
        programs = f"{Path(sys.executable).parent}:{environment(home)['PATH']}"
        self._environment = {
            **ENVIRONMENT,
            **environment(home),
            "PATH": programs,
            "KUBECONFIG": str(place.cluster.kubeconfig),
            "CENTRAL": central,
            "FORGE": place.git.url("x").removesuffix("/x.git"),
        }

    async def follow(self, title: str) -> str:
        """Carries out the commands of a section; what they said."""
        assert PAGE[title]
        said = ""
        for block in PAGE[title]:
            done = await said_by("/bin/sh", "-euc", f"cd {self.folder}\n{block}", env=self._environment)
            assert done.code == 0, (block, done.out, done.err)
            said += done.out
        return said


async def deliver(place: Place) -> tuple[WorkingCopy, str]:
    """The central repository with its Applications in the cluster, and empty repositories of the services."""
    copy = WorkingCopy(place.home.parent / "central", place.git.create("central"))
    head = await asyncio.to_thread(copy.commit, central_files())
    await asyncio.to_thread(copy.push)
    for app in applications(copy.url):
        await place.client.create(APPLICATIONS, app)
    for service in NAMES:
        place.git.create(service)
    return copy, head


async def specs(place: Place) -> dict[str, object]:
    """What is wanted of everything that runs: no status, and no version that a status moves."""
    listed = {kind.plural: (await place.client.list(kind)).items for kind in (DEPLOYMENTS, SERVICES)}
    return {
        f"{plural}/{obj['metadata']['namespace']}/{obj['metadata']['name']}": (obj["metadata"]["uid"], obj["spec"])
        for plural, found in listed.items()
        for obj in found
    }


@pytest.mark.proves("002-07")
async def test_services_move_out_and_nothing_that_runs_does(place: Place) -> None:
    copy, head = await deliver(place)
    reader = Reader(place, copy.url)
    async with place.run() as running:
        await running.ready()
        for service in NAMES:
            for env in ENVIRONMENTS:
                await app_is(place.client, f"{service}-{env}", synced_to(head))
        configured, wanted = await versions(place.client, CONFIG_MAPS), await specs(place)
        assert len([name for name in wanted if name.startswith("deployments/")]) == 4
        said = await reader.follow("Look, and write nothing that differs")
        assert said.count("same, written") == 8 and "4 services with 8 of 8 Applications" in said
        await reader.follow("Give it to the services")
        said = await reader.follow("Move the Applications")
        for service in NAMES:
            clone = reader.folder / "clones" / service
            commit = (await said_by("git", "-C", str(clone), "rev-parse", "HEAD", env=ENVIRONMENT)).out.strip()
            for env in ENVIRONMENTS:
                app = await app_is(place.client, f"{service}-{env}", synced_to(commit))
                assert dig(app, "spec", "source", "repoURL") == place.git.url(service)
        assert await versions(place.client, CONFIG_MAPS) == configured, "nothing was written"
        assert await specs(place) == wanted
        await gone(copy)
        change = reader.folder / "clones" / "web" / "charts" / "web" / "values-staging.yaml"
        change.write_text(change.read_text().replace("replicas: 2", "replicas: 3"))
        push = "git commit -qam More && git push -q origin HEAD:main && git rev-parse HEAD"
        commit = (await said_by("/bin/sh", "-euc", f"cd {change.parent}\n{push}", env=ENVIRONMENT)).out.strip()
        pushed = b'{"ref": "refs/heads/main", "repository": {"url": "%s"}}' % place.git.url("web").encode()
        await running.post("/api/webhook", pushed, {"X-GitHub-Event": "push"})
        await app_is(place.client, "web-staging", synced_to(commit))
        assert (await place.client.get(DEPLOYMENTS, "shop-staging", "web-staging"))["spec"]["replicas"] == 3
        assert (await versions(place.client, CONFIG_MAPS)) == configured, "nobody else heard of it"


async def gone(copy: WorkingCopy) -> None:
    """Nobody needs the central repository any more."""
    for folder in ("charts", "values", "manifests", "kustomize"):
        shutil.rmtree(copy.path / folder)
    await asyncio.to_thread(copy.commit, {})
    await asyncio.to_thread(copy.push)
