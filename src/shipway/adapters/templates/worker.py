"""The worker's side of templates: one template, many sets of parameters, a result or an error for each.

A template is any JSON value; every text in it, keys included, is a template of its own, as Argo CD treats an Application.
The Go kind is `gotpl`, with one rule put right: to look into what is not there is an error, as in Go, and not nothing.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import gotpl.runtime.sync_vm as gotpl_machine
import orjson
from gotpl import ExecutionBudget, SandboxPolicy, Template, TemplateError, TemplateExecutionError
from gotpl.runtime.values import INVALID, UNTYPED_NIL, ValueAdapter

from shipway.adapters.templates.functions import as_json_numbers, call, template_functions, with_library
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.schema import DEDUCED
from shipway.kube.objects.strategic import strategic_merge

_CALL = "call_library"
_FUNCTIONS = {**template_functions(), _CALL: call}
_BUDGET = ExecutionBudget(max_output_chars=4_000_000, max_iterations=50_000, max_template_depth=100, max_function_calls=200_000)
_POLICY = SandboxPolicy(allow_functions=_FUNCTIONS, default_budget=_BUDGET)
_MODES = {"missingkey=default": "default", "missingkey=invalid": "default", "missingkey=zero": "zero"}
_MODES["missingkey=error"] = "error"
_LONGEST_ERROR = 1000
_LIBRARY_CALL = re.compile(r"\bcall(?=\s+\$?\.(?:strings|repo)\.)")
_WORD = re.compile(r"[A-Za-z_]\w*")
Fill = Callable[[str], str]


def render(job: dict[str, Any]) -> list[dict[str, Any]]:
    """See `TemplateEngine.render`."""
    missing_key = _missing_key(job["options"]) if job["go"] else ""
    return [_rendered(job, params, missing_key) for params in job["entries"]]


def _rendered(job: dict[str, Any], params: dict[str, Any], missing_key: str) -> dict[str, Any]:
    try:
        if job["library"]:
            fill = _calling(with_library(params))
        else:
            fill = _go(as_json_numbers(params), missing_key) if job["go"] else _simple(params)
        made = _filled(job["template"], fill)
        return {"ok": _patched(made, fill(job["patch"])) if job["patch"] else made}
    except (TemplateError, InvalidInput, RecursionError) as error:
        return {"error": (str(error) or type(error).__name__)[:_LONGEST_ERROR]}


def _filled(value: Any, fill: Fill) -> Any:
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, dict):
        return {fill(key): _filled(child, fill) for key, child in value.items()}
    return [_filled(child, fill) for child in value] if isinstance(value, list) else value


def _patched(made: Any, text: str) -> Any:
    """The object with the patch over it. The project stays: whoever may write parameters may not move into another one."""
    patch = _json_or_yaml(text)
    if patch is None:
        return made
    if not isinstance(patch, dict):
        raise InvalidInput("templatePatch does not give an object")
    patched = strategic_merge(made, patch, DEDUCED)
    if isinstance(patched.get("spec"), dict) and "project" in (made.get("spec") or {}):
        patched["spec"]["project"] = made["spec"]["project"]
    return patched


def _json_or_yaml(text: str) -> Any:
    """JSON may be indented with tabs, YAML may not."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return yaml.load(text)


# --- Go -----------------------------------------------------------------------------------------------------------------


def _missing_key(options: list[str]) -> str:
    mode = "default"
    for option in options:
        if option not in _MODES:
            raise InvalidInput(f"goTemplateOptions: unrecognized option {option}: choose among {', '.join(sorted(_MODES))}")
        mode = _MODES[option]
    return mode


def _go(params: dict[str, Any], missing_key: str) -> Fill:
    return lambda text: _compiled(text, missing_key).render(params) if "{{" in text else text


def _calling(params: dict[str, Any]) -> Fill:
    """The sandbox knows no `call`, whatever it is allowed: another name stands for the calls that the library answers."""
    fill = _go(params, "default")
    return lambda text: fill(_LIBRARY_CALL.sub(_CALL, text))


@lru_cache(maxsize=4096)
def _compiled(text: str, missing_key: Any) -> Template:
    # Every render copies all functions that a template may call, so it is given those that it names: five times faster.
    named = {name: _FUNCTIONS[name] for name in _WORD.findall(text) if name in _FUNCTIONS}
    return Template(text, name="", functions=named, missing_key=missing_key, sandbox=_POLICY)


def _lookup(adapter: ValueAdapter, value: object, field: str) -> object:
    if value is INVALID or value is UNTYPED_NIL or value is None:
        raise TemplateExecutionError(f"nil pointer evaluating interface {{}}.{field}")
    if isinstance(value, str | int | float | list):
        raise TemplateExecutionError(f"can't evaluate field {field} in type {_GO_TYPES.get(type(value), 'interface {}')}")
    return _original_lookup(adapter, value, field)


def _lookup_chain(value: object, fields: tuple[str, ...], context: Any) -> object:
    for field in fields:
        value = context.adapter.lookup(value, field)
    return value


_GO_TYPES: Mapping[type, str] = {str: "string", bool: "bool", int: "int", float: "float64", list: "[]interface {}"}
_original_lookup = ValueAdapter.lookup
ValueAdapter.lookup = _lookup  # type: ignore[method-assign]  # the library has no seam there
gotpl_machine._lookup_chain = _lookup_chain  # pyright: ignore[reportPrivateUsage]


# --- {{name}} -----------------------------------------------------------------------------------------------------------


def _simple(params: dict[str, str]) -> Fill:
    return lambda text: _replaced(text, params) if "{{" in text else text


def _replaced(text: str, params: dict[str, str]) -> str:
    """What stands between `{{` and `}}` by its value; what nobody knows stays as it is."""
    first, *rest = text.split("{{")
    pieces = [first]
    for part in rest:
        tag, closed, after = part.partition("}}")
        if not closed:
            raise InvalidInput(f"Cannot find end tag '}}}}' in the template {text!r}")
        value = params.get(tag.strip())
        pieces.append(f"{{{{{tag}}}}}" if value is None else value)
        pieces.append(after)
    return "".join(pieces)
