"""From what a user wrote (`main`, `v1.2`, `HEAD`, a SHA or its beginning, `refs/…`) to a commit of the mirror.

Branches win over tags of the same name, and a version range is looked up among the tags first, as in Argo CD. What is
unknown is answered with what exists nearby.
"""

import difflib
import re

import pygit2

from shipway.base.errors import NotFound, Unavailable
from shipway.base.semver import highest_tag, parse_range

HEAD_REF = "refs/shipway/HEAD"
"""Where the mirror keeps the remote's HEAD."""

_SHA = re.compile(r"[0-9a-f]{40}")
_SHORT_SHA = re.compile(r"[0-9a-f]{7,39}")


def is_sha(revision: str) -> bool:
    return _SHA.fullmatch(revision.lower()) is not None


def is_other_ref(revision: str) -> bool:
    """A ref outside of branches and tags (`refs/pull/7/head`), which is mirrored only when somebody asks for it."""
    return revision.startswith("refs/") and not revision.startswith(("refs/heads/", "refs/tags/", "refs/shipway/"))


def resolve(repository: pygit2.Repository, revision: str, tag_prefix: str = "") -> pygit2.Commit:
    """The commit that `revision` names now; a range sees the tags that begin with `tag_prefix`, by what follows it.

    Raises `NotFound` (RevisionNotFound) with what exists nearby."""
    wanted = revision.strip() or "HEAD"
    _, commit = _by_name(repository, wanted, tag_prefix)
    if commit is not None:
        return commit
    if _SHORT_SHA.fullmatch(wanted.lower()) or is_sha(wanted):
        commit = _by_sha(repository, wanted.lower())
        if commit is not None:
            return commit
    raise NotFound(f"revision {wanted!r} does not exist: {_nearby(repository, wanted)}", reason="RevisionNotFound")


def annotated_tag(repository: pygit2.Repository, revision: str, tag_prefix: str = "") -> str:
    """The id of the annotated tag that `resolve` would follow; "" for a branch, a commit and a tag that is but a name."""
    name, commit = _by_name(repository, revision.strip() or "HEAD", tag_prefix)
    if commit is None:
        return ""
    target = str(repository.references[name].resolve().target)
    return target if target != str(commit.id) else ""


def _by_name(repository: pygit2.Repository, wanted: str, tag_prefix: str) -> tuple[str, pygit2.Commit | None]:
    """The ref that is meant, and its commit."""
    tags = f"refs/tags/{tag_prefix}"
    version = highest_tag(_names_after(repository, tags), wanted) if parse_range(wanted) else None
    for name in (f"{tags}{version}",) if version else _candidates(wanted):
        commit = _commit_of(repository, name)
        if commit is not None:
            return name, commit
    return "", None


def _candidates(revision: str) -> tuple[str, ...]:
    if revision == "HEAD":
        return (HEAD_REF,)
    if revision.startswith("refs/"):
        return (revision,)
    return f"refs/heads/{revision}", f"refs/tags/{revision}"


def _commit_of(repository: pygit2.Repository, name: str) -> pygit2.Commit | None:
    try:
        reference = repository.references[name]
    except (KeyError, ValueError, pygit2.GitError):
        return None
    try:
        return reference.peel(pygit2.Commit)
    except pygit2.InvalidSpecError:  # a tag of something else
        return None
    except (KeyError, pygit2.GitError) as error:
        raise Unavailable(f"{name} in the mirror cannot be read: {error}", reason="DamagedMirror") from None


def _by_sha(repository: pygit2.Repository, sha: str) -> pygit2.Commit | None:
    try:
        found = repository.get(sha) if is_sha(sha) else repository.revparse_single(sha)
        return found.peel(pygit2.Commit) if found is not None else None
    except (KeyError, ValueError, pygit2.GitError):
        return None


def _names_after(repository: pygit2.Repository, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in repository.references if name.startswith(prefix)]


def _names(repository: pygit2.Repository, *prefixes: str) -> list[str]:
    """Branches or tags without what stands before their names."""
    return [name.split("/", 2)[2] for name in repository.references if name.startswith(prefixes)]


def _nearby(repository: pygit2.Repository, wanted: str) -> str:
    names = _names(repository, "refs/heads/", "refs/tags/")
    if not names:
        return "the repository is empty, push a commit"
    if is_sha(wanted) or _SHORT_SHA.fullmatch(wanted):
        return "no branch or tag leads to that commit; was it pushed?"
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(sorted(names)[:5])
    return f"there are {shown}{' and others' if len(names) > 5 else ''}"


def text_of(raw: bytes | None) -> str:
    """Commits may hold any bytes."""
    return (raw or b"").decode("utf-8", "replace")


def person(signature: pygit2.Signature) -> str:
    """`name <address>`."""
    return f"{text_of(signature.raw_name)} <{text_of(signature.raw_email)}>"
