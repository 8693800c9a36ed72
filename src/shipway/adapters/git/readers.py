"""Who reads what of one mirror, and to whom a fetch is news.

A thousand applications of a monorepo ask a thousand questions about one branch, and a commit changes the answer to one of
them. So a branch is resolved once after a fetch, the commit that it stood at before is compared with the one it stands at now,
and only the readers of paths that differ are looked for. To all others the old trees are the answer, under the new commit.

Only a memory: what is forgotten here is worked out again when it is asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pygit2
from msgspec import Struct
from msgspec.structs import replace
from pygit2.enums import FileMode

from shipway.adapters.git.revisions import is_sha
from shipway.api.sources import Head, HeadRequest, Named, PathTree

MOST_READERS = 20_000
MOST_CHANGES = 5_000
"""Changed files of a fetch that are looked through one by one; beyond, it is news to everybody."""

_SPECIAL = (FileMode.LINK, FileMode.COMMIT)

Stand = Callable[[Named], "Standing | None"]
"""Where a revision stands now; None when it does not exist."""


class Standing(Struct, frozen=True):
    """Where a revision stands: the head without what somebody reads of it, and the id of the whole tree."""

    head: Head
    root: str


class _Revision:
    """One revision, and those who asked for it: what they were told, and who reads which path."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.told: dict[HeadRequest, tuple[PathTree, ...]] = {}
        self._readers: defaultdict[str, dict[HeadRequest, None]] = defaultdict(dict)
        self.of_every_commit: dict[HeadRequest, None] = {}
        """Those to whom any commit is news."""

    def tell(self, request: HeadRequest, trees: tuple[PathTree, ...]) -> None:
        self.told[request] = trees
        if request.every_commit:
            self.of_every_commit[request] = None
        for tree in trees:
            self._readers[tree.path][request] = None

    def forget(self, request: HeadRequest) -> None:
        self.of_every_commit.pop(request, None)
        for tree in self.told.pop(request, ()):
            readers = self._readers[tree.path]
            readers.pop(request, None)
            if not readers:
                del self._readers[tree.path]

    def readers_of(self, changed: set[str]) -> dict[HeadRequest, None]:
        """Whoever reads a changed file, or a folder that holds one."""
        found: dict[HeadRequest, None] = {}
        for path in {place for file in changed for place in _with_folders(file)}:
            found |= self._readers.get(path, {})
        return found


class Readers:
    """Those who ask about one mirror."""

    def __init__(self, most: int = MOST_READERS) -> None:
        self._most = most
        self._revisions: dict[Named, _Revision] = {}
        self._of_source: defaultdict[bytes, dict[HeadRequest, None]] = defaultdict(dict)
        self._size = 0
        self._open: dict[HeadRequest, None] = {}
        """Asked without an answer that counts: any news may be news to them."""
        self._asking: Counter[Named] = Counter()
        """The revisions that are being asked for at this moment."""
        self.is_complete = True
        """Whether everybody who asked is known here. Whoever finds it false has everybody ask again, and sets it."""

    @property
    def revisions(self) -> set[str]:
        """What is asked for, or being asked for: a push during the first look concerns it as well."""
        return {revision for revision, _ in (*self._revisions, *(request.named for request in self._open), *self._asking)}

    @contextmanager
    def asking(self, named: Named) -> Iterator[None]:
        """Around a question about a revision, until its answer is told or missed."""
        self._asking[named] += 1
        try:
            yield
        finally:
            self._asking[named] -= 1
            if not self._asking[named]:
                del self._asking[named]

    def head(self, request: HeadRequest) -> Head | None:
        """The answer, if it is known."""
        revision = self._revisions.get(request.named)
        trees = revision.told.get(request) if revision else None
        if revision is None or trees is None:
            return None
        return head_for(request, revision.standing, trees)

    def standing(self, named: Named) -> Standing | None:
        """Where a revision stood after the last fetch, if anybody was told."""
        known = self._revisions.get(named)
        return known.standing if known else None

    def tell(self, request: HeadRequest, standing: Standing, trees: tuple[PathTree, ...]) -> None:
        """What was found out for a request; `trees` are what it reads."""
        self._forget(request)
        revision = self._revisions.get(request.named) or _Revision(standing)
        if revision.standing.head.commit != standing.head.commit:
            self.miss(request)  # a fetch is under way, and is news to it once it is over
            return
        self._revisions[request.named] = revision
        self._open.pop(request, None)
        self._of_source[request.source][request] = None
        self._size += 1
        revision.tell(request, trees)
        self._bound()

    def miss(self, request: HeadRequest) -> None:
        """Nothing was found out for a request."""
        self._open[request] = None
        self._bound()

    def reads_more(self, source: bytes) -> list[HeadRequest]:
        """A source reads other paths than before: whoever was told of it has to be told anew."""
        found = list(self._of_source.get(source, ()))
        for request in found:
            self._forget(request)
        return found

    def move(self, repository: pygit2.Repository, stand: Stand) -> list[HeadRequest]:
        """After a fetch: to whom it is news, and who waited for any."""
        news, self._open = dict(self._open), {}
        for named, revision in list(self._revisions.items()):
            now = revision.standing if is_sha(named[0]) else stand(named)
            changed = changed_files(repository, revision.standing.root, now.root) if now else None
            touched = dict.fromkeys(revision.told) if changed is None else revision.readers_of(changed)
            if now and now.head != revision.standing.head:
                touched |= revision.of_every_commit
            for request in touched:
                self._forget(request)
            news |= touched
            if now is None:
                del self._revisions[named]
            else:
                revision.standing = now
        return list(news)

    def _forget(self, request: HeadRequest) -> None:
        revision = self._revisions.get(request.named)
        if revision is None or request not in revision.told:
            return
        revision.forget(request)
        self._size -= 1
        of_source = self._of_source[request.source]
        of_source.pop(request, None)
        if not of_source:
            del self._of_source[request.source]

    def _bound(self) -> None:
        """Forgets everything when it is too much. Who asks again waits for any news."""
        if self._size + len(self._open) <= self._most:
            return
        self._revisions, self._size, self._open = {}, 0, {}
        self._of_source.clear()
        self.is_complete = False


def head_for(request: HeadRequest, standing: Standing, trees: tuple[PathTree, ...]) -> Head:
    """The answer to a request: where the revision stands, and what is read of it."""
    return replace(standing.head, trees=trees, every_commit=request.every_commit)


def changed_files(repository: pygit2.Repository, old: str, new: str) -> set[str] | None:
    """The paths of the files that differ between two trees. None: too many, or of a kind of which paths do not say enough."""
    if old == new:
        return set()
    try:
        before, after = repository[old], repository[new]
        assert isinstance(before, pygit2.Tree) and isinstance(after, pygit2.Tree)
        deltas = before.diff_to_tree(after).deltas
    except (KeyError, pygit2.GitError):
        return None  # a mirror that was made anew need not have what was thrown away
    found: set[str] = set()
    for delta in deltas:
        files = (delta.old_file, delta.new_file)
        if files[0].mode != files[1].mode and any(file.mode in _SPECIAL for file in files):
            return None  # what lies below a link or a submodule is found through it
        found |= {file.path for file in files}
        if len(found) > MOST_CHANGES:
            return None
    return found


def _with_folders(path: str) -> Iterator[str]:
    """The path itself and every folder that it lies in, up to the root ""."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""
