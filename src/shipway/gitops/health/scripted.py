"""Health by a team's own Lua script from `argocd-cm`: a question to a killable worker, named by script and object.

The script's word comes before ours. A script that fails makes its object Unknown, with the script's error as message.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from shipway.gitops.annotations import HOOK_FINALIZER
from shipway.gitops.asks import HealthAsk, canonical
from shipway.gitops.customizations import Customizations
from shipway.gitops.health.verdicts import SEVERITY, Health
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import is_deleting, metadata
from shipway.kube.runtime.decision import Answer


class Scripted(Struct, frozen=True):
    """What a script says of one object; `health` is None while it has not answered yet."""

    ask: HealthAsk
    health: Health | None


def scripted_health(obj: Obj, customizations: Customizations, answer: Callable[[HealthAsk], Answer | None]) -> Scripted | None:
    """None where no script speaks of this object: then the built-in rules do."""
    if is_deleting(obj) and HOOK_FINALIZER not in (metadata(obj).get("finalizers") or []):
        return None
    group, _ = split_api_version(obj.get("apiVersion", ""))
    said = customizations.of(group, obj.get("kind", ""))
    if said is None or not said.health:
        return None
    ask = HealthAsk(said.health, canonical(_without_ownership(obj)))
    return Scripted(ask, _read(answer(ask)))


def _without_ownership(obj: Obj) -> Obj:
    return {**obj, "metadata": {key: value for key, value in metadata(obj).items() if key != "managedFields"}}


def _read(answer: Answer | None) -> Health | None:
    if answer is None or (answer.value is None and answer.error is None):
        return None
    if answer.value is None:
        return Health("Unknown", answer.error.message if answer.error else "")
    return health_said(answer.value["returned"])


def health_said(told: Any) -> Health:
    """The table that a script returned, as a health; Unknown where it is none."""
    if not isinstance(told, Mapping):
        return Health("Unknown", f"expect table output from Lua script, not {_lua_type(told)}")
    status, message = told.get("status"), told.get("message")
    if status not in SEVERITY:
        return Health("Unknown", "Lua returned an invalid health status")
    return Health(status, message if isinstance(message, str) else "")


def _lua_type(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "nil", list: "table"}
    return names.get(type(value), "userdata")
