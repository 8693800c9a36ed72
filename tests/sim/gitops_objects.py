"""Manifests as the stories of the GitOps engine have them in Git."""

from typing import Any

from shipway.kube.objects.resource import Obj, Resource


def config(name: str = "settings", **extra: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **extra}, "data": {"colour": "blue"}}


def service(name: str = "web") -> Obj:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")


def claim(name: str, **extra: Any) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": name, **extra}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def deployment(name: str = "web", image: str = "builtin/echo:v1", replicas: int = 0) -> Obj:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 8080}]}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def hook(name: str, phase: str, **annotations: str) -> Obj:
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "builtin/echo:v1"}]}}}
    meta = {"name": name, "annotations": {"argocd.argoproj.io/hook": phase, **annotations}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


WIDGET_KIND = Resource("example.com", "v1", "Widget", "widgets")
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
WIDGETS: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": SCHEMA}],
    },
}
