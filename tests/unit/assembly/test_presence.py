"""What of an Application is really there."""

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES
from shipway.assembly.presence import missing_among, spelled, wanted_of
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer


def row(kind: str, name: str, namespace: str = "shop", group: str = "", **more: object) -> dict:
    return {"group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": name, **more}


def test_hooks_and_what_is_to_go_are_not_waited_for() -> None:
    rows = [row("ConfigMap", "a"), row("Job", "migrate", hook=True), row("ConfigMap", "old", requiresPruning=True)]
    assert wanted_of({"status": {"resources": rows}}) == ((("", "ConfigMap"), "shop", "a"),)
    assert wanted_of({}) == ()


async def test_only_what_the_cluster_shows_is_there() -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="test")
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await client.create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": {}}
    )
    rows = [
        row("ConfigMap", "a"),
        row("ConfigMap", "b"),
        row("Namespace", "shop", namespace=""),
        row("Namespace", "gone", namespace=""),
        row("Widget", "w", group="example.org"),
    ]
    wanted = wanted_of({"status": {"resources": rows}})
    missing = await missing_among(client, wanted)
    assert missing == {wanted[1], wanted[3], wanted[4]}
    assert spelled(sorted(missing)) == "ConfigMap shop/b, Namespace gone, Widget shop/w"
    assert spelled([(("", "ConfigMap"), "shop", str(n)) for n in range(5)]).endswith(" and 2 more")
    await server.close()
