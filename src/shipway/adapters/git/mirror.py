"""One repository's bare mirror on disk: what was fetched last, and whether that is still fresh.

Whoever wants it fresh waits at one lock. The first one asks the remote, the others find its answer, good or bad, and are
content with it: a refresh is one `ls-remote`, and a `fetch` only if a ref moved, however many ask. Objects are never
pruned, so a commit that was once seen can be rendered after a force push and while the remote is away.
"""

import asyncio
import contextlib
import re
import shutil
from pathlib import Path

import pygit2
from msgspec import Struct
from pygit2.enums import ObjectType

from shipway.adapters.git.beyond import Lender
from shipway.adapters.git.failure import unreachable
from shipway.adapters.git.login import Access
from shipway.adapters.git.program import Git
from shipway.adapters.git.requests import GitRequests
from shipway.adapters.git.revisions import HEAD_REF, is_other_ref, is_sha
from shipway.adapters.git.urls import Remote, redact
from shipway.api.repositories import Credentials
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable

_REFSPECS = (f"+HEAD:{HEAD_REF}", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FIRST_FETCH_PATIENCE = 10.0
"""The first fetch brings the whole history: it may take so many times longer than a later one."""

_DOUBLINGS = 3
"""How often the rest after a failure doubles: a remote that is away is left alone for longer and longer."""

WISHES_APART = 1.0
"""Seconds between two looks at the remote that are made because users want one."""

_MENDS_APART = 60.0
"""Seconds between two looks for damage: they read the whole mirror."""

_LOCK_LEFT_BEHIND = ".lock"
_DAMAGE = re.compile(
    r"corrupt|is empty|bad object|unable to read|missing (blob|tree|commit)|not a git repository|did not send all"
)
"""What git says when the mirror's files are broken, by a power cut for instance."""


MirrorKey = tuple[str, str, Lender | None]
"""What a mirror is filed under: its remote, the AppProject that alone it is for, and who lends it its login."""


class Tries(Struct):
    """How often the remote was asked and how often something had to be fetched."""

    asked: int = 0
    fetched: int = 0


class Terms(Struct, frozen=True):
    """How long an answer of a remote serves, who counts what is asked of remotes, for which AppProject alone a mirror is
    ("" for all), and whose login opens it where that is another repository's."""

    fresh_seconds: float
    requests: GitRequests
    project: str = ""
    lender: Lender | None = None


class Mirror:
    """Below `path`. Only one process may use a path at a time."""

    repack_every = 50
    """Fetches after which small packs are rolled up into larger ones."""

    def __init__(self, path: Path, remote: Remote, git: Git, clock: Clock, terms: Terms) -> None:
        self._path = path
        self._remote = remote
        self._git = git
        self._clock = clock
        self._fresh_seconds = terms.fresh_seconds
        self._requests = terms.requests
        self._shown = redact(remote.address)
        self.project = terms.project
        self.lender = terms.lender
        self.key: MirrorKey = (remote.key, terms.project, terms.lender)
        self._lock = asyncio.Lock()
        self._repository: pygit2.Repository | None = None
        self._advertised = b""
        self._others: set[str] = set()
        self._tried_at = float("-inf")
        self._failures = 0
        self._error: Unavailable | None = None
        self._mended_at = float("-inf")
        self._is_broken = False
        self._wanted = self._seen = 0
        self._wishes = self._granted = 0
        self._began_at = float("-inf")
        self.tries = Tries()
        self.generation = 0
        """Grows with every fetch that is over: only then a revision may stand elsewhere."""

    @property
    def remote(self) -> Remote:
        return self._remote

    def changed(self) -> None:
        """The remote has news: the next refresh asks it, however fresh the last answer is."""
        self._wanted += 1

    def wished(self) -> None:
        """Somebody wants an answer that the remote gives from now on. Wishes that come close together share one."""
        self._wishes += 1

    async def refresh(self, credentials: Credentials, revision: str = "") -> None:
        """Make sure that the mirror is fresh. Raises `Unavailable` when the remote did not answer lately."""
        wish = self._wishes
        with self._requests.waiting(self._shown):
            while not await self._is_refreshed(credentials, revision, wish):
                await self._clock.sleep(self._began_at + WISHES_APART - self._clock.now())

    async def _is_refreshed(self, credentials: Credentials, revision: str, wish: int) -> bool:
        """False: it would be fresh, but for a wish that has to wait for its turn."""
        async with self._lock:
            if is_other_ref(revision) and revision not in self._others:
                self._others.add(revision)
                self.changed()
            is_fresh = self._is_fresh()
            if is_fresh and self._granted < wish and self._clock.now() < self._began_at + WISHES_APART:
                return False
            if not is_fresh or self._granted < wish:
                await self._try(credentials)
            if self._error is not None:
                raise Unavailable(self._error.message, after=self._error.after, reason=self._error.reason)
            return True

    async def mend(self, credentials: Credentials) -> bool:
        """Looks whether the mirror is whole, and fetches all of it again if not. Whether it had to; not asked twice a minute.

        Nothing is thrown away before the remote has answered. Raises `Unavailable` when it does not."""
        async with self._lock:
            if self._clock.now() - self._mended_at < _MENDS_APART or not await self._is_damaged():
                return False
            self._mended_at = self._clock.now()
            self._is_broken = True
            await self._try(credentials)
            if self._error is not None:
                raise self._error
            return True

    async def _is_damaged(self) -> bool:
        try:
            await self._git.run(
                ("fsck", "--connectivity-only", "--no-dangling"), cwd=self._path, patience=_FIRST_FETCH_PATIENCE
            )
        except Unavailable as error:
            return error.reason == "GitFailed"
        return False

    async def fetch_commit(self, credentials: Credentials, sha: str) -> None:
        """Ask the remote for one commit that no branch or tag leads to. Quiet when it does not give it."""
        async with self._lock:
            if self.has(sha):
                return
            with contextlib.suppress(Unavailable), self._requests.counted(self._shown, "fetch"):
                await self._git.run(
                    ("fetch", "--quiet", "--no-tags", "--", self._remote.address, sha),
                    cwd=self._path,
                    access=self._access(credentials),
                )

    def has(self, oid: str) -> bool:
        """Whether an object is in the mirror; never asks the remote."""
        if not is_sha(oid) or not self.is_on_disk():
            return False
        try:
            return oid in self.repository()
        except (Unavailable, pygit2.GitError):  # damaged: as good as not there
            return False

    def is_on_disk(self) -> bool:
        return (self._path / "HEAD").exists()

    def repository(self) -> pygit2.Repository:
        """The mirror for reading, on the thread of the event loop only."""
        if self._repository is None:
            self._repository = self.open()
        return self._repository

    def open(self) -> pygit2.Repository:
        """A handle of one's own, for another thread. Raises `Unavailable` before the first fetch."""
        if not self.is_on_disk():
            raise Unavailable(f"{self._shown} has not been fetched yet", reason="NotMirrored")
        try:
            return pygit2.Repository(str(self._path), pygit2.enums.RepositoryOpenFlag.BARE)
        except pygit2.GitError as error:
            where = self._shown
            raise Unavailable(f"the mirror of {where} cannot be read: {error}", reason="DamagedMirror") from None

    def _access(self, credentials: Credentials) -> Access:
        return Access(self._remote.address, credentials)

    def _is_fresh(self) -> bool:
        rest = self._error.after if self._error and self._error.after else self._fresh_seconds
        return self._seen == self._wanted and self._clock.now() - self._tried_at < rest

    async def _try(self, credentials: Credentials) -> None:
        seen, self._granted, self._began_at = self._wanted, self._wishes, self._clock.now()
        try:
            await self._update(credentials)
            self._failures, self._error = 0, None
        except Unavailable as error:
            self._failures += 1
            await asyncio.to_thread(self._sweep)
            rest = self._fresh_seconds * 2 ** min(self._failures - 1, _DOUBLINGS)
            self._error = unreachable(self._shown, error, rest)
        except OSError as error:
            message = f"repository {self._shown} cannot be mirrored here: {error.strerror}: check the disk"
            self._error = Unavailable(message, after=self._fresh_seconds, reason="MirrorFailed")
        self._seen, self._tried_at = seen, self._clock.now()

    def _sweep(self) -> None:
        """What a fetch that was cut off has left: as much as it had received."""
        for left in self._path.glob("objects/*/tmp_*"):
            left.unlink(missing_ok=True)

    async def _update(self, credentials: Credentials) -> None:
        await self._prepare(credentials)
        self.tries.asked += 1
        patterns = ("HEAD", "refs/heads/*", "refs/tags/*", *sorted(self._others))
        ask = ("ls-remote", "--quiet", "--", self._remote.address, *patterns)
        with self._requests.counted(self._shown, "ls-remote"):
            advertised = await self._git.run(ask, cwd=self._path, access=self._access(credentials))
        if advertised == self._advertised and not self._is_broken:
            return
        names = {line.partition(b"\t")[2].decode("utf-8", "replace") for line in advertised.splitlines()}
        try:
            if self._is_broken:
                await self._begin_anew(credentials)
            await self._fetch(credentials, names)
        except Unavailable as error:
            if error.reason != "DamagedMirror" and not _DAMAGE.search(error.message):
                raise
            await self._begin_anew(credentials)
            await self._fetch(credentials, names)
        self._advertised, self._is_broken = advertised, False
        self.generation += 1

    async def _fetch(self, credentials: Credentials, names: set[str]) -> None:
        self.tries.fetched += 1
        if names:
            fetch = ("fetch", "--quiet", "--prune", "--no-tags", "--", self._remote.address, *self._refspecs(names))
            patience = 1.0 if self._has_commits() else _FIRST_FETCH_PATIENCE
            with self._requests.counted(self._shown, "fetch"):
                await self._git.run(fetch, cwd=self._path, access=self._access(credentials), patience=patience)
        if self.tries.fetched % self.repack_every == 0:
            await self._git.run(("repack", "--geometric=2", "-d", "-q"), cwd=self._path)

    def _has_commits(self) -> bool:
        return next(iter(self.repository().references), None) is not None

    async def _begin_anew(self, credentials: Credentials) -> None:
        """The remote is there and has everything but what was rewritten: throw a damaged mirror away."""
        self._repository = None
        await asyncio.to_thread(shutil.rmtree, self._path, ignore_errors=True)
        self._tried_at = float("-inf")
        await self._prepare(credentials)

    def _refspecs(self, names: set[str]) -> list[str]:
        """What to fetch of what there is: a refspec without wildcard fails when its ref is missing."""
        fixed = [spec for spec in _REFSPECS if "*" in spec or "HEAD" in names]
        return fixed + [f"+{name}:{name}" for name in sorted(self._others & names)]

    async def _prepare(self, credentials: Credentials) -> None:
        """Create the mirror, or clean up after a process that was killed while it fetched."""
        if self._tried_at != float("-inf"):
            return
        if not self.is_on_disk():
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._git.run(
                ("init", "--quiet", "--bare", "--", str(self._path)), cwd=self._path, access=self._access(credentials)
            )
        for left in (*self._path.glob(f"*{_LOCK_LEFT_BEHIND}"), *self._path.glob(f"refs/**/*{_LOCK_LEFT_BEHIND}")):
            left.unlink(missing_ok=True)


def tree_oid(repository: pygit2.Repository, commit: str) -> str:
    """The id of a commit's root tree."""
    return str(repository[commit].peel(ObjectType.TREE).id)
