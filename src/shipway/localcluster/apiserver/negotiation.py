"""Which form a client wants the answer in, and which form its body came in.

Answers are always JSON: clients that prefer protobuf also accept it. An `as=` parameter asks for a Table (what kubectl
prints) or for metadata only (what informers of the garbage collector keep).
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import orjson
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.yaml import load_all
from shipway.localcluster.apiserver import protobuf
from shipway.localcluster.apiserver.problems import bad_request, not_acceptable, unsupported_media_type

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
OFFERED = (JSON, YAML, PROTOBUF)
MAX_BODY = 3 * 1024 * 1024
MAX_DEPTH = 200

Shape = Literal["object", "table", "metadata"]


class Wanted(Struct, frozen=True):
    """The answer's shape; `table_version` of a Table (v1 or v1beta1); `yaml` when the client asked for YAML."""

    shape: Shape = "object"
    table_version: str = "v1"
    yaml: bool = False


def wanted(accept: str) -> Wanted:
    """What the Accept header asks for: its first entry that we can serve. Raises Refused(406)."""
    if not accept:
        return Wanted()
    for entry in accept.split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        if media in (JSON, "*/*", "application/*") and (found := _shape(_parameters(parameters))):
            return found
        if media == YAML:
            return Wanted(yaml=True)
    raise not_acceptable(OFFERED)


def _parameters(parameters: list[str]) -> dict[str, str]:
    return dict(part.split("=", 1) for part in parameters if "=" in part)  # type: ignore[misc]


def _shape(parameters: Mapping[str, str]) -> Wanted | None:
    target = parameters.get("as", "")
    if not target:
        return Wanted()
    if parameters.get("g") != "meta.k8s.io" or parameters.get("v") not in ("v1", "v1beta1"):
        return None
    if target == "Table":
        return Wanted("table", parameters["v"])
    if target in ("PartialObjectMetadata", "PartialObjectMetadataList"):
        return Wanted("metadata")
    return None


_PARAMETERS = re.compile(r"(\s*[^\s;=]+\s*=[^;]*(;|$))*\s*")


def decode_body(body: bytes, content_type: str, api_version: str = "", kind: str = "") -> Any:
    """The JSON value of a body; `api_version` and `kind` say what a body without them is. No Content-Type means JSON.

    Raises Refused: 415 for an unknown media type, 400 for a body that cannot be read, 413 for one that is too large.
    """
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower() or JSON
    if not _PARAMETERS.fullmatch(parameters):
        raise unsupported_media_type(OFFERED)
    if media == JSON and not body:
        why = "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {why}")
    if media == JSON:
        return decode_json(body)
    if media in (YAML, "text/yaml"):
        return decode_yaml(body)
    if media == PROTOBUF:
        return protobuf.decode(body, api_version, kind)
    raise unsupported_media_type(OFFERED)


def decode_json(body: bytes) -> Any:
    try:
        return _shallow(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type JSON): {error}") from None


def _shallow(value: Any) -> Any:
    """The value, if it is not nested deeper than could be written again. Raises Refused(400)."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return value
    raise bad_request(f"the body is nested deeper than {MAX_DEPTH} levels")


def _children(node: Any) -> list[Any]:
    found = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in found if isinstance(child, dict | list)]


def decode_yaml(body: bytes) -> Any:
    """The first document of a YAML body; JSON, which most clients send here, is read as such."""
    if body.lstrip()[:1] == b"{":
        try:
            return _shallow(orjson.loads(body))
        except orjson.JSONDecodeError:
            pass  # flow style: {a: b}
    try:
        documents = load_all(body.decode())
    except (InvalidInput, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from None
    return documents[0] if documents else {}
