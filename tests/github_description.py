"""What GitHub publishes of its REST API, as far as we call it: whether a call and an answer of our little servers keep to it.

The excerpt (`tests/golden/github-description.json`) is cut from GitHub's OpenAPI description by
`python -m tests.github_description FILE`, where FILE is `generated/api.github.com.deref.json` of the npm package
`@octokit/openapi` (MIT): the operations below with all their parameters, and of their answers the fields that somebody reads
here or that our servers give.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

EXCERPT = Path(__file__).parent / "golden" / "github-description.json"
OPERATIONS = {
    "get /repos/{owner}/{repo}/pulls": "200",
    "get /orgs/{org}/repos": "200",
    "get /repos/{owner}/{repo}/branches": "200",
    "get /repos/{owner}/{repo}/branches/{branch}": "200",
    "get /repos/{owner}/{repo}/contents/{path}": "200",
    "get /app/installations": "200",
    "post /app/installations/{installation_id}/access_tokens": "201",
}
FIELDS = {
    *("id", "name", "number", "title", "labels", "head", "base", "user", "ref", "sha", "login", "commit", "path"),
    *("default_branch", "topics", "clone_url", "ssh_url", "account", "token", "expires_at"),
}
_KINDS = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
_ENTERPRISE = "/api/v3"


def refusal(method: str, path: str, query: Mapping[str, str]) -> str:
    """Why GitHub would not know what is asked; "" when it would. `path` as it was sent, still quoted."""
    _, operation = _operation(method, path)
    if operation is None:
        return f"{method} {path} is not in GitHub's description"
    known = {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "query"}
    wrong = [f"{name} is no parameter" for name in query if name not in known]
    for name, value in query.items():
        schema = known.get(name, {})
        if schema.get("type") == "integer" and not value.isdecimal():
            wrong.append(f"{name} is no number")
        if schema.get("enum") and value not in schema["enum"]:
            wrong.append(f"{name} is none of {', '.join(schema['enum'])}")
    needed = [one["name"] for one in operation["parameters"] if one["required"] and one["in"] == "query"]
    wrong += [f"{name} is missing" for name in needed if name not in query]
    return "; ".join(f"{method} {path}: {told}" for told in wrong)


def flaws(method: str, path: str, answer: Any) -> list[str]:
    """Where a successful answer is not what GitHub describes. It may have fewer fields, and none that GitHub has not."""
    name, operation = _operation(method, path)
    return [f"{name}: {told}" for told in _differing(answer, operation["answer"], "$")] if operation else []


def _differing(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if value is None and schema.get("nullable"):
        return
    if options := schema.get("oneOf"):
        tried = [list(_differing(value, one, where)) for one in options]
        yield from min(tried, key=len)
        return
    kind = schema.get("type", "object")
    if not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield f"{where} is no {kind}"
    elif schema.get("enum") and value not in schema["enum"]:
        yield f"{where} is none of {schema['enum']}"
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _differing(one, schema["items"], f"{where}[{index}]")
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        for name, one in value.items():
            yield from _differing(one, known[name], f"{where}.{name}") if name in known else (f"{where}.{name} is no field",)


def _operation(method: str, path: str) -> tuple[str, dict[str, Any] | None]:
    wanted = path.removeprefix(_ENTERPRISE)
    for name, operation in _excerpt().items():
        verb, _, template = name.partition(" ")
        if verb == method.lower() and re.fullmatch(_pattern(template), wanted):
            return name, operation
    return "", None


def _pattern(template: str) -> str:
    """A path of a repository has several parts, everything else one."""
    pieces = re.split(r"(\{\w+\})", template)
    return "".join((".+" if one == "{path}" else "[^/]+") if one.startswith("{") else re.escape(one) for one in pieces)


@cache
def _excerpt() -> dict[str, Any]:
    return json.loads(EXCERPT.read_text())["operations"]


def _cut(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the fields that matter here."""
    kept: dict[str, Any] = {key: schema[key] for key in ("type", "enum", "nullable") if key in schema}
    for part in map(_cut, schema.get("allOf", ())):
        kept = {**part, **kept, "properties": {**part.get("properties", {}), **kept.get("properties", {})}}
    if options := schema.get("oneOf") or schema.get("anyOf"):
        kept["oneOf"] = [_cut(one) for one in options]
    if "items" in schema:
        kept["items"] = _cut(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: _cut(one) for name, one in sorted(schema["properties"].items()) if name in FIELDS}
    return kept


def _cut_all(description: dict[str, Any]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for name, status in OPERATIONS.items():
        verb, _, path = name.partition(" ")
        found = description["paths"][path][verb]
        parameters = [
            {"name": one["name"], "in": one["in"], "required": bool(one.get("required")), "schema": _cut(one["schema"])}
            for one in found.get("parameters", ())
        ]
        answer = _cut(found["responses"][status]["content"]["application/json"]["schema"])
        operations[name] = {"parameters": parameters, "answer": answer}
    source = f"@octokit/openapi {description['info']['version']} (MIT, GitHub's rest-api-description)"
    return {"source": source, "operations": operations}


if __name__ == "__main__":
    EXCERPT.write_text(json.dumps(_cut_all(json.loads(Path(sys.argv[1]).read_text())), indent=1) + "\n")
