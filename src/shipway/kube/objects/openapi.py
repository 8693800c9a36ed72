"""The definitions of one API group version as OpenAPI v3 components, as an API server publishes them.

kubectl reads them for `apply` (merge keys), `--validate` (field names and types) and `explain` (texts). The paths of the
document belong to whoever serves them; a custom resource's schema is published as its CRD states it.
"""

from functools import cache
from typing import Any

from shipway.kube.objects import packs
from shipway.kube.objects.resource import Obj

REF = "#/components/schemas/"


@cache
def openapi_components(group: str, version: str) -> dict[str, Any]:
    """`{definition name: schema}` of every kind of the group version and all they refer to. Shared: do not change it."""
    prefix = f"{group}/{version}/"
    wanted = [name for kind, name in packs.kinds().items() if kind.startswith(prefix)]
    wanted.append(packs.META + "Status")
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            raw = packs.definitions()[name]
            found[name] = _published(name, raw)
            wanted += _references(raw)
    _name_kinds(found)
    return dict(sorted(found.items()))


def definition_name(group: str, version: str, kind: str) -> str | None:
    """The component that describes a built-in kind, or None."""
    return packs.kinds().get(f"{group}/{version}/{kind}")


def _references(raw: Obj) -> list[str]:
    found = [raw["$ref"]] if "$ref" in raw else []
    children = list(raw.get("properties", {}).values())
    for child in [*children, *(raw[key] for key in ("items", "additionalProperties") if key in raw)]:
        found += _references(child)
    return found


def _published(name: str, raw: Obj) -> Obj:
    texts = packs.descriptions().get(name, {})
    out = _node(raw)
    for field, text in texts.items():
        if field:
            out["properties"][field]["description"] = text
        else:
            out["description"] = text
    return out


def _node(raw: Obj) -> Obj:
    """One node in OpenAPI's words: a reference with siblings goes into `allOf`, our own marks become what Kubernetes writes."""
    out: Obj = {key: value for key, value in raw.items() if not key.startswith("x-shipway-") and key != "$ref"}
    if "$ref" in raw:
        out["allOf"] = [{"$ref": REF + raw["$ref"]}]
    if "properties" in raw:
        out["properties"] = {name: _node(child) for name, child in raw["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in raw:
            out[key] = _node(raw[key])
    if out.pop("x-kubernetes-int-or-string", False):
        out.update(format="int-or-string", oneOf=[{"type": "integer"}, {"type": "string"}])
    if raw.get("x-shipway-quantity"):
        out["oneOf"] = [{"type": "string"}, {"type": "number"}]
    return out


def _name_kinds(found: dict[str, Any]) -> None:
    """Marks every kind with its group, version and kind, by which kubectl finds it."""
    for kind, name in packs.kinds().items():
        if name in found:
            group, version, kind_name = kind.split("/")
            marks: list[Obj] = found[name].setdefault("x-kubernetes-group-version-kind", [])
            marks.append({"group": group, "version": version, "kind": kind_name})
