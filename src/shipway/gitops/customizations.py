"""What a team says about kinds in its `argocd-cm`: how healthy they are, what may be done to them, what to overlook.

Two spellings, as Argo CD's users write them: one key for each thing (`resource.customizations.health.<group>_<kind>`, `all` for
every kind), and the older single key `resource.customizations`, a YAML map by `group/Kind` in which `*` stands for anything.
`useOpenLibs` says nothing new here: scripts get the harmless libraries always and the others never.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj

CONFIG_MAP = "argocd-cm"
_PREFIX = "resource.customizations"
_SENSITIVE = "resource.sensitive.mask.annotations"
_FIELDS = {
    "health": "health",
    "actions": "actions",
    "ignoreDifferences": "ignore_differences",
    "knownTypeFields": "known_type_fields",
}
_OLD_FIELDS = {
    "health.lua": "health",
    "actions": "actions",
    "ignoreDifferences": "ignore_differences",
    "knownTypeFields": "known_type_fields",
}


class Customization(Struct, frozen=True):
    """What is said about one kind: Lua of a health check, YAML of actions, of differences to ignore and of fields that hold a
    type of Kubernetes'; "" where nothing is."""

    health: str = ""
    actions: str = ""
    ignore_differences: str = ""
    known_type_fields: str = ""


class Customizations(Struct, frozen=True):
    """By `group/Kind` (`Kind` alone in the core group). `problems`: what could not be read, for people. `sensitive`:
    annotations of Secrets that are shown no more than their values."""

    exact: Mapping[str, Customization] = {}
    patterns: tuple[tuple[str, Customization], ...] = ()
    problems: tuple[str, ...] = ()
    sensitive: frozenset[str] = frozenset()

    def of(self, group: str, kind: str) -> Customization | None:
        """What is said about a kind: its own entry, else the first pattern that fits."""
        name = f"{group}/{kind}" if group else kind
        if name in self.exact:
            return self.exact[name]
        return next((found for pattern, found in self.patterns if fnmatchcase(name, pattern)), None)


NONE = Customizations()


def read_customizations(config_map: Obj | None) -> Customizations:
    """Everything that `argocd-cm` says. What cannot be read is told in `problems` and leaves the rest as it is."""
    settings: dict[str, str] = (config_map or {}).get("data") or {}
    found: dict[str, Customization] = {}
    problems: list[str] = []
    if settings.get(_PREFIX):
        found, problems = _older(settings[_PREFIX])
    for key in sorted(settings):
        name, field = _named(key)
        if field:
            found[name] = replace(found.get(name, Customization()), **{field: settings[key]})
    patterns = tuple((name, one) for name, one in found.items() if "*" in name)
    exact = {name: one for name, one in found.items() if "*" not in name}
    sensitive = frozenset(key for key in (settings.get(_SENSITIVE) or "").replace(" ", "").split(",") if key)
    return Customizations(exact, patterns, tuple(problems), sensitive) if found or problems or sensitive else NONE


def _named(key: str) -> tuple[str, str]:
    """(`group/Kind` or pattern, field) of one key; ("", "") for a key that says nothing of this kind."""
    parts = key.split(".", 3)
    if len(parts) < 4 or ".".join(parts[:2]) != _PREFIX or parts[2] not in _FIELDS:
        return "", ""
    group, separator, kind = parts[3].partition("_")
    name = f"{group}/{kind}" if separator and group else kind or group
    return "*" if name == "all" else name, _FIELDS[parts[2]]


def _older(text: str) -> tuple[dict[str, Customization], list[str]]:
    try:
        written: Any = yaml.load(text)
    except InvalidInput as error:
        return {}, [f"{CONFIG_MAP}: {_PREFIX}: {error.message}"]
    if not isinstance(written, dict):
        return {}, [f"{CONFIG_MAP}: {_PREFIX} has to be a map from group/Kind to what is said about it"]
    found: dict[str, Customization] = {}
    problems: list[str] = []
    for name, said in written.items():
        if isinstance(said, dict):
            fields = {_OLD_FIELDS[key]: _text(value) for key, value in said.items() if key in _OLD_FIELDS}
            found[name] = Customization(**fields)
        else:
            problems.append(f"{CONFIG_MAP}: {_PREFIX}: {name} has to be a map")
    return found, problems


def _text(written: Any) -> str:
    return written if isinstance(written, str) else yaml.dump(written)
