"""Which Applications are rendered together: those that render one revision of one repository into one branch of one repository.

    GroupKey    what they share; the key of the controller
    BY_BRANCH   an index that files Applications under the branch that they write to, whatever they render

An Application knows its group from its own spec, so nobody ever looks at all of them.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.controller import ObjectKey

BY_BRANCH = "hydrated branch"


class GroupKey(Struct, frozen=True, order=True):
    """The repositories are spelt as one whatever their users write, and without a login: this goes to logs."""

    dry_repo: str
    dry_revision: str
    repo: str
    branch: str

    def __str__(self) -> str:
        return f"{self.dry_repo}@{self.dry_revision} in {self.repo}#{self.branch}"

    @property
    def place(self) -> str:
        """What Applications are filed under that write to the branch."""
        return f"{self.repo} {self.branch}"


def group_of(app: Obj) -> GroupKey | None:
    """The group of an Application; None where it has no hydrator, or one that says too little."""
    hydrator: Obj = dig(app, "spec", "sourceHydrator", default={})
    dry, synced, staged = (hydrator.get(part) or {} for part in ("drySource", "syncSource", "hydrateTo"))
    dry_repo = str(dry.get("repoURL") or "")
    repo, branch = str(synced.get("repoURL") or dry_repo), str((staged or synced).get("targetBranch") or "")
    if not dry_repo or not branch:
        return None
    return GroupKey(_spelt(dry_repo), str(dry.get("targetRevision") or "HEAD"), _spelt(repo), branch)


def groups_of(app: Obj) -> Iterable[GroupKey]:
    group = group_of(app)
    return (group,) if group else ()


def places_of(app: Obj) -> Iterable[str]:
    return tuple(group.place for group in groups_of(app))


class Claim(Struct, frozen=True):
    """A folder that an Application writes to."""

    app: ObjectKey
    path: str
    is_ours: bool
    """It is of the group that is looked at."""


def clean(path: str) -> str:
    """The folder that a path means, "" for the root of the repository."""
    cleaned = posixpath.normpath(path.strip() or ".").lstrip("/")
    return "" if cleaned == "." else cleaned


def problem_of(path: str, branch: str) -> str:
    """Why nothing may be written to a path; "" when it may."""
    cleaned = clean(path)
    if not cleaned:
        return f'app is configured to hydrate to the repository root (branch "{branch}", path "{path}") which is not allowed'
    parts = cleaned.split("/")
    if ".." in parts or any(part.lower() == ".git" for part in parts) or any(ord(letter) < 32 for letter in cleaned):
        return f'app is configured to hydrate to path "{path}", which is no folder of the repository: correct syncSource.path'
    return ""


def disputes(claims: Sequence[Claim]) -> dict[ObjectKey, str]:
    """Why Applications of ours may not write where they would: two of them mean one folder, or one of another group means it or
    a folder above or below. What is in a folder is replaced as a whole, so each would undo the other's work."""
    at: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        at[claim.path].append(claim)
    found: dict[ObjectKey, str] = {}
    for claim in claims:
        for other in (other for path in _up_from(claim.path) for other in at.get(path, ()) if _collide(claim, other)):
            found[claim.app] = f"app {other.app} hydrator use the same destination: {other.path}"
            found[other.app] = f"app {claim.app} hydrator use the same destination: {other.path}"
    return found


def _collide(claim: Claim, above: Claim) -> bool:
    """Whether a folder and the one that it is, or that it lies in, may not both be written to."""
    return above.app != claim.app and (above.path == claim.path or above.is_ours != claim.is_ours)


def _up_from(path: str) -> Iterable[str]:
    while path:
        yield path
        path = posixpath.dirname(path)


@lru_cache(maxsize=4096)
def _spelt(url: str) -> str:
    text = url.strip().rstrip("/").removesuffix(".git")
    if "://" not in text:
        return text
    parts = urlsplit(text)
    place = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme.lower()}://{place}{parts.path}"
