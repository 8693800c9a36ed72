"""What becomes of pods on our node, as cases that both API servers must see alike: the embedded one and a real one."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from msgspec import Struct

from shipway.api.kinds import EVENTS, PODS
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig
from shipway.kube.runtime.waiting import One, follow

CLOCK = SystemClock()
PATIENCE = 60.0


def pod(name="web", image="builtin/echo:v1", *, labels=None, container=None, **spec):
    body = {"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}], **(container or {})}
    spec = {"nodeName": "local", "terminationGracePeriodSeconds": 3, "containers": [body], **spec}
    metadata = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def is_ready(obj):
    return dig(condition_of(obj, "Ready"), "status") == "True"


def state(obj):
    return dig(obj, "status", "containerStatuses", 0, "state", default={})


def waiting_reason(obj):
    return dig(state(obj), "waiting", "reason")


class Case(Struct, frozen=True):
    """A pod, what is seen of it in the end, what is seen before (in that order, each at some time), and which events tell of
    it."""

    why: str
    spec: Obj
    is_so: Callable[[Obj], Any]
    before: tuple[Callable[[Obj], Any], ...] = ()
    events: frozenset[str] = frozenset()

    async def play(self, client: Client, namespace: str, node: str, name: str = "web") -> None:
        spec = {**self.spec["spec"], "nodeName": node}
        async with aclosing(follow(client, One(PODS, namespace, name))) as states, asyncio.timeout(PATIENCE):
            last = await anext(states)  # looked on from before it is there: what does not last is seen too
            await client.create(PODS, {**self.spec, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
            for is_so in (*self.before, self.is_so):
                while not _is_seen(last, is_so):
                    last = await anext(states)
        await told(client, *self.events, namespace=namespace, name=name)


def _is_seen(obj: Obj | None, is_so: Callable[[Obj], Any]) -> bool:
    return obj is not None and bool(obj["status"].get("containerStatuses")) and bool(is_so(obj))


async def told(client: Client, *reasons: str, namespace: str = "default", name: str = "web") -> dict[str, str]:
    """The messages of a pod's events by reason, once all these are there: events come after the state that they tell of."""
    selector = f"involvedObject.name={name}"
    found: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE):
        while not set(reasons) <= set(found):
            await CLOCK.sleep(0.02)
            events = (await client.list(EVENTS, namespace, field_selector=selector)).items
            found = {event["reason"]: event["message"] for event in events}
    return found


def is_waiting(reason: str) -> Callable[[Obj], bool]:
    return lambda obj: waiting_reason(obj) == reason


def is_unready(obj: Obj) -> bool:
    return "running" in state(obj) and dig(condition_of(obj, "Ready"), "status") == "False"


def probe(key: str, **what: Any) -> Obj:
    return {key: {**what, "periodSeconds": 1, "failureThreshold": 1}}


CASES = [
    *(
        Case(
            f"an image tagged {tag}",
            pod(image=f"web:{tag}"),
            is_waiting("ImagePullBackOff"),
            before=(is_waiting("ErrImagePull"),),
            events=frozenset({"Failed"}),
        )
        for tag in ("missing", "does-not-exist", "error")
    ),
    Case(
        "a simulated pod says so wherever one looks",
        pod(image="nginx:1.27"),
        lambda obj: (
            is_ready(obj)
            and obj["status"]["phase"] == "Running"
            and obj["status"]["reason"] == "Simulated"
            and obj["metadata"]["annotations"]["shipway.dev/runtime"] == "simulated"
            and obj["status"]["containerStatuses"][0]["imageID"] == "simulated://nginx:1.27"
        ),
        events=frozenset({"Simulated"}),
    ),
    Case(
        "a simulated pod serves once its probe has waited",
        pod(image="nginx:1.27", container={"readinessProbe": {"initialDelaySeconds": 2, "httpGet": {"port": 8080}}}),
        is_ready,
        before=(lambda obj: "running" in state(obj) and not is_ready(obj),),
    ),
    Case(
        "a command that is not there",
        pod(image="nginx:1.27", container={"command": ["/bad-command"]}),
        is_waiting("RunContainerError"),
        events=frozenset({"Failed"}),
    ),
    Case(
        "a process does not",
        pod(),
        lambda obj: (
            is_ready(obj)
            and "reason" not in obj["status"]
            and obj["metadata"]["annotations"]["shipway.dev/runtime"] == "process"
        ),
        events=frozenset({"Started"}),
    ),
    Case(
        "a simulated pod sleeps, and is started again",
        pod(image="busybox", container={"command": ["sleep", "1"]}),
        lambda obj: obj["status"]["containerStatuses"][0]["restartCount"] >= 1,
        before=(is_ready,),
    ),
    Case(
        "an exec probe succeeds",
        pod(container=probe("readinessProbe", exec={"command": ["sh", "-c", "test -n $PORT"]})),
        is_ready,
    ),
    Case(
        "an exec probe fails",
        pod(container=probe("readinessProbe", exec={"command": ["sh", "-c", "echo not yet; exit 1"]})),
        is_unready,
        events=frozenset({"Unhealthy"}),
    ),
    Case(
        "an exec probe takes too long",
        pod(container=probe("livenessProbe", exec={"command": ["sleep", "60"]})),
        lambda obj: obj["status"]["containerStatuses"][0]["restartCount"] >= 1,
        events=frozenset({"Unhealthy"}),
    ),
    Case(
        "a gRPC probe fails",
        pod(container=probe("readinessProbe", grpc={"port": 8080})),
        is_unready,
        events=frozenset({"Unhealthy"}),
    ),
    Case(
        "a readiness gate is closed",
        pod(image="nginx", readinessGates=[{"conditionType": "example.com/gate"}]),
        lambda obj: (
            dig(condition_of(obj, "ContainersReady"), "status") == "True"
            and dig(condition_of(obj, "Ready"), "reason") == "ReadinessGatesNotReady"
        ),
    ),
    Case(
        "it crashes again and again",
        pod(image="busybox", container={"command": ["sh", "-c", "exit 3"]}),
        lambda obj: (
            waiting_reason(obj) == "CrashLoopBackOff"
            and obj["status"]["containerStatuses"][0]["restartCount"] >= 2
            and dig(obj, "status", "containerStatuses", 0, "lastState", "terminated", "exitCode") == 3
        ),
    ),
    Case(
        "a real process crashes",
        pod(container={"args": ["--no-such-option"]}),
        lambda obj: dig(obj, "status", "containerStatuses", 0, "lastState", "terminated", "exitCode") == 2,
    ),
    Case(
        "a task succeeds",
        pod(image="busybox", container={"command": ["sleep", "0.05"]}, restartPolicy="Never"),
        lambda obj: obj["status"].get("phase") == "Succeeded",
    ),
    Case(
        "a task fails",
        pod(image="busybox", container={"command": ["sh", "-c", "exit 4"]}, restartPolicy="Never"),
        lambda obj: obj["status"].get("phase") == "Failed" and state(obj)["terminated"]["exitCode"] == 4,
    ),
    Case(
        "init containers run first",
        pod(image="nginx", initContainers=[{"name": "setup", "image": "busybox", "command": ["sleep", "0.01"]}]),
        lambda obj: is_ready(obj) and dig(obj, "status", "initContainerStatuses", 0, "state", "terminated", "exitCode") == 0,
    ),
    Case(
        "a deadline passes",
        pod(image="nginx", activeDeadlineSeconds=1),
        lambda obj: (obj["status"].get("phase"), obj["status"].get("reason")) == ("Failed", "DeadlineExceeded"),
    ),
    Case(
        "readiness fails",
        pod(container={"readinessProbe": {"httpGet": {"path": "/", "port": 9}, "periodSeconds": 1}}),
        lambda obj: "running" in state(obj) and dig(condition_of(obj, "Ready"), "status") == "False",
    ),
    Case(
        "liveness fails, and it is restarted",
        pod(container={"livenessProbe": {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1}}),
        lambda obj: obj["status"]["containerStatuses"][0]["restartCount"] >= 1,
    ),
]
