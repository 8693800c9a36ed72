"""The CustomResourceDefinitions that come with Shipway, as package data in `crds/`.

They are our own reduced ones: what we read or write is typed, the rest is preserved. Users' CRDs stay where they are installed
already; these are for clusters that have none. Those in `crds/routers/` belong to service meshes and ingress controllers: a
real cluster has them from whoever runs the traffic, so only the embedded cluster, where nobody does, is given ours.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

import orjson
import yaml

from shipway.kube.objects.resource import Obj

_loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_crds() -> list[Obj]:
    """Every definition that Shipway itself needs, sorted by name. Files are YAML (one or more documents) or JSON."""
    return _load(files("shipway.api").joinpath("crds"))


def load_router_crds() -> list[Obj]:
    """The definitions of traffic routers' kinds, sorted by name."""
    return _load(files("shipway.api").joinpath("crds", "routers"))


def _load(folder: Traversable) -> list[Obj]:
    found: list[Obj] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith((".yaml", ".yml")):
            found += [doc for doc in yaml.load_all(entry.read_text(), _loader) if doc]
        elif entry.name.endswith(".json"):
            found.append(orjson.loads(entry.read_bytes()))
    return sorted(found, key=lambda crd: crd["metadata"]["name"])
