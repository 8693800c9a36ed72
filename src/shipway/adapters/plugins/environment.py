"""What a plugin gets to see, under Argo CD's names: the build's variables, `ARGOCD_ENV_*` for what the Application sets, and
its parameters twice, as `ARGOCD_APP_PARAMETERS` (JSON) and one by one as `PARAM_*`."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from shipway.api.build_env import substitute
from shipway.base.errors import InvalidInput

_SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")


def environment_of(options: Mapping[str, Any], build_env: Mapping[str, str]) -> dict[str, str]:
    """The variables of `spec.source.plugin`. Raises `InvalidInput` (InvalidSource) with the field."""
    found = dict(build_env)
    for index, one in enumerate(_listed(options.get("env"), "env")):
        name, value = one.get("name"), one.get("value", "")
        if not isinstance(name, str) or not name or "=" in name or not isinstance(value, str):
            raise _refusal(f"env[{index}]: name and value are texts, the name without '='")
        found[f"ARGOCD_ENV_{name}"] = substitute(value, build_env)
    parameters = _listed(options.get("parameters"), "parameters")
    if parameters:
        found["ARGOCD_APP_PARAMETERS"] = orjson.dumps(parameters).decode()
    for index, one in enumerate(parameters):
        found |= _parameter(one, f"parameters[{index}]")
    for name, value in found.items():
        if "\0" in name + value:
            raise _refusal(f"{name}: holds a NUL character, which no program can be given")
    return found


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values that must not be repeated in a message, of what an Application gives."""
    return secrets_among({name: environment[name] for name in environment if name.startswith(("ARGOCD_ENV_", "PARAM_"))})


def secrets_among(environment: Mapping[str, str]) -> list[str]:
    """The values that must not be repeated, by what their variables are called; longest first."""
    told = (value for name, value in environment.items() if _SECRET.search(name))
    return sorted((value for value in told if len(value) > 3), key=len, reverse=True)


def _parameter(one: Mapping[str, Any], where: str) -> dict[str, str]:
    if not isinstance(one.get("name"), str) or not one["name"]:
        raise _refusal(f"{where}.name is missing")
    base, found = f"PARAM_{_named(one['name'])}", dict[str, Any]()
    if one.get("string") is not None:
        found[base] = one["string"]
    mapped, array = one.get("map"), one.get("array")
    if (mapped is not None and not isinstance(mapped, dict)) or (array is not None and not isinstance(array, list)):
        raise _refusal(f"{where}: map is a map and array a list, both of texts")
    found |= {f"{base}_{_named(str(key))}": value for key, value in (mapped or {}).items()}
    found |= {f"{base}_{index}": value for index, value in enumerate(array or ())}
    if not all(isinstance(value, str) for value in found.values()):
        raise _refusal(f"{where}: only texts can be given: put its values in quotes")
    return found


def _named(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name.upper())


def _listed(value: Any, field: str) -> list[dict[str, Any]]:
    listed = value or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _refusal(f"{field} is not a list of maps: correct it")
    return listed


def _refusal(problem: str) -> InvalidInput:
    return InvalidInput(f"spec.source.plugin.{problem}", reason="InvalidSource")
