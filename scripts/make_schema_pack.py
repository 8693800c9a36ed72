"""Writes the schema packs of the built-in kinds out of the definitions that PyPI `kubernetes-validate` carries.

    .venv/bin/python scripts/make_schema_pack.py

Two files beside `shipway.kube.objects.schema`: `schemas.json.gz` (types and x-kubernetes-* keys, what server-side apply,
strategic merge and pruning need) and `descriptions.json.gz` (texts, for OpenAPI and `kubectl explain`). The source is a
development dependency, for it is a hundred megabytes; the packs are committed. The output is reproducible byte for byte.

What that source lacks is put back here: int-or-string and quantity by name; the defaults of list-map keys, which
server-side apply needs to tell `port: 80` from `port: 80, protocol: UDP`; and, from `always_present.json`, the struct fields
that Go never leaves out (`strategy` of a Deployment, but not its `rollingUpdate`), because who creates an object owns a
parent field only if it was absent before. That file is taken from the OpenAPI documents of the k8s.io/kubernetes module:

    scripts/make_schema_pack.py --from-spec "$(go env GOMODCACHE)/k8s.io/kubernetes@v1.36.3/api/openapi-spec/v3"
"""

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

MINOR = "1.36"
HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "src" / "shipway" / "kube" / "objects" / "packs"
ALWAYS_PRESENT = HERE / "always_present.json"

KEPT = (
    "format",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)
BY_NAME: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"x-shipway-quantity": True},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object", "x-shipway-raw": True},
}
KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.LocalObjectReference", "name"): "",
}
"""Defaults of optional key fields. Required ones default to their zero value, as Go's OpenAPI generator writes it."""


def definitions() -> dict[str, Any]:
    found = importlib.util.find_spec("kubernetes_validate")
    if found is None or not found.submodule_search_locations:
        sys.exit("kubernetes-validate is not installed: pip install -e '.[dev]'")
    folder = Path(found.submodule_search_locations[0]) / "kubernetes-json-schema" / f"v{MINOR}.0-local"
    return json.loads((folder / "_definitions.json").read_bytes())["$defs"]


def slim(node: dict[str, Any]) -> dict[str, Any]:
    """One schema node without texts, nulls widened in by the source, and enums of apiVersion and kind."""
    kind = node.get("type")
    if isinstance(kind, list):
        kind = next(t for t in kind if t != "null")
    out: dict[str, Any] = {"type": kind} if kind else {}
    if "$ref" in node:
        out["$ref"] = node["$ref"].rpartition("/")[2]
    out.update({key: node[key] for key in KEPT if key in node})
    if "properties" in node:
        out["properties"] = {name: slim(child) for name, child in sorted(node["properties"].items())}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            out[key] = slim(node[key])
        elif node.get(key) is True:
            out[key] = {}
    return out


def slim_definition(name: str, node: dict[str, Any], present: dict[str, list[str]]) -> dict[str, Any]:
    out = dict(BY_NAME[name]) if name in BY_NAME else slim(node)
    for field in present.get(name, []):
        out["properties"][field]["x-shipway-present"] = True
    for (owner, field), default in KEY_DEFAULTS.items():
        if owner == name:
            out["properties"][field]["default"] = default
    return out


def kinds(defs: dict[str, Any]) -> dict[str, str]:
    """ "group/version/Kind" to the name of its definition."""
    index: dict[str, str] = {}
    for name, node in sorted(defs.items()):
        for gvk in node.get("x-kubernetes-group-version-kind") or []:
            index[f"{gvk['group']}/{gvk['version']}/{gvk['kind']}"] = name
    return index


def descriptions(node: dict[str, Any]) -> dict[str, str]:
    """Texts of one definition: its own under "", its fields' under their names."""
    texts = {"": node.get("description", "")}
    texts.update({name: child.get("description", "") for name, child in sorted((node.get("properties") or {}).items())})
    return {name: text for name, text in texts.items() if text}


def take_always_present(spec: Path) -> None:
    """Struct fields without a pointer are published with the default {}."""
    found: dict[str, list[str]] = {}
    for document in sorted(spec.glob("*_openapi.json")):
        for name, node in json.loads(document.read_bytes()).get("components", {}).get("schemas", {}).items():
            fields = sorted(field for field, child in (node.get("properties") or {}).items() if child.get("default") == {})
            if fields:
                found[name] = fields
    ALWAYS_PRESENT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def write(name: str, content: Any) -> None:
    raw = json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    packed = gzip.compress(raw, compresslevel=9, mtime=0)
    (TARGET / name).write_bytes(packed)
    print(f"{name}: {len(packed):,} bytes ({len(raw):,} unpacked)")


def packs() -> dict[str, Any]:
    """The content of every pack, by its file name."""
    defs, present = definitions(), json.loads(ALWAYS_PRESENT.read_bytes())
    slimmed = {name: slim_definition(name, node, present) for name, node in defs.items()}
    texts = {name: descriptions(node) for name, node in sorted(defs.items())}
    return {"schemas.json.gz": {"definitions": slimmed, "kinds": kinds(defs)}, "descriptions.json.gz": texts}


def main() -> None:
    if "--from-spec" in sys.argv:
        take_always_present(Path(sys.argv[sys.argv.index("--from-spec") + 1]))
    TARGET.mkdir(exist_ok=True)
    for name, content in packs().items():
        write(name, content)


if __name__ == "__main__":
    main()
