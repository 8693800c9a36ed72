"""What was committed between two commits of a mirror, and by whom: the facts that rights are judged by.

The main line is what first parents lead to. Each commit on it is seen beside its first parent, with the CODEOWNERS of that
parent, so that no commit gives itself a right. A merge is seen as the commits that it brings, each also with the people of the
merge; what it makes of a file itself, as the resolution of a conflict, is its own. Where the main line does not lead back to
`since` (a branch that was written anew, a merge the wrong way round), all that differs is one change of the last commit.
"""

import re
from collections.abc import Iterable, Iterator

import pygit2
from pygit2.enums import SortMode

from shipway.adapters.git.revisions import resolve
from shipway.api.commits import ChangesRequest, Committed
from shipway.base.errors import InvalidInput, NotFound, Unavailable

FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order."""
MAX_COMMITS = 2000
_MAX_BYTES = 3 << 20
_APPROVED = re.compile(r"^approved-by:[^\n<]*<([^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)
_APPROVES = re.compile(r"^approves:\s*([0-9a-f]{7,40})\s*$", re.IGNORECASE | re.MULTILINE)


def changes_of(repository: pygit2.Repository, request: ChangesRequest) -> tuple[Committed, ...]:
    """Newest first. A way back (`since` contains `until`) changes nothing that was not there before.

    Raises `Unavailable` (NotMirrored) for a commit that is not here, `InvalidInput` (TooManyCommits)."""
    since, until = (_commit(repository, one) for one in (request.since, request.until))
    if since.id == until.id or repository.descendant_of(since.id, until.id):
        return ()
    line = _main_line(repository, until, since)
    if line is None:
        found = [_whole(repository, since, until, request.paths)]
    else:
        found = [one for commit in line for one in _brought_by(repository, commit, since, request.paths)]
    return tuple(_approved_later(repository, request, since, [one for one in found if one.paths]))


def _main_line(repository: pygit2.Repository, until: pygit2.Commit, since: pygit2.Commit) -> list[pygit2.Commit] | None:
    """The commits after `since`, newest first; None when first parents do not lead to it."""
    walker = repository.walk(until.id, SortMode.TOPOLOGICAL)
    walker.simplify_first_parent()
    walker.hide(since.id)
    line: list[pygit2.Commit] = []
    for commit in walker:
        if len(line) >= MAX_COMMITS:
            raise _too_many(since, until)
        line.append(commit)
    return line if line and line[-1].parent_ids[:1] == [since.id] else None


def _whole(repository: pygit2.Repository, since: pygit2.Commit, until: pygit2.Commit, paths: Iterable[str]) -> Committed:
    file, text = _codeowners(since)
    return Committed(str(until.id), _people(until), tuple(sorted(_differing(repository, until, since, paths))), text, file)


def _brought_by(
    repository: pygit2.Repository, commit: pygit2.Commit, since: pygit2.Commit, paths: Iterable[str]
) -> Iterator[Committed]:
    """What one commit of the main line changes: itself, and by the commits that it merges."""
    first = commit.parents[0]
    changed = _differing(repository, commit, first, paths)
    file, text = _codeowners(first)
    merged: set[str] = set()
    for one in _merged(repository, commit, since) if changed and len(commit.parents) > 1 else ():
        touched = _touched(repository, one, paths) & changed
        merged |= touched
        people = tuple(dict.fromkeys((*_people(one), *_people(commit))))
        yield Committed(str(one.id), people, tuple(sorted(touched)), text, file)
    own = (changed - merged) | _touched(repository, commit, paths)
    yield Committed(str(commit.id), _people(commit), tuple(sorted(own)), text, file)


def _merged(repository: pygit2.Repository, merge: pygit2.Commit, since: pygit2.Commit) -> Iterator[pygit2.Commit]:
    walker = repository.walk(merge.parent_ids[1], SortMode.TOPOLOGICAL)
    for other in merge.parent_ids[2:]:
        walker.push(other)
    for known in (merge.parent_ids[0], since.id):
        walker.hide(known)
    for number, commit in enumerate(walker):
        if number >= MAX_COMMITS:
            raise _too_many(since, merge)
        yield commit


def _touched(repository: pygit2.Repository, commit: pygit2.Commit, paths: Iterable[str]) -> set[str]:
    """What it has otherwise than every parent."""
    if not commit.parents:
        return _differing(repository, commit, None, paths)
    differing = [_differing(repository, commit, parent, paths) for parent in commit.parents]
    return set.intersection(*differing)


def _differing(
    repository: pygit2.Repository, commit: pygit2.Commit, before: pygit2.Commit | None, paths: Iterable[str]
) -> set[str]:
    """Files that differ, of those that are asked about; a renamed one under both names."""
    diff = before.tree.diff_to_tree(commit.tree) if before else commit.tree.diff_to_tree()
    names = {file.path for delta in diff.deltas for file in (delta.old_file, delta.new_file)}
    return {name for name in names if name in FILES or any(_is_below(name, path) for path in paths)}


def _is_below(name: str, path: str) -> bool:
    return path in ("", name) or name.startswith(f"{path}/")


def _approved_later(
    repository: pygit2.Repository, request: ChangesRequest, since: pygit2.Commit, found: list[Committed]
) -> Iterator[Committed]:
    """With those who approved a commit by a later one of the main line, whose message says `Approves: <commit>`."""
    approvals = list(_approvals(repository, request, since)) if found else []
    for one in found:
        more = [who for commit, people in approvals if one.commit.startswith(commit) for who in people]
        yield Committed(one.commit, tuple(dict.fromkeys((*one.people, *more))), one.paths, one.codeowners, one.file)


def _approvals(
    repository: pygit2.Repository, request: ChangesRequest, since: pygit2.Commit
) -> Iterator[tuple[str, tuple[str, ...]]]:
    try:
        tip = resolve(repository, request.revision)
    except NotFound:
        tip = _commit(repository, request.until)
    for commit in _main_line(repository, tip, since) or ():
        for approved in _APPROVES.findall(commit.message):
            yield approved.lower(), _people(commit)


def _people(commit: pygit2.Commit) -> tuple[str, ...]:
    """Addresses of its author, its committer and those whom its message names as having approved it."""
    named = _APPROVED.findall(commit.message)
    raw = (commit.author.raw_email, commit.committer.raw_email)
    found = (*((one or b"").decode("utf-8", "replace") for one in raw), *named)
    return tuple(dict.fromkeys(one.strip().lower() for one in found if one.strip()))


def _codeowners(commit: pygit2.Commit) -> tuple[str, str]:
    """(path, text) of the file that counts."""
    for path in FILES:
        try:
            blob = commit.tree[path]
        except KeyError:
            continue
        if isinstance(blob, pygit2.Blob) and blob.size <= _MAX_BYTES:
            return path, blob.data.decode("utf-8", "replace")
    return "", ""


def _commit(repository: pygit2.Repository, sha: str) -> pygit2.Commit:
    try:
        found = repository[sha]
    except (KeyError, ValueError, pygit2.GitError):
        found = None
    if not isinstance(found, pygit2.Commit):
        raise Unavailable(f"commit {sha[:12]} is not in the mirror", reason="NotMirrored")
    return found


def _too_many(since: pygit2.Commit, until: pygit2.Commit) -> InvalidInput:
    told = f"more than {MAX_COMMITS} commits lie between {str(since.id)[:7]} and {str(until.id)[:7]}: too many to check"
    return InvalidInput(f"{told}; sync a commit in between first", reason="TooManyCommits")
