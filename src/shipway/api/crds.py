"""The CustomResourceDefinitions that come with Shipway, as package data in `crds/`.

They are our own reduced ones: what we read or write is typed, the rest is preserved. Users' CRDs stay where they are installed
already; these are for clusters that have none.
"""

from importlib.resources import files

import orjson
import yaml

from shipway.kube.objects.resource import Obj

_loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_crds() -> list[Obj]:
    """Every definition in the package, sorted by name. Files are YAML (one or more documents) or JSON."""
    found: list[Obj] = []
    for entry in sorted(files("shipway.api").joinpath("crds").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith((".yaml", ".yml")):
            found += [doc for doc in yaml.load_all(entry.read_text(), _loader) if doc]
        elif entry.name.endswith(".json"):
            found.append(orjson.loads(entry.read_bytes()))
    return sorted(found, key=lambda crd: crd["metadata"]["name"])
