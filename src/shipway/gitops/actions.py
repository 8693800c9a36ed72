"""Actions on live objects: what a team wrote for a kind in `argocd-cm`, and what became of running it. Pure.

    read_actions     `resource.customizations.actions.<group_kind>`: a discovery script, and a script for each action
    offered          what the discovery script returned, as actions
    effect_of        what an action's script returned, as writes: a patch of the object itself, and objects to create

Lua knows one empty table for `[]` and `{}`, and no null. What a script returned is therefore read against the object it was
given: what looks empty on both sides has not changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, namespace_of

_IDENTITY = ("apiVersion", "kind")


class Param(Struct, frozen=True):
    """A parameter of an action; `default` is text, as scripts get it."""

    name: str
    default: str = ""


class Action(Struct, frozen=True):
    """What can be done to an object. `is_disabled`: not as it is now."""

    name: str
    is_disabled: bool = False
    display_name: str = ""
    params: tuple[Param, ...] = ()


class Effect(Struct, frozen=True):
    """What an action writes: merge patches of the object and of its status, and new objects. Empty: nothing."""

    root: Obj = {}
    status: Obj = {}
    creates: tuple[Obj, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.root or self.status or self.creates)


class Definition(Struct, frozen=True):
    name: str = ""
    script: str = field(name="action.lua", default="")


class TeamActions(Struct, frozen=True):
    """What a team says of one kind. `merges`: the built-in actions stay; otherwise these take their place."""

    discovery: str = field(name="discovery.lua", default="")
    definitions: tuple[Definition, ...] = ()
    merges: bool = field(name="mergeBuiltinActions", default=False)

    def script(self, name: str) -> str:
        return next((one.script for one in self.definitions if one.name == name), "")


def read_actions(text: str, kind: str) -> TeamActions:
    """Raises InvalidInput naming the setting and what is wrong with it."""
    try:
        return msgspec.convert(yaml.load(text) or {}, TeamActions)
    except (InvalidInput, msgspec.ValidationError) as error:
        raise InvalidInput(f"argocd-cm: the actions of {kind}: {error}") from None


def offered(returned: Any, team: TeamActions) -> tuple[Action, ...]:
    """The actions that a discovery script named, in the order of the alphabet; without one all that are defined."""
    if not team.discovery:
        return tuple(Action(one.name) for one in team.definitions)
    if not isinstance(returned, Mapping):
        raise InvalidInput("the discovery script has to return a table of actions by name", reason="BadAction")
    return tuple(_action(name, returned[name]) for name in sorted(returned))


def effect_of(returned: Any, obj: Obj) -> Effect:
    """A script returns the object as it should be, or a list of `{operation = "create" | "patch", resource = …}`."""
    if isinstance(returned, Mapping) and returned.get("kind"):
        return _patch(dict(returned), obj)
    if not isinstance(returned, Sequence) or isinstance(returned, str) or not returned:
        raise InvalidInput("the action's script has to return an object, or a list of operations", reason="BadAction")
    effect = Effect()
    for index, one in enumerate(returned):
        operation, resource = (one.get("operation"), one.get("resource")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(resource, dict) or operation not in ("create", "patch"):
            raise InvalidInput(
                f"operation {index + 1} of the action: it has to be create or patch, with a resource", reason="BadAction"
            )
        if operation == "create":
            effect = msgspec.structs.replace(effect, creates=(*effect.creates, _created(resource, obj)))
        else:
            patch = _patch(resource, obj)
            effect = msgspec.structs.replace(effect, root=patch.root, status=patch.status)
    return effect


def restored(new: Any, old: Any) -> Any:
    """`new` as Lua returned it, with what Lua cannot hold taken from `old`."""
    if not new and isinstance(new, dict | list) and not old and isinstance(old, dict | list):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        nulls = {key: None for key, value in old.items() if value is None and key not in new}
        return {**{key: restored(value, old.get(key)) for key, value in new.items()}, **nulls}
    if isinstance(new, list) and isinstance(old, list):
        return [restored(value, old[index] if index < len(old) else None) for index, value in enumerate(new)]
    if isinstance(new, float | int) and isinstance(old, int) and not isinstance(new, bool) and float(old) == float(new):
        return old  # beyond 2^53 a number of Lua is not exact
    return new


def _action(name: str, said: Any) -> Action:
    if not isinstance(said, Mapping):
        return Action(name)
    params = said.get("params") or ()
    return Action(
        name,
        bool(said.get("disabled")),
        str(said.get("displayName") or ""),
        tuple(
            Param(str(one["name"]), str(one.get("default") or ""))
            for one in params
            if isinstance(one, Mapping) and "name" in one
        ),
    )


def _patch(new: Obj, obj: Obj) -> Effect:
    """The difference; only of the object that the script was given."""
    same = all(new.get(key) == obj.get(key) for key in _IDENTITY)
    if not same or (name_of(new), namespace_of(new)) != (name_of(obj), namespace_of(obj)):
        raise InvalidInput("an action may only patch the object that it was run on", reason="BadAction")
    patch = merge_diff(obj, restored(new, obj))
    status = patch.pop("status", None) or {}
    return Effect(patch, status)


def _created(new: Obj, obj: Obj) -> Obj:
    """A new object, in the namespace of the old one unless it says another."""
    if not all(isinstance(new.get(key), str) for key in _IDENTITY) or not metadata(new).get("name"):
        raise InvalidInput("an object that an action creates needs apiVersion, kind and metadata.name", reason="BadAction")
    where = {"namespace": namespace_of(new) or namespace_of(obj)}
    return {**new, "metadata": {**metadata(new), **{key: value for key, value in where.items() if value}}}
