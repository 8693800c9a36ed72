"""What a migration leaves is looked for among the objects, not remembered."""

import asyncio

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, CRDS, DEPLOYMENTS, EXPERIMENTS, HTTP_ROUTES, INGRESSES, NAMESPACES, SERVICES
from shipway.assembly.migration_leftovers import PATIENCE_SECONDS, left_behind, needed_no_more
from shipway.base.clock import Instant, LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from tests.unit.rollouts.test_migration import deployment

WEB = ("shop", "web")


def made(resource: Resource, name: str, *, held: bool = False, **body: object) -> tuple[Resource, Obj]:
    meta: Obj = {"name": name, "namespace": "shop"}
    if held:
        owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "u-1", "controller": True}
        meta |= {"ownerReferences": [owner], "annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}}
    return resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **body}


def service(name: str, *, held: bool = False, **selector: str) -> tuple[Resource, Obj]:
    labels = {key.replace("_", "-"): value for key, value in selector.items()}
    return made(SERVICES, name, held=held, spec={"selector": labels, "ports": [{"port": 80}]})


def route(name: str, *services: str) -> tuple[Resource, Obj]:
    refs = [{"name": one, "port": 80} for one in services]
    return made(HTTP_ROUTES, name, spec={"parentRefs": [{"name": "shop"}], "rules": [{"backendRefs": refs}]})


def ingress(name: str, to: str) -> tuple[Resource, Obj]:
    return made(INGRESSES, name, spec={"defaultBackend": {"service": {"name": to, "port": {"number": 80}}}})


def found(*objects: tuple[Resource, Obj], is_back: bool) -> tuple[list[str], float]:
    """What is found, and after how many seconds."""

    async def main() -> tuple[list[str], float]:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_795_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        client = Client(server)
        for crd in load_crds():
            await client.create(CRDS, crd)
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        live = {key: value for key, value in deployment(3 if is_back else 0).items() if key != "status"}
        await client.create(DEPLOYMENTS, live)
        for resource, obj in objects:
            await client.create(resource, obj)
        begun = clock.elapsed()
        answer = await left_behind(client, clock, WEB) if is_back else await needed_no_more(client, WEB)
        await server.close()
        return answer, clock.elapsed() - begun

    return run_in_virtual_time(main())


def test_what_of_the_rollout_is_still_there_is_named_after_a_while() -> None:
    objects = [
        service("web", held=True, app="web"),
        service("other", app="web"),
        made(ANALYSIS_RUNS, "web-1", held=True, spec={"metrics": []}),
        made(EXPERIMENTS, "web-2", held=True, spec={"templates": []}),
        made(ANALYSIS_RUNS, "foreign", spec={"metrics": []}),
    ]
    names, seconds = found(*objects, is_back=True)
    assert names == ["Service web", "AnalysisRun web-1", "Experiment web-2"]
    assert seconds >= PATIENCE_SECONDS
    assert found(service("web", app="web"), is_back=True) == ([], 0.0)


def test_services_for_pods_that_are_gone_and_what_leads_only_there() -> None:
    objects = [
        service("web", app="web"),
        service("temporary", app="web", pod_template_hash="abc"),
        service("other", app="api", pod_template_hash="abc"),
        route("temporary", "temporary"),
        route("both", "web", "temporary"),
        ingress("temporary", "temporary"),
        ingress("web", "web"),
    ]
    names, _ = found(*objects, is_back=False)
    assert names == ["Service temporary", "HTTPRoute temporary", "Ingress temporary"]
