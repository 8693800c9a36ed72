"""The data of the built-in kinds of Kubernetes 1.36, made by scripts/make_schema_pack.py and read once, when first needed.

`definitions()` and `kinds()` are what types need (23 KB packed), `descriptions()` are the texts (190 KB packed), which only
`kubectl explain` ever looks at. Both are shared: whoever reads them must not change them.
"""

import gzip
from functools import cache
from importlib import resources
from typing import Any

import orjson

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
"""Where ObjectMeta, Status and their like are defined."""
CORE = "io.k8s.api.core.v1."
"""Where Pod and what it is made of are."""


@cache
def _pack(name: str) -> dict[str, Any]:
    return orjson.loads(gzip.decompress(resources.files(__name__).joinpath(name).read_bytes()))


def definitions() -> dict[str, dict[str, Any]]:
    """JSON Schema nodes by definition name; `$ref` holds such a name."""
    return _pack("schemas.json.gz")["definitions"]


def kinds() -> dict[str, str]:
    """Definition names by "group/version/Kind" (group empty for the core)."""
    return _pack("schemas.json.gz")["kinds"]


def descriptions() -> dict[str, dict[str, str]]:
    """Texts by definition name: the definition's own under "", its fields' under their names."""
    return _pack("descriptions.json.gz")
