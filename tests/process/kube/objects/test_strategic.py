"""Strategic merge patch. `kubectl patch --local` (the real Go code) judges every case of the table."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.schema import builtin_schema
from shipway.kube.objects.strategic import strategic_merge
from shipway.kube.objects.views import copy_obj

Body = dict[str, Any]


def pod(*containers: Body, **spec: Any) -> Body:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


def deployment(**spec: Any) -> Body:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def service(*ports: Body) -> Body:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": list(ports)}}


def meta(**metadata: Any) -> Body:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **metadata}}


def spec(**fields: Any) -> Body:
    return {"spec": fields}


def env(*names: str) -> list[Body]:
    return [{"name": name, "value": "1"} for name in names]


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")

CASES: dict[str, tuple[Body, Body]] = {
    "set image": (pod(A, B), spec(containers=[{"name": "a", "image": "a:2"}])),
    "add to the front": (pod(C), spec(containers=[A])),
    "overlapping": (pod(A, B), spec(containers=[B, C])),
    "reorder by patch": (pod(A, B, C), spec(containers=[C, A])),
    "delete an item": (pod(A, B), spec(containers=[{"name": "a", "$patch": "delete"}])),
    "delete what is not there": (pod(A), spec(containers=[{"name": "x", "$patch": "delete"}])),
    "replace a list": (pod(A, B), spec(containers=[{"$patch": "replace"}, C])),
    "replace a map": (pod(A, securityContext={"runAsUser": 1}), spec(securityContext={"$patch": "replace", "fsGroup": 2})),
    "delete a map": (pod(A, securityContext={"runAsUser": 1}), spec(securityContext={"$patch": "delete"})),
    "replace an item": (pod({**A, "env": env("X")}, B), spec(containers=[{"name": "a", "$patch": "replace", "image": "z"}])),
    "null removes": (pod(A, hostname="h"), spec(hostname=None)),
    "null for nothing": (pod(A), spec(hostname=None)),
    "new map without nulls": (pod(A), spec(securityContext={"runAsUser": None, "fsGroup": 1})),
    "env": (
        pod({**A, "env": env("X", "Y")}),
        spec(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}, *env("Z")]}]),
    ),
    "delete env": (
        pod({**A, "env": env("X", "Y")}),
        spec(containers=[{"name": "a", "env": [{"name": "X", "$patch": "delete"}]}]),
    ),
    "env value to valueFrom": (
        pod({**A, "env": env("X")}),
        spec(containers=[{"name": "a", "env": [{"name": "X", "value": None, "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}]),
    ),
    "args are replaced": (pod({**A, "args": ["x", "y"]}), spec(containers=[{"name": "a", "args": ["z"]}])),
    "tolerations are replaced": (pod(A, tolerations=[{"key": "a"}]), spec(tolerations=[{"key": "b"}])),
    "ports merge by containerPort": (
        pod({**A, "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]}),
        spec(containers=[{"name": "a", "ports": [{"containerPort": 80, "protocol": "UDP", "name": "x"}]}]),
    ),
    "service ports": (service({"port": 80, "name": "a"}), spec(ports=[{"port": 80, "nodePort": 3}, {"port": 81, "name": "b"}])),
    "set order": (
        pod(A, B, C),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                "containers": [{"name": "a", "image": "a:2"}],
            }
        },
    ),
    "set order alone": (pod(A, B, C), {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}),
    "set order with a new item": (
        pod(A, B),
        {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}], "containers": [C]}},
    ),
    "set order of what is new": (
        pod(A),
        {"spec": {"$setElementOrder/volumes": [{"name": "v"}], "volumes": [{"name": "v", "emptyDir": {}}]}},
    ),
    "set order and delete": (
        pod(A, B),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a", "$patch": "delete"}]}},
    ),
    "retain keys": (
        deployment(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
    ),
    "retain keys of a volume": (
        pod(A, volumes=[{"name": "v", "emptyDir": {}}]),
        spec(volumes=[{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "x"}}]),
    ),
    "finalizers merge": (meta(finalizers=["a", "b"]), {"metadata": {"finalizers": ["c", "a"]}}),
    "delete from finalizers": (meta(finalizers=["a", "b"]), {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
    "delete and order finalizers": (
        meta(finalizers=["a", "b", "c"]),
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"]}},
    ),
    "labels": (meta(labels={"a": "1", "b": "1"}), {"metadata": {"labels": {"a": None, "c": "1"}}}),
    "owner references": (
        meta(ownerReferences=[{"uid": "u1", "name": "x", "kind": "K", "apiVersion": "v1"}]),
        {"metadata": {"ownerReferences": [{"uid": "u2", "name": "y", "kind": "K", "apiVersion": "v1"}]}},
    ),
    "another type": (
        deployment(strategy={"rollingUpdate": {"maxSurge": 1}}),
        spec(strategy={"rollingUpdate": {"maxSurge": "5%"}}),
    ),
    "empty lists": (pod(A, imagePullSecrets=[]), spec(imagePullSecrets=[])),
}


def ours(live: Body, patch: Body) -> Body:
    group, _, version = live["apiVersion"].rpartition("/")
    schema = builtin_schema(group, version, live["kind"])
    assert schema is not None
    return strategic_merge(live, patch, schema)


def kubectls(kubectl: str, live: Body, patch: Body) -> Body:
    """What the real code makes of it. Raises CalledProcessError with its message."""
    command = [kubectl, "patch", "--local", "-f", "-", "--type", "strategic", "-p", json.dumps(patch), "-o", "json"]
    done = subprocess.run(command, input=json.dumps(live), capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_as_kubectl(case: tuple[Body, Body], program: Callable[[str], str]) -> None:
    live, patch = case
    before = copy_obj(live), copy_obj(patch)
    assert ours(live, patch) == kubectls(program("kubectl"), live, patch)
    assert (live, patch) == before


REFUSED: dict[str, tuple[Body, Body, str, str]] = {
    "no merge key": (pod(A), spec(containers=[{"image": "x"}]), "InternalError", "does not contain declared merge key: name"),
    "unknown directive": (
        pod(A),
        spec(containers=[{"name": "a", "$patch": "dance"}]),
        "InternalError",
        "unknown patch type: dance",
    ),
    "unknown directive in a map": (pod(A), {"spec": {"$patch": "dance"}}, "InternalError", "unknown patch type: dance"),
    "order does not match": (
        pod(A, B),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}},
        "InternalError",
        "doesn't match",
    ),
    "retained keys miss one": (
        deployment(strategy={"type": "Recreate"}),
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "x", "rollingUpdate": {}}}},
        "BadRequest",
        "invalid patch format of retainKeys",
    ),
    "mixed items": (pod(A), spec(containers=["x"]), "InternalError", "list element types are not identical"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(case: tuple[Body, Body, str, str], program: Callable[[str], str]) -> None:
    live, patch, reason, text = case
    with pytest.raises(InvalidInput) as caught:
        ours(live, patch)
    assert caught.value.reason == reason
    assert text in caught.value.message
    with pytest.raises(subprocess.CalledProcessError) as real:
        kubectls(program("kubectl"), live, patch)
    assert text in real.value.stderr


def test_directives_that_nothing_obeys_do_not_survive() -> None:
    patch = spec(containers=[{**C, "stdin": None, "$setElementOrder/env": [{"name": "X"}], "env": env("X")}])
    assert ours(pod(), patch)["spec"]["containers"] == [{**C, "env": env("X")}]
