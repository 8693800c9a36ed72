"""Who may change what, asked of the commits since the last sync: the annotation `shipway.dev/change-rights` of an AppProject.

    codeowners: true                        # CODEOWNERS of the repositories counts (the default)
    teams:
      "@acme/platform": [ada@example.com]   # who stands behind the names in CODEOWNERS and below
    environments:
    - name: production
      namespaces: ["prod-*"]                # globs of the destination; all when left out
      clusters: ["*"]                       # by name or server
      owners: ["@acme/platform"]            # names of teams, or addresses

A commit is in order when one of the owners wrote, committed, merged or approved it. A sync of content with a commit that is not
in order does not begin; a first sync has nothing before it and is not asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from shipway.api.application import Destination, located
from shipway.api.commits import Committed
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob
from shipway.gitops.annotations import CHANGE_RIGHTS
from shipway.gitops.codeowners import Rule, read_codeowners, rule_for
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of

CONDITION = "ChangeRightsError"
SHOWN = 3
"""Refusals that are told one by one."""
REMEDY = (
    "Let one of them approve it: merge with the line `Approved-by: NAME <ADDRESS>` in the message, or commit later with the "
    "line `Approves: COMMIT`"
)


class Environment(Struct, frozen=True, forbid_unknown_fields=True):
    """Destinations that only some may change."""

    name: str
    owners: tuple[str, ...]
    namespaces: tuple[str, ...] = ("*",)
    clusters: tuple[str, ...] = ("*",)

    def holds(self, destination: Destination) -> bool:
        where = [one for one in (destination.name, destination.server) if one] or [""]
        return _any(self.namespaces, (destination.namespace,)) and _any(self.clusters, where)


class ChangeRights(Struct, frozen=True, forbid_unknown_fields=True):
    """As the annotation says it. `teams`: addresses by name."""

    codeowners: bool = True
    teams: dict[str, tuple[str, ...]] = {}
    environments: tuple[Environment, ...] = ()


def rights_of(project: Obj) -> ChangeRights | None:
    """None: everybody who may push may change everything. Raises InvalidInput for an annotation that says something else."""
    text = annotations_of(project).get(CHANGE_RIGHTS)
    if text is None:
        return None
    where = f"annotation {CHANGE_RIGHTS}"
    try:
        read = msgspec.convert(yaml.load(text) or {}, ChangeRights)
        for environment in read.environments:
            for pattern in (*environment.namespaces, *environment.clusters):
                compile_glob(pattern)
    except msgspec.ValidationError as error:
        raise InvalidInput(located(str(error), where)) from error
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    owners = {name for environment in read.environments for name in environment.owners}
    if unknown := sorted(name for name in owners if not _is_address(name) and name not in read.teams):
        raise InvalidInput(f"{where}: {', '.join(unknown)}: name it under teams, with the addresses of its members")
    return read


def refusals_of_changes(rights: ChangeRights, destination: Destination, changes: Iterable[Committed]) -> tuple[str, ...]:
    """Why these commits may not be synced there; empty when they may. Each names commit, path, rule and owners."""
    found = [told for change in changes for told in _refused(rights, destination, change)]
    more = len(found) - SHOWN
    if not found:
        return ()
    return (*found[:SHOWN], *([f"and {more} more"] if more > 0 else ()), REMEDY)


def _refused(rights: ChangeRights, destination: Destination, change: Committed) -> Iterator[str]:
    by = change.people[0] if change.people else "nobody"
    told = f"commit {change.commit[:7]} by {by} changes {{}}"
    for environment in rights.environments:
        ours = [path for path in change.paths if path != change.file]
        if ours and environment.holds(destination) and not _is_in_order(environment.owners, change.people, rights.teams):
            owners = _named(environment.owners, rights.teams)
            yield f"{told.format(_shown(ours))}, and environment {environment.name} is changed by {owners} only"
    rules = read_codeowners(change.codeowners) if rights.codeowners else ()
    for rule, paths in _by_rule(rules, change.paths).items():
        if rule.owners and not _is_in_order(rule.owners, change.people, rights.teams):
            where = f"{change.file} line {rule.number}: `{rule.text}`"
            owners = _named(rule.owners, rights.teams)
            yield f"{told.format(_shown(paths))}, which belongs to {owners} ({where})"


def _by_rule(rules: Sequence[Rule], paths: Iterable[str]) -> Mapping[Rule, list[str]]:
    found: dict[Rule, list[str]] = {}
    for path in paths:
        rule = rule_for(rules, path)
        if rule is not None:
            found.setdefault(rule, []).append(path)
    return found


def _is_in_order(owners: Iterable[str], people: Sequence[str], teams: Mapping[str, Sequence[str]]) -> bool:
    addresses = {one.lower() for owner in owners for one in ((owner,) if _is_address(owner) else teams.get(owner, ()))}
    return not addresses.isdisjoint(people)


def _is_address(owner: str) -> bool:
    return "@" in owner[1:]


def _named(owners: Iterable[str], teams: Mapping[str, Sequence[str]]) -> str:
    """For messages; a name behind which nobody stands says so."""
    return " or ".join(
        f"{one} (no team of the project)" if not _is_address(one) and one not in teams else one for one in owners
    )


def _shown(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _any(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    return any(compile_glob(pattern)(text) for text in texts for pattern in patterns)
