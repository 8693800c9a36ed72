"""What can be done to a live object, and doing it: a team's Lua from `argocd-cm`, our own actions, and those of Rollouts.

A team's actions take the place of ours for their kind, unless they say `mergeBuiltinActions: true`; of two with one name theirs
counts. Scripts run in the killable worker, and see nothing but the object.
"""

from collections.abc import Callable, Mapping

from shipway.assembly.scripts import Scripts
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, NotFound, NotYet
from shipway.gitops.actions import Action, Effect, TeamActions, effect_of, offered, read_actions
from shipway.gitops.asks import canonical
from shipway.gitops.builtin_actions import builtin_actions, run_builtin
from shipway.gitops.customizations import Customizations
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import dig, metadata, name_of
from shipway.rollouts import actions as rollout_actions
from shipway.rollouts.actions import Patches

NONE = TeamActions()


class ResourceActions:
    """All actions, under one team's settings. `scripts` runs theirs."""

    def __init__(self, said: Customizations, scripts: Scripts) -> None:
        self._said = said
        self._scripts = scripts

    async def of(self, obj: Obj) -> tuple[Action, ...]:
        """What can be done to the object, by name. Raises InvalidInput where a team's settings or script cannot be used."""
        team = self._team(obj)
        if team is None:
            return _builtin(obj)
        returned = await self._scripts.run(team.discovery, canonical(_without_owners(obj))) if team.discovery else None
        theirs = {one.name: one for one in offered(returned, team)}
        ours = {one.name: one for one in _builtin(obj)} if team.merges else {}
        return tuple(one for _, one in sorted({**ours, **theirs}.items()))

    async def effect(self, obj: Obj, name: str, params: Mapping[str, str], now: Instant) -> Effect:
        """What the action writes. Raises NotFound where the object has no such action, NotYet where it cannot be done now."""
        known = {one.name: one for one in await self.of(obj)}
        if name not in known:
            names = ", ".join(known) or "none"
            raise NotFound(f"{_told(obj)} has no action {name}: it has {names}", reason="NoAction")
        if known[name].is_disabled:
            raise NotYet(f"{name} cannot be done to {_told(obj)} as it is now", reason="ActionDisabled")
        _check(params, known[name], obj)
        team = self._team(obj) or NONE
        if script := team.script(name):
            plain = _without_owners(obj)
            return effect_of(await self._scripts.run(script, canonical(plain), params), plain)
        effect = _run(obj, name, params, now)
        if effect is None:
            raise InvalidInput(
                f"argocd-cm names the action {name} of {obj.get('kind')} and does not define it", reason="NoAction"
            )
        return effect

    def _team(self, obj: Obj) -> TeamActions | None:
        """What the team says of the kind; None: nothing."""
        kind = obj.get("kind") or ""
        said = self._said.of(split_api_version(obj.get("apiVersion") or "")[0], kind)
        return read_actions(said.actions, kind) if said and said.actions else None


def _builtin(obj: Obj) -> tuple[Action, ...]:
    if _is_rollout(obj):
        return tuple(Action(name, _is_idle(patches, obj)) for name, patches in _ROLLOUT.items())
    return builtin_actions(obj)


def _run(obj: Obj, name: str, params: Mapping[str, str], now: Instant) -> Effect | None:
    if not _is_rollout(obj):
        return run_builtin(obj, name, params, now)
    if name not in _ROLLOUT:
        return None
    patches = _ROLLOUT[name](obj, now)
    return Effect(patches.root, patches.status)


def _resume(rollout: Obj, now: Instant) -> Patches:
    """Goes on after a pause; one that is not paused has nothing to resume."""
    is_paused = dig(rollout, "spec", "paused") or dig(rollout, "status", "pauseConditions")
    return rollout_actions.promote(rollout) if is_paused else Patches()


_ROLLOUT: dict[str, Callable[[Obj, Instant], Patches]] = {
    "abort": lambda obj, now: rollout_actions.abort(obj),
    "pause": lambda obj, now: rollout_actions.pause(obj),
    "promote-full": lambda obj, now: rollout_actions.promote_full(obj),
    "restart": lambda obj, now: rollout_actions.restart(now),
    "resume": _resume,
    "retry": lambda obj, now: rollout_actions.retry(obj),
}


def _is_idle(patches: Callable[[Obj, Instant], Patches], obj: Obj) -> bool:
    try:
        return patches(obj, Instant(0.0)).is_nothing
    except InvalidInput:
        return True


def _is_rollout(obj: Obj) -> bool:
    return (split_api_version(obj.get("apiVersion") or "")[0], obj.get("kind")) == ("argoproj.io", "Rollout")


def _check(params: Mapping[str, str], action: Action, obj: Obj) -> None:
    known = {one.name for one in action.params}
    unknown = sorted(params.keys() - known)
    if unknown and known:
        raise InvalidInput(f"{action.name} of {_told(obj)} has no parameter {unknown[0]}: it has {', '.join(sorted(known))}")
    if unknown:
        raise InvalidInput(f"{action.name} of {_told(obj)} takes no parameters")


def _without_owners(obj: Obj) -> Obj:
    """Who owns which field is nothing for scripts."""
    return {**obj, "metadata": {key: value for key, value in metadata(obj).items() if key != "managedFields"}}


def _told(obj: Obj) -> str:
    return f"{obj.get('kind')} {name_of(obj)}"
