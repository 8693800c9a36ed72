"""Random histories of one object: applies by three managers, forced or not, PUTs, merge and strategic patches.

What the table of `apply_cases` asks on purpose, these ask by chance; a history that two servers answer differently becomes a
case of the table.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.contract.apply_writes import Body, Case, Write, app, pod

LENGTH = 7


def random_case(seed: int) -> Case:
    """The same case for the same seed."""
    rng = random.Random(seed)
    kind = rng.choice([*_BODIES, "PodTemplate", "Widget"])
    body = _BODIES[kind]
    writes = [Write("create", "maker", body(rng))] if rng.random() < 0.5 else [Write("apply", "m1", body(rng))]
    while len(writes) < LENGTH:
        writes.append(_write(rng, kind, body))
    return Case(f"fuzz-{seed}", kind, writes)


def _write(rng: random.Random, kind: str, body: Callable[[random.Random], Body]) -> Write:
    manager = rng.choice(["m1", "m2", "m3"])
    if kind == "Widget" and rng.random() < 0.2:
        return _subresource(rng, manager)
    if rng.random() < 0.03:
        return Write("merge", manager, {"metadata": {"managedFields": []}})
    verb = rng.choice(["apply", "apply", "apply", "merge", "replace", "strategic"])
    if kind == "Widget" and verb in ("replace", "strategic"):
        verb = "merge"  # a custom resource needs a resourceVersion to be replaced, and knows no strategic merge
    if verb == "apply":
        return Write(verb, manager, body(rng), force=rng.random() < 0.5)
    return Write(verb, rng.choice(["u1", "u2", manager]), _holed(rng, body(rng)) if verb == "merge" else body(rng))


def _subresource(rng: random.Random, manager: str) -> Write:
    status = {"status": {"phase": rng.choice(["Up", "Down"])}}
    if rng.random() < 0.4:
        return Write("merge", manager, {"spec": {"replicas": rng.choice([1, 2])}}, subresource="scale")
    if rng.random() < 0.5:
        return Write("merge", manager, status, subresource="status")
    return Write("apply", manager, status, force=rng.random() < 0.5, subresource="status")


def _holed(rng: random.Random, value: Any) -> Any:
    """A merge patch: some fields become null."""
    if not isinstance(value, dict):
        return value
    return {key: None if _may_go(key) and rng.random() < 0.15 else _holed(rng, child) for key, child in value.items()}


def _may_go(key: str) -> bool:
    return key not in _NEEDED


_NEEDED = {"template", "spec", "containers", "metadata", "name", "image", "jobTemplate", "schedule", "suspend", "restartPolicy"}
_NEEDED |= {"rules", "http", "paths", "path", "pathType", "backend", "service", "port", "number", "podSelector", "hosts"}


def _some(rng: random.Random, options: dict[str, Callable[[], Any]], chance: float = 0.5) -> Body:
    return {key: make() for key, make in options.items() if rng.random() < chance}


def _map(rng: random.Random) -> Body:
    return {key: rng.choice("12") for key in "abc" if rng.random() < 0.5}


def _config_map(rng: random.Random) -> Body:
    metadata = _some(rng, {"labels": lambda: _map(rng), "annotations": lambda: _map(rng)}, 0.4)
    return {"metadata": metadata, **_some(rng, {"data": lambda: _map(rng)}, 0.8)}


def _env(rng: random.Random) -> list[Body]:
    names = rng.sample("ABC", rng.randint(0, 3))
    return [{"name": name, "value": rng.choice("12")} for name in names]


def _ports(rng: random.Random) -> list[Body]:
    ports = [
        {"containerPort": 80},
        {"containerPort": 80, "protocol": "UDP"},
        {"containerPort": 81, "protocol": "TCP", "name": "p"},
    ]
    return rng.sample(ports, rng.randint(0, 3))


def _container(rng: random.Random, name: str) -> Body:
    limits = {"cpu": rng.choice(["500m", "0.5", "1"]), "memory": rng.choice(["1Gi", "1024Mi"])}
    more = {
        "env": lambda: _env(rng),
        "ports": lambda: _ports(rng),
        "args": lambda: rng.sample("xyz", rng.randint(0, 2)),
        "resources": lambda: {"limits": {key: limits[key] for key in limits if rng.random() < 0.6}},
        "imagePullPolicy": lambda: rng.choice(["Always", "IfNotPresent"]),
        "securityContext": lambda: _some(rng, {"runAsUser": lambda: rng.choice([1, 2]), "privileged": lambda: False}),
    }
    return {**app(**_some(rng, more, 0.35)), "name": name, "image": rng.choice(["app:1", "app:2"])}


def _pod_template(rng: random.Random) -> Body:
    containers = [_container(rng, name) for name in rng.sample("xyz", rng.randint(1, 3))]
    more = {
        "nodeSelector": lambda: _map(rng),
        "terminationGracePeriodSeconds": lambda: rng.choice([5, 30]),
        "tolerations": lambda: [{"key": rng.choice("ab"), "operator": "Exists"}],
        "volumes": lambda: [{"name": "v", **rng.choice([{"emptyDir": {}}, {"configMap": {"name": "c"}}])}],
        "securityContext": lambda: _some(rng, {"fsGroup": lambda: rng.choice([1, 2])}),
    }
    return pod(*containers, **_some(rng, more, 0.3))


def _widget(rng: random.Random) -> Body:
    def doors() -> list[Body]:
        keys = rng.sample([("a", "left"), ("a", "right"), ("b", "")], rng.randint(0, 3))
        return [
            {"name": name, **({"side": side} if side else {}), **_some(rng, {"color": lambda: "red"})} for name, side in keys
        ]

    def free() -> Body:
        below = _some(rng, {"x": lambda: rng.choice([1, 2]), "l": lambda: rng.sample([1, 2, 3], 2), "deep": lambda: _map(rng)})
        return _some(rng, {"s": lambda: rng.choice("12"), "m": lambda: below})

    return {
        "spec": _some(
            rng,
            {
                "size": lambda: rng.choice([3, 4]),
                "replicas": lambda: rng.choice([1, 2]),
                "color": lambda: rng.choice(["red", "blue"]),
                "port": lambda: rng.choice([80, "80"]),
                "tags": lambda: rng.sample("abc", rng.randint(0, 3)),
                "plain": lambda: rng.sample("abc", rng.randint(0, 2)),
                "labels": lambda: _map(rng),
                "matrix": lambda: {key: _map(rng) for key in "xy" if rng.random() < 0.5},
                "one": lambda: _map(rng),
                "free": free,
                "halfFree": lambda: _some(rng, {"known": lambda: _some(rng, {"a": lambda: "1"}), "other": lambda: _map(rng)}),
                "doors": doors,
                "nothing": lambda: None,
            },
            0.4,
        )
    }


def _cron_job(rng: random.Random) -> Body:
    """Suspended, so that no controller acts."""
    template = _pod_template(rng)["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = _some(rng, {"backoffLimit": lambda: rng.choice([1, 6]), "parallelism": lambda: rng.choice([1, 2])}, 0.3)
    more = {
        "concurrencyPolicy": lambda: rng.choice(["Allow", "Forbid"]),
        "startingDeadlineSeconds": lambda: rng.choice([5, 10]),
        "failedJobsHistoryLimit": lambda: rng.choice([1, 2]),
    }
    job_template = {"metadata": {"labels": _map(rng)}, "spec": {**job, "template": template}}
    return {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job_template, **_some(rng, more, 0.3)}}


def _network_policy(rng: random.Random) -> Body:
    ports = [{"port": 80}, {"port": "http", "protocol": "TCP"}, {"protocol": "UDP"}]
    rule = {"ports": rng.sample(ports, rng.randint(1, 3)), "from": [{"podSelector": {"matchLabels": _map(rng)}}]}
    more = {"ingress": lambda: [rule], "policyTypes": lambda: ["Ingress"]}
    return {"spec": {"podSelector": {"matchLabels": _map(rng)}, **_some(rng, more)}}


def _ingress(rng: random.Random) -> Body:
    def path() -> Body:
        port = rng.choice([{"number": 80}, {"name": "http"}])
        return {"path": rng.choice(["/", "/a"]), "pathType": "Prefix", "backend": {"service": {"name": "s", "port": port}}}

    rules = [{"host": host, "http": {"paths": [path()]}} for host in rng.sample(["a.b", "c.d"], rng.randint(1, 2))]
    more = {"ingressClassName": lambda: rng.choice("ab"), "tls": lambda: [{"hosts": ["a.b"], "secretName": rng.choice("st")}]}
    return {"metadata": _some(rng, {"annotations": lambda: _map(rng)}), "spec": {"rules": rules, **_some(rng, more)}}


def _secret(rng: random.Random) -> Body:
    data = {key: rng.choice(["MQ==", "Mg=="]) for key in "abc" if rng.random() < 0.5}
    texts = {key: rng.choice("12") for key in "cd" if rng.random() < 0.5}
    return _some(rng, {"data": lambda: data, "stringData": lambda: texts, "metadata": lambda: {"labels": _map(rng)}}, 0.6)


def _service_account(rng: random.Random) -> Body:
    names = [{"name": name} for name in rng.sample("abc", rng.randint(0, 3))]
    more = {"secrets": lambda: names, "imagePullSecrets": lambda: names[:1], "automountServiceAccountToken": lambda: False}
    return _some(rng, more)


_BODIES: dict[str, Callable[[random.Random], Body]] = {
    "ConfigMap": _config_map,
    "CronJob": _cron_job,
    "Ingress": _ingress,
    "NetworkPolicy": _network_policy,
    "PodTemplate": _pod_template,
    "Secret": _secret,
    "ServiceAccount": _service_account,
    "Widget": _widget,
}
