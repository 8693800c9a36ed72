"""`shipway restore`: a cluster is lost with all its data, and a command brings back and proves what belongs there."""

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.cli.cluster import AddFlags, add_cluster
from shipway.cli.restore import restore_cluster
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, resource_version_of
from tests.e2e.places import CLOCK, Place, config_map
from tests.e2e.running import application
from tests.ports import free_port

NAMES = ("database", "catalog", "web")
"""Each depends on the one before it."""
BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: broken}\nspec: {ports: [{port: 99999}]}\n"


def app(name: str, repo_url: str, **annotations: str) -> Obj:
    """One that nobody syncs by itself."""
    made = application(name, repo_url, name, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    made["spec"]["destination"] = {"name": "east", "namespace": "shop"}
    made["metadata"]["annotations"] = {f"shipway.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return made


async def joined(stack: AsyncExitStack, session: Session, home: Path, port: int) -> EmbeddedCluster:
    """An empty cluster at a port, for which the Secret is written anew."""
    east = await stack.enter_async_context(embedded_cluster(home, CLOCK, api_port=port))
    config = load_kubeconfig(east.kubeconfig)
    there = Client(HttpTransport(config), manager="shipway-cli")
    assert await add_cluster(session, config, there, AddFlags(name="east", upsert=True, yes=True)) == 0
    await there.close()
    return east


async def arrivals(client: Client) -> list[str]:
    """The ConfigMaps of the Applications in the order in which they came to the cluster."""
    ours = [one for one in (await client.list(CONFIG_MAPS, "shop")).items if name_of(one) in NAMES]
    return [name_of(one) for one in sorted(ours, key=lambda one: int(resource_version_of(one)))]


@pytest.mark.proves("000-26", "000-31", "fleets:restore")
async def test_a_lost_cluster_is_filled_again_and_proved(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(place.client, CLOCK, "", "default")
    home = tmp_path / "east"
    await place.push({f"{name}/one.yaml": config_map(name).replace("banner", name) for name in NAMES})
    async with AsyncExitStack() as stack, place.run() as running:
        await running.ready()
        life = await stack.enter_async_context(AsyncExitStack())
        port = free_port()
        east = await joined(life, session, home, port)
        with pytest.raises(InvalidInput, match="no Application goes to east"):
            await restore_cluster(session, "east", 5)
        for made in (
            app("web", place.copy.url, depends_on="catalog"),
            app("catalog", place.copy.url, depends_on="database"),
            app("database", place.copy.url),
        ):
            await place.client.create(APPLICATIONS, made)
        assert await restore_cluster(session, "east", 60) == 0
        assert await arrivals(east.client) == list(NAMES)
        capsys.readouterr()

        await life.aclose()
        with pytest.raises(Unavailable):
            await restore_cluster(session, "east", 5)
        shutil.rmtree(home)
        life = await stack.enter_async_context(AsyncExitStack())
        east = await joined(life, session, home, port)
        assert (await east.client.list(CONFIG_MAPS, "shop")).items == []
        capsys.readouterr()
        assert await restore_cluster(session, "east", 90) == 0
        told = capsys.readouterr()
        assert "east is restored: 3 applications are Synced and Healthy, all of their 3 objects are there (" in told.out
        assert "east: 3 of 3 applications are back, " in told.err
        assert await arrivals(east.client) == list(NAMES)

        await place.push({"broken/one.yaml": BROKEN})
        await place.client.create(APPLICATIONS, app("broken", place.copy.url))
        assert await restore_cluster(session, "east", 15, "json") == 1
        document = orjson.loads(capsys.readouterr().out)
        assert (document["restored"], document["applications"], document["back"]) == (False, 4, 3)
        row = next(one for one in document["items"] if one["name"] == "broken")
        assert row["objects"] == "0/1" and "broken" in row["message"]
        await life.aclose()


async def test_what_cannot_be_restored_says_why(place: Place) -> None:
    session = Session(place.client, CLOCK, "", "default")
    with pytest.raises(NotFound, match="cluster nowhere not found"):
        await restore_cluster(session, "nowhere", 5)
    with pytest.raises(InvalidInput, match="is where the Applications live: put them back first"):
        await restore_cluster(session, "in-cluster", 5)
