"""What a script on the official Python client does. `python official_client.py NAMESPACE`: prints facts as JSON.

It runs in the environment of `make tools`, with the client unmodified, and knows the cluster by KUBECONFIG only.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.utils import create_from_dict

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "shop/web:v1"}]},
        },
    },
}


def refused(call, *arguments, **named):
    """(status, reason) of a call that the server refuses."""
    try:
        call(*arguments, **named)
    except ApiException as error:
        return error.status, json.loads(error.body)["reason"]
    return None


def typed(api: client.ApiClient, namespace: str) -> dict:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c", labels={"k": "v"}), data={"a": "1"})
    made = core.create_namespaced_config_map(namespace, body)
    twice = refused(core.create_namespaced_config_map, namespace, body)
    core.patch_namespaced_config_map("c", namespace, {"data": {"b": "2"}})
    made.data = {"a": "3"}
    stale = refused(core.replace_namespaced_config_map, "c", namespace, made)
    listed = core.list_namespaced_config_map(namespace, label_selector="k=v", limit=1)
    create_from_dict(api, DEPLOYMENT, namespace=namespace)
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    gone = core.delete_namespaced_config_map("c", namespace)
    return {
        "twice": twice,
        "stale": stale,
        "listed": [item.data for item in listed.items],
        "replicas": scale.spec.replicas,
        "gone": gone["status"] if isinstance(gone, dict) else gone.status,
        "absent": refused(core.read_namespaced_config_map, "c", namespace),
        "version": client.VersionApi(api).get_code().major,
    }


def watched(api: client.ApiClient, namespace: str) -> list:
    core = client.CoreV1Api(api)
    version = core.list_namespaced_secret(namespace).metadata.resource_version
    core.create_namespaced_secret(namespace, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    core.patch_namespaced_secret("s", namespace, {"stringData": {"a": "c"}})
    core.delete_namespaced_secret("s", namespace)
    events = watch.Watch().stream(
        core.list_namespaced_secret, namespace, resource_version=version, field_selector="metadata.name=s", timeout_seconds=60
    )
    found = []
    for event in events:
        found.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            return found
    return found


def rolled_out(api: client.ApiClient, namespace: str) -> int:
    stream = watch.Watch().stream(client.AppsV1Api(api).list_namespaced_deployment, namespace, timeout_seconds=90)
    for event in stream:
        if event["object"].status.available_replicas == 2:
            return 2
    return 0


def dynamically(api: client.ApiClient, namespace: str) -> dict:
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"a": "1"}}
    maps.create(body=body, namespace=namespace)
    maps.patch(name="d", namespace=namespace, body={"data": {"b": "2"}}, content_type="application/merge-patch+json")
    applied = maps.server_side_apply(
        name="d", namespace=namespace, body={**body, "data": {"a": "9"}}, field_manager="git", force_conflicts=True
    )
    found_kinds = found.resources.search(kind="Deployment", group="apps")
    seen = maps.get(name="d", namespace=namespace)
    maps.delete(name="d", namespace=namespace)
    managers = sorted(entry.manager for entry in applied.metadata.managedFields if entry.operation == "Apply")
    return {"data": dict(seen.data), "managers": managers, "searched": [kind.name for kind in found_kinds]}


def at_once(api: client.ApiClient, namespace: str) -> int:
    """Many threads on one pool of connections."""
    core = client.CoreV1Api(api)

    def create(number: int) -> str:
        return core.create_namespaced_config_map(namespace, {"metadata": {"name": f"n{number}"}}).metadata.uid

    with ThreadPoolExecutor(8) as pool:
        return len(set(pool.map(create, range(40))))


if __name__ == "__main__":
    config.load_kube_config()
    with client.ApiClient() as connected:
        stories = (typed, watched, rolled_out, dynamically, at_once)
        print(json.dumps({story.__name__: story(connected, sys.argv[1]) for story in stories}))
