"""What an installation says of all its sets: `applicationsetcontroller.*` in the ConfigMap `argocd-cmd-params-cm`, and what of
`reposerver.*` there concerns generators.

Pure. What cannot be read is never taken for a permission: an unknown policy creates and changes nothing, and keeps what is
there; a flag that guards Secrets is taken for the stricter.
"""

from collections.abc import Mapping
from typing import get_args

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.applicationset import ApplicationSetSpec, AppsSync, PreservedFields
from shipway.api.cmd_params import CMD_PARAMS, flag, texts
from shipway.api.forges import ALLOWED, ForgeTerms
from shipway.base.durations import parse_duration
from shipway.base.globs import glob_or_regex, glob_problem

PREFIX = "applicationsetcontroller"
ENABLED = f"{PREFIX}.enable.scm.providers"
STRICT = f"{PREFIX}.enable.tokenref.strict.mode"
POLICY, OVERRIDE = f"{PREFIX}.policy", f"{PREFIX}.enable.policy.override"
NAMESPACES = f"{PREFIX}.namespaces"
PROGRESSIVE = f"{PREFIX}.enable.progressive.syncs"
GLOBBING = f"{PREFIX}.enable.new.git.file.globbing"
HIDDEN = "reposerver.include.hidden.directories"
REQUEUE = f"{PREFIX}.requeue.after"
ANNOTATIONS, LABELS = f"{PREFIX}.global.preserved.annotations", f"{PREFIX}.global.preserved.labels"


class Terms(Struct, frozen=True):
    """`policy` counts for sets that may not choose (`may_choose`) or say nothing. `namespaces`: outside the installation's own,
    sets are served in these alone; () says nothing. `steps`: whether RollingSync syncs step by step. `stars_stop`: `*` in the
    path of a file goes over no slash, only `**` does; `with_hidden`: folders with a dot count. `requeue`: seconds between two
    looks at a repository or at decisions, where a generator does not say; 0: as usual. `annotations` and `labels` of
    Applications are left to others.

    `problem`: what of it cannot be meant; nothing is created, changed or deleted then."""

    forges: ForgeTerms = ForgeTerms()
    policy: AppsSync = ""
    may_choose: bool = True
    namespaces: tuple[str, ...] = ()
    steps: bool = True
    stars_stop: bool = False
    with_hidden: bool = False
    requeue: float = 0.0
    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    problem: str = ""

    def serves(self, namespace: str) -> bool:
        """Whether sets of a namespace beyond the installation's own are looked at."""
        return not self.namespaces or any(glob_or_regex(one)(namespace) for one in self.namespaces)


def terms_of(data: Mapping[str, str]) -> Terms:
    """What the data of the ConfigMap says."""
    said = data.get(POLICY, "").strip()
    policy: AppsSync | None = next((one for one in get_args(AppsSync) if one == said), None)
    namespaces = texts(data, NAMESPACES)
    unreadable = [told for one in namespaces if (told := glob_problem(one, glob_or_regex))]
    problems = [f"{NAMESPACES}: {told}" for told in unreadable]
    if policy is None:
        problems.append(f"{POLICY}: {said!r} is none of sync, create-only, create-update, create-delete")
    return Terms(
        forges=ForgeTerms(
            is_enabled=flag(data, ENABLED, default=True, unreadable=False),
            allowed=texts(data, ALLOWED),
            is_strict=flag(data, STRICT, default=False, unreadable=True),
        ),
        policy="create-only" if policy is None else policy,
        may_choose=policy == "" or (policy is not None and flag(data, OVERRIDE, default=False)),
        namespaces=() if unreadable else namespaces,
        steps=flag(data, PROGRESSIVE, default=True),
        stars_stop=flag(data, GLOBBING, default=False),
        with_hidden=flag(data, HIDDEN, default=False),
        requeue=_seconds(data.get(REQUEUE, "")),
        annotations=texts(data, ANNOTATIONS),
        labels=texts(data, LABELS),
        problem=f"ConfigMap {CMD_PARAMS}: {'; '.join(problems)}" if problems else "",
    )


def under(spec: ApplicationSetSpec, terms: Terms) -> ApplicationSetSpec:
    """What a set comes to in an installation with these terms."""
    chosen = spec.policy.applications_sync
    policy = chosen if chosen and terms.may_choose else terms.policy
    kept = spec.preserved_fields or PreservedFields()
    return replace(
        spec,
        sync_policy=replace(spec.policy, applications_sync=policy),
        strategy=spec.strategy if terms.steps else None,
        preserved_fields=PreservedFields(
            (*(kept.annotations or ()), *terms.annotations), (*(kept.labels or ()), *terms.labels)
        ),
    )


def _seconds(text: str) -> float:
    """Of a duration of a second at least; 0 for anything else, as in Argo CD."""
    try:
        found = parse_duration(text)
    except ValueError:
        return 0.0
    return found if found >= 1.0 else 0.0
