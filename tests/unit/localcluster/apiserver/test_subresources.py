"""Scale, binding, logs, tokens, reviews, addresses."""

from collections.abc import AsyncGenerator
from typing import Any, Unpack

from shipway.base.errors import InvalidInput
from shipway.localcluster.apiserver.backend import LogOptions
from tests.unit.localcluster.apiserver.conftest import APPS, CORE, Api, deployment, pod


class Logs:
    """A log source that tells what it was asked."""

    async def logs(
        self, namespace: str, pod: str, container: str, **options: Unpack[LogOptions]
    ) -> AsyncGenerator[bytes, None]:
        if options.get("previous"):
            raise InvalidInput("there is no previous container")
        yield f"{namespace}/{pod}/{container} tail={options.get('tail_lines')} follow={options.get('follow')}\n".encode()


def two_containers(name: str) -> dict[str, Any]:
    body = pod(name, node="n")
    body["spec"]["containers"].append({"name": "side", "image": "x:1"})
    return body


async def test_logs_come_from_the_node(api: Api) -> None:
    await api.post(f"{CORE}/pods", two_containers("p"))
    await api.post(f"{CORE}/pods", pod("waiting"))
    url = f"{CORE}/pods/p/log"
    assert (await api.get(f"{CORE}/pods/waiting/log")).body == b""
    assert (await api.get(f"{url}?container=main")).code == 503
    api.server.attach_logs(Logs())
    assert (await api.get(f"{url}?container=side&tailLines=5")).body == b"default/p/side tail=5 follow=False\n"
    unnamed = await api.get(url)
    assert (unnamed.code, unnamed.message) == (
        400,
        "a container name must be specified for pod p, choose one of: [main side]",
    )
    assert (await api.get(f"{url}?container=none")).message == "container none is not valid for pod p"
    assert (await api.get(f"{url}?container=main&previous=true")).code == 400
    assert (await api.get(f"{url}?container=main&follow=true&previous=true")).code == 400
    assert (await api.get(f"{CORE}/pods/none/log")).code == 404
    followed = await api.send("GET", f"{url}?container=main&follow=true")
    assert followed.stream is not None
    assert [chunk async for chunk in followed.stream] == [b"default/p/main tail=None follow=True\n"]


async def test_scaling_changes_the_parent_and_is_recorded_as_scaling(api: Api) -> None:
    await api.post(f"{APPS}/deployments", deployment("web", replicas=2))
    url = f"{APPS}/deployments/web"
    assert (await api.patch(f"{url}/scale", {"spec": {"replicas": 5}}, agent="kubectl/1")).body["spec"] == {"replicas": 5}
    live = (await api.get(url)).body
    (entry,) = [entry for entry in live["metadata"]["managedFields"] if entry.get("subresource") == "scale"]
    assert (entry["manager"], entry["fieldsV1"]) == ("kubectl", {"f:spec": {"f:replicas": {}}})
    stale = {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 1}}
    assert (await api.put(f"{url}/scale", stale)).code == 409


async def test_what_needs_a_connection_is_named_and_refused(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p", node="n"))
    for path in ("exec?command=ls&stdout=true", "attach?stdout=true", "portforward"):
        answer = await api.get(f"{CORE}/pods/p/{path}")
        assert (answer.code, answer.reason) == (503, "ServiceUnavailable"), "there is no node"
    assert (await api.get(f"{CORE}/pods/p/resize")).code == 501


async def test_reviews_allow_everything_and_say_who_asks(api: Api) -> None:
    access = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await api.post(access, {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}})
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)
    who = await api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who.body["status"]["userInfo"]["username"] == "kubernetes-admin"


async def test_services_get_addresses_of_their_own(api: Api) -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}

    services = f"{CORE}/services"
    first = (await api.post(services, service("a"))).body["spec"]["clusterIP"]
    second = (await api.post(services, service("b", type="NodePort"))).body["spec"]
    assert first != second["clusterIP"]
    assert second["ports"][0]["nodePort"] in range(30000, 32768)
    kept = await api.put(f"{services}/a", service("a", selector={"x": "y"}))
    assert kept.body["spec"]["clusterIP"] == first
    taken = await api.post(
        services, service("c", type="NodePort", ports=[{"port": 1, "nodePort": second["ports"][0]["nodePort"]}])
    )
    assert taken.causes == [
        ("spec.ports[0].nodePort", f"Invalid value: {second['ports'][0]['nodePort']}: provided port is already allocated")
    ]
    plain = await api.patch(f"{services}/b", {"spec": {"type": "ClusterIP"}})
    assert "nodePort" not in plain.body["spec"]["ports"][0]
    external = await api.post(services, {"metadata": {"name": "d"}, "spec": {"type": "ExternalName", "externalName": "x.y"}})
    assert "clusterIP" not in external.body["spec"]


async def test_a_token_names_its_account_and_ends(api: Api) -> None:
    await api.post(f"{CORE}/serviceaccounts", {"metadata": {"name": "me"}})
    answer = await api.post(f"{CORE}/serviceaccounts/me/token", {"spec": {"expirationSeconds": 900}})
    assert answer.body["status"]["token"].count(".") == 2
    assert answer.body["status"]["expirationTimestamp"] == "2027-01-15T08:15:00Z"


async def test_events_have_two_faces(api: Api) -> None:
    involved = {"kind": "Pod", "name": "p", "namespace": "default"}
    await api.post(f"{CORE}/events", {"metadata": {"name": "e"}, "involvedObject": involved, "message": "m", "reason": "R"})
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    shown = (await api.get(f"{new}/e")).body
    assert (shown["regarding"]["name"], shown["note"], shown["apiVersion"]) == ("p", "m", "events.k8s.io/v1")
    patched = await api.patch(f"{new}/e", {"note": "n"})
    assert patched.body["note"] == "n"
    assert (await api.get(f"{CORE}/events/e")).body["message"] == "n"
    assert len((await api.get(f"{CORE}/events?fieldSelector=involvedObject.name=p,reason=R")).body["items"]) == 1
    assert len((await api.get(f"{new}?fieldSelector=regarding.name=other")).body["items"]) == 0


async def test_events_go_an_hour_after_they_were_last_seen(api: Api) -> None:
    involved = {"kind": "Pod", "name": "p", "namespace": "default"}
    url = f"{CORE}/events"
    await api.post(url, {"metadata": {"name": "old"}, "involvedObject": involved})
    await api.clock.sleep(3000)
    await api.post(url, {"metadata": {"name": "young"}, "involvedObject": involved})
    await api.clock.sleep(700)
    await api.post(url, {"metadata": {"name": "new"}, "involvedObject": involved})
    assert [item["metadata"]["name"] for item in (await api.get(url)).body["items"]] == ["new", "young"]
