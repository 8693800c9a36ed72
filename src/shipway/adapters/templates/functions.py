"""The functions of Go templates: sprig without what reads the machine, Argo CD's own five for an ApplicationSet, and those that
notifications `call`.

Two of sprig's functions make much out of little; they refuse to. Everything else is bounded by the worker's memory and time.
"""

from collections.abc import Callable
from typing import Any

import orjson
from gotpl import TemplateExecutionError
from gotpl.funcs.sprig import text_func_map

from shipway.base.errors import InvalidInput
from shipway.base.names import SLUG, safe_name, slug
from shipway.expression.library import REPO, STRINGS
from shipway.kube.objects import yaml

_OF_THE_MACHINE = ("env", "expandenv", "getHostByName")
_MOST = 1_000_000
"""Characters or numbers that one call may make."""


def template_functions() -> dict[str, Callable[..., Any]]:
    """By the names that templates call them by."""
    functions: dict[str, Callable[..., Any]] = dict(text_func_map())
    for name in _OF_THE_MACHINE:
        functions.pop(name, None)
    functions |= {"repeat": _bounded(functions["repeat"], _repeated), "until": _bounded(functions["until"], _counted)}
    functions |= {"untilStep": _bounded(functions["untilStep"], _stepped)}
    own = {"normalize": safe_name, "slugify": slugify, "toYaml": to_yaml, "fromYaml": from_yaml}
    return functions | own | {"fromYamlArray": from_yaml_array}


def with_library(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters, and what templates of notifications may call: `{{call .strings.ToUpper .app.metadata.name}}`."""
    commits = params.get("commits", {})

    def commit_metadata(revision: str) -> Any:
        if revision not in commits:
            raise TemplateExecutionError(f"GetCommitMetadata: nothing is known of the commit {revision}")
        return commits[revision]

    return {**params, "strings": STRINGS, "repo": {**REPO, "GetCommitMetadata": commit_metadata}}


def call(function: Any, *arguments: Any) -> Any:
    """What Go's `call` does. Of what is given to a template only the library can be called."""
    if not callable(function):
        raise TemplateExecutionError("error calling call: non-function of type " + type(function).__name__)
    return function(*arguments)


def slugify(*arguments: Any) -> str:
    """A short name for use in URLs: `slugify text`, or `slugify length at-a-word text`."""
    text = arguments[-1] if arguments else None
    if not isinstance(text, str):
        raise TemplateExecutionError("slugify takes a text, before it optionally a length and whether to cut between words")
    length = int(arguments[0]) if len(arguments) > 1 else SLUG
    return slug(text, length, between_words=bool(arguments[1]) if len(arguments) > 2 else False)


def to_yaml(value: Any) -> str:
    return yaml.dump(_as_written(value)).removesuffix("\n")


def from_yaml(text: str) -> dict[str, Any]:
    return _loaded(text, dict)


def from_yaml_array(text: str) -> list[Any]:
    return _loaded(text, list)


def as_json_numbers(value: Any) -> Any:
    """Numbers as Go reads them from JSON: all of them fractions."""
    if isinstance(value, dict):
        return {key: as_json_numbers(child) for key, child in value.items()}
    if isinstance(value, list):
        return [as_json_numbers(child) for child in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_written(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_written(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _loaded(text: str, kind: type) -> Any:
    try:
        value = yaml.load(text)
    except InvalidInput as error:
        raise TemplateExecutionError(error.message) from None
    value = kind() if value is None else value
    if not isinstance(value, kind):
        raise TemplateExecutionError(f"YAML holds a {type(value).__name__}, not a {kind.__name__}")
    return as_json_numbers(orjson.loads(orjson.dumps(value)))


def _bounded(function: Callable[..., Any], size: Callable[..., int]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        if size(*arguments) > _MOST:
            raise TemplateExecutionError(f"{function.__name__.strip('_')} would make more than {_MOST:,} of them")
        return function(*arguments)

    return checked


def _repeated(count: Any, text: Any) -> int:
    return int(count) * len(str(text))


def _counted(count: Any) -> int:
    return abs(int(count))


def _stepped(start: Any, stop: Any, step: Any) -> int:
    return abs(int(stop) - int(start)) // max(abs(int(step)), 1)
