"""Random sequences of writes to one object, the same for every server: by three managers, in every way there is to write.

A sequence follows from its seed alone. Values come from small sets, so that writers meet: equal values are shared, others
fought over, lists reordered, fields given up.
"""

import random
from typing import Any

from tests.contract.api_table.steps import APPLY, DEPLOYMENTS, JSON_PATCH, MAPS, MERGE, PODS, STRATEGIC, WIDGETS, Case, Step

MANAGERS = ("m1", "m2", "m3")
KINDS = {
    "ConfigMap": ("v1", MAPS),
    "Deployment": ("apps/v1", DEPLOYMENTS),
    "Service": ("v1", "/api/v1/namespaces/{ns}/services"),
    "Widget": ("oracle.shipway.dev/v1", WIDGETS),
    "Pod": ("v1", PODS),
    "Secret": ("v1", "/api/v1/namespaces/{ns}/secrets"),
    "Ingress": ("networking.k8s.io/v1", "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses"),
}
LENGTH = 7


def sequence(seed: int) -> Case:
    """The case of a seed: a kind, and writes and reads of one object of it."""
    chance = random.Random(seed)
    kind = chance.choice(list(KINDS))
    api_version, collection = KINDS[kind]
    url, author = f"{collection}/x", _Author(chance, kind, api_version)
    steps: list[Step] = []
    for _ in range(LENGTH):
        manager = chance.choice(MANAGERS)
        steps.append(author.write(collection, url, manager))
        steps.append(Step("GET", url))
    return Case(f"fuzz-{seed}", steps)


SELECTORS = ("", "&labelSelector=a=1", "&labelSelector=a", "&labelSelector=a,c!=1", "&fieldSelector=metadata.name!=y")


def watched(seed: int) -> tuple[Case, str, str, Step]:
    """A sequence, the collection and the query of a watch over it, and the write that ends it, which every watcher sees."""
    case = sequence(seed)
    collection = next(step.path.partition("?")[0] for step in case.steps if step.method == "GET").removesuffix("/x")
    kind = next(kind for kind, (_, path) in KINDS.items() if path == collection)
    author = _Author(random.Random(seed), kind, KINDS[kind][0])
    last = author.config()
    last["metadata"] = {"name": "zz", "labels": {"a": "1"}}
    writes = [step for step in case.steps if step.method != "GET"]
    return Case(f"watch-{case.name}", writes), collection, SELECTORS[seed % len(SELECTORS)], Step("POST", collection, last)


class _Author:
    """Makes up writes to one kind."""

    def __init__(self, chance: random.Random, kind: str, api_version: str) -> None:
        self._chance = chance
        self._kind, self._api_version = kind, api_version

    def write(self, collection: str, url: str, manager: str) -> Step:
        verb = self._chance.choices(
            (
                "apply",
                "create",
                "put",
                "merge",
                "strategic",
                "json",
                "status",
                "apply-status",
                "scale",
                "hold",
                "reset",
                "delete",
            ),
            (10, 2, 2, 4, 3, 2, 2, 1, 1, 1, 0.3, 1),
        )[0]
        query = f"fieldManager={manager}"
        match verb:
            case "apply":
                more = self._chance.choice(("force=true", "force=false", "force=true&dryRun=All"))
                return Step("PATCH", f"{url}?{query}&{more}", self.config(), APPLY)
            case "create":
                return Step("POST", f"{collection}?{query}", self.config())
            case "put":
                return Step("PUT", f"{url}?{query}", self.config())
            case "merge":
                return Step("PATCH", f"{url}?{query}", self._patch(), MERGE)
            case "strategic":
                return Step("PATCH", f"{url}?{query}", self._patch(), STRATEGIC)
            case "json":
                return Step("PATCH", f"{url}?{query}", self._json_patch(), JSON_PATCH)
            case "status":
                return Step(
                    "PATCH", f"{url}/status?{query}", {"status": self._status()}, self._chance.choice((MERGE, STRATEGIC))
                )
            case "apply-status":
                stated = {
                    "apiVersion": self._api_version,
                    "kind": self._kind,
                    "metadata": {"name": "x"},
                    "status": self._status(),
                }
                return Step("PATCH", f"{url}/status?{query}&force=true", stated, APPLY)
            case "scale":
                return Step("PATCH", f"{url}/scale?{query}", {"spec": {"replicas": self._chance.randint(0, 3)}}, MERGE)
            case "hold":
                held = self._chance.choice((["a.b/c"], ["a.b/c", "d.e/f"], None))
                return Step("PATCH", f"{url}?{query}", {"metadata": {"finalizers": held}}, MERGE)
            case "reset":
                return Step("PATCH", f"{url}?{query}", {"metadata": {"managedFields": [{}]}}, MERGE)
        return Step("DELETE", url)

    def config(self) -> dict[str, Any]:
        """A whole object."""
        metadata: dict[str, Any] = {"name": "x"}
        for field in ("labels", "annotations"):
            if self._chance.random() < 0.5:
                metadata[field] = self._some({"a": ("1", "2"), "b": ("1", "2")})
        return {"apiVersion": self._api_version, "kind": self._kind, "metadata": metadata, **self._content(whole=True)}

    def _patch(self) -> dict[str, Any]:
        """Some fields; null takes one out."""
        patch = self._content(whole=False)
        if self._chance.random() < 0.4:
            patch["metadata"] = {"labels": self._some({"a": ("1", "2", None), "c": ("1", None)})}
        return patch

    def _json_patch(self) -> list[dict[str, Any]]:
        label = {"op": "add", "path": "/metadata/labels", "value": self._some({"a": ("1", "2"), "d": ("1",)})}
        return [self._chance.choice((label, {"op": "remove", "path": "/metadata/labels"}))]

    def _some(self, choices: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
        return {key: self._chance.choice(values) for key, values in choices.items() if self._chance.random() < 0.7}

    def _content(self, *, whole: bool) -> dict[str, Any]:
        match self._kind:
            case "ConfigMap":
                values: tuple[Any, ...] = ("1", "2") if whole else ("1", "2", None)
                return {"data": self._some({"k": values, "l": values, "m": values})}
            case "Secret":
                return self._some(
                    {"data": ({"a": "MQ=="}, {"a": "Mg=="}, {"b": "MQ=="}), "stringData": ({"a": "1"}, {"c": "2"})}
                )
            case "Pod":
                return {"spec": self._pod(whole=whole)}
            case "Ingress":
                return {"spec": self._ingress(whole=whole)}
            case "Widget":
                return {"spec": self._widget(whole=whole)}
            case "Service":
                return {"spec": self._service(whole=whole)}
        return {"spec": self._deployment(whole=whole)}

    def _status(self) -> dict[str, Any]:
        if self._kind == "Pod":
            conditions = [{"type": kind, "status": self._chance.choice(("True", "False"))} for kind in ("Ready", "Other")]
            return {
                "phase": self._chance.choice(("Pending", "Running")),
                "conditions": conditions[: self._chance.randint(1, 2)],
            }
        return (
            {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
            if self._kind in ("Service", "Ingress")
            else {"replicas": self._chance.randint(0, 2)}
        )

    def _ingress(self, *, whole: bool) -> dict[str, Any]:
        rules = [
            {
                "host": host,
                "http": {
                    "paths": [
                        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}
                    ]
                },
            }
            for host in self._chance.choice((["a"], ["a", "b"], ["b"]))
        ]
        spec = self._some({"ingressClassName": ("x", "y"), "tls": ([{"hosts": ["a"]}], [{"secretName": "t"}])})
        return {"rules": rules, **spec} if whole or self._chance.random() < 0.5 else spec

    def _pod(self, *, whole: bool) -> dict[str, Any]:
        if not whole:
            return {"containers": [{"name": "a", "image": self._chance.choice(("i:1", "i:2"))}]}
        return {"containers": [self._container("a")], "terminationGracePeriodSeconds": 0, "serviceAccountName": "default"}

    def _widget(self, *, whole: bool) -> dict[str, Any]:
        spec = self._some({
            "replicas": (1, 2, 3),
            "short": ("a", "b"),
            "set": (["a"], ["a", "b"], ["b", "c"]),
            "map": ([{"name": "a", "value": "1"}], [{"name": "b"}, {"name": "a", "value": "2"}], []),
            "free": ({"x": 1}, {"y": {"z": [1]}}),
            "nested": ({}, {"deep": "e"}),
        })  # fmt: skip
        return {"color": self._chance.choice(("red", "green")), **spec} if whole else spec

    def _service(self, *, whole: bool) -> dict[str, Any]:
        http, dns = {"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}
        ports = self._chance.choice(([http], [http, dns], [dns, {**http, "targetPort": 8080}]))
        spec = self._some({"selector": ({"a": "1"}, {"a": "2"}, {"b": "1"}), "sessionAffinity": ("None", "ClientIP")})
        return (
            {"clusterIP": "None", "ports": ports, "selector": {"a": "1"}, **spec}
            if whole or self._chance.random() < 0.5
            else spec
        )

    def _deployment(self, *, whole: bool) -> dict[str, Any]:
        spec = self._some({"replicas": (1, 2, 3), "minReadySeconds": (0, 5), "paused": (True, False)})
        containers = [self._container(name) for name in self._chance.choice((["a"], ["a", "b"], ["b", "a"]))]
        pod: dict[str, Any] = {"containers": containers}
        if self._chance.random() < 0.3:
            pod["volumes"] = [{"name": "v", "emptyDir": {}}]
        if not whole:
            return {**spec, "template": {"spec": pod}}
        return {
            **spec,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod},
        }

    def _container(self, name: str) -> dict[str, Any]:
        more = self._some({
            "env": ([{"name": "E", "value": "1"}], [{"name": "F", "value": "1"}, {"name": "E", "value": "2"}]),
            "ports": ([{"containerPort": 80}], [{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81, "name": "p"}]),
            "args": (["x"], ["y", "z"]),
            "resources": ({"limits": {"cpu": "0.5"}}, {"limits": {"cpu": "500m", "memory": "1024Mi"}}, {}),
            "imagePullPolicy": ("Always", "IfNotPresent"),
        })  # fmt: skip
        return {"name": name, "image": self._chance.choice(("i:1", "i:2")), **more}
