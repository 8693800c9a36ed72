"""Writes folders of generated files into a branch, and says at which commit they are there.

Each commit is made in an empty repository of its own, which holds nothing but the newest commit of the branch and is gone with
the push: nothing has to be kept, and a process that dies leaves a folder that the next one takes away. What is there already is
not committed again, so a request whose answer was lost changes nothing. No push is forced. One that somebody else's has
overtaken is made anew upon that; one that the remote refuses is told with its words.

The commit is noted (`refs/notes/hydrator.metadata`) at whatever commit holds the files, as Argo CD does it.
"""

import asyncio
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pygit2
from msgspec import Struct
from pygit2.enums import FileMode

from shipway.adapters.git.failure import unreachable
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.login import Access
from shipway.adapters.git.mirrors import EVERYWHERE, Reach, refuse_local
from shipway.adapters.git.program import Git
from shipway.adapters.git.urls import parse_remote, redact
from shipway.api.hydration import MANIFEST, BranchCommit, Folder
from shipway.api.repositories import Credentials
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, Unavailable

NOTES = "refs/notes/hydrator.metadata"
ADVICE = "label a Secret argocd.argoproj.io/secret-type: repository-write that may push to it"
TRIES = 8
"""How often somebody else may be quicker."""
REFUSED_FOR = 120.0
"""Seconds until a push that was refused is tried again."""
AWAY_FOR = 15.0
"""Seconds until a remote that did not let us in is tried again."""
_PAUSE = 0.1
_OVERTAKEN = re.compile(
    r"\[rejected\].*(fetch first|non-fast-forward)|cannot lock ref|failed to update ref|incorrect old value"
    r"|reference already exists|remote ref does not exist",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"\[(remote )?rejected\]", re.IGNORECASE)
_Login = Callable[[str, str], Credentials]


class _Overtaken(Exception):
    """Somebody else has pushed meanwhile."""


class Branches:
    """Below `home`, which belongs to one process. `credentials` maps a repository's normalised URL and an AppProject to a login
    that may push; where there is none, it is tried without one."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        credentials: _Login,
        timeout_seconds: float = 90.0,
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._home = home.absolute()
        self._clock = clock
        self._credentials = credentials
        self._reach = reach
        self._tokens = InstallationTokens(clock)
        self._git = Git(self._home / "git", timeout_seconds=timeout_seconds)
        self._is_prepared = False

    async def commit(self, wanted: BranchCommit) -> str:
        """The commit of the branch that holds what is wanted; pushed before this returns.

        Raises `InvalidInput` (InvalidRepository, InvalidBranch), `Unavailable` (InvalidLogin, PushRefused, PushOvertaken, and
        as a fetch does) with the remote's words and without a login.
        """
        for branch in (wanted.branch, wanted.base or wanted.branch):
            if not pygit2.reference_is_valid_name(_ref(branch)):
                raise InvalidInput(f"{branch!r} is no name for a branch: correct targetBranch", reason="InvalidBranch")
        access = await self._access(wanted)
        self._prepare()
        for _ in range(TRIES):
            folder = Path(tempfile.mkdtemp(dir=self._home, prefix="push-"))
            try:
                return await _Attempt(self._git, folder, access, wanted, self._clock).run()
            except _Overtaken:
                await self._clock.sleep(_PAUSE)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        where = redact(wanted.repo_url)
        message = f"repository {where}: others pushed to branch {wanted.branch} {TRIES} times while we did: it is tried again"
        raise Unavailable(message, reason="PushOvertaken")

    async def _access(self, wanted: BranchCommit) -> Access:
        remote = parse_remote(wanted.repo_url)
        refuse_local(remote, self._reach)
        try:
            credentials = self._credentials(remote.key, wanted.project).at(remote.username, remote.password)
            return Access(remote.address, await self._tokens.login(credentials, remote.address))
        except InvalidInput as error:  # of a Secret, which may be mended without a word of it in what is wanted
            raise Unavailable(error.message, after=AWAY_FOR, reason=error.reason) from None

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self._home.glob("push-*"):
                shutil.rmtree(left, ignore_errors=True)
            self._git.prepare()
            self._is_prepared = True


class _Attempt(Struct, frozen=True):
    """One try, in a bare repository at `folder`."""

    git: Git
    folder: Path
    access: Access
    wanted: BranchCommit
    clock: Clock

    async def run(self) -> str:
        """Raises _Overtaken when it has to be made anew."""
        await self._run("init", "--quiet", "--bare", "--", str(self.folder))
        refs = await self._fetch()
        repository = pygit2.Repository(str(self.folder))
        branch, base = _ref(self.wanted.branch), _ref(self.wanted.base or self.wanted.branch)
        start = refs.get(branch) or refs.get(base) or self._empty_commit(repository)
        if base != branch and base not in refs:
            await self._push(start if branch not in refs else self._empty_commit(repository), base)
        commit = await asyncio.to_thread(self._committed, start)
        if refs.get(branch) != commit:
            await self._push(commit, branch)
        note = await asyncio.to_thread(self._noted, commit)
        if note and refs.get(NOTES) != note:
            await self._push(note, NOTES)
        return commit

    async def _fetch(self) -> dict[str, str]:
        """The refs that count and where the remote has them; their newest commits are here."""
        wanted = (_ref(self.wanted.branch), *([_ref(self.wanted.base)] if self.wanted.base else []), NOTES)
        listed = await self._talk("ls-remote", "--quiet", "--", self.access.address, *wanted)
        lines = (line.partition("\t") for line in listed.decode("utf-8", "replace").splitlines())
        there = {name: oid for oid, _, name in lines if name in wanted}
        if there:
            refspecs = [f"+{name}:{name}" for name in there]
            await self._talk("fetch", "--quiet", "--no-tags", "--depth=1", "--", self.access.address, *refspecs)
        found = pygit2.Repository(str(self.folder)).references
        return {name: str(found[name].target) for name in there if name in found}

    def _committed(self, start: str) -> str:
        """`start` where it holds all that is wanted already, else a new commit upon it."""
        repository = pygit2.Repository(str(self.folder))
        before = repository[start].peel(pygit2.Commit).tree
        changed = [one for one in self.wanted.folders if not _holds(before, f"{one.path}/{MANIFEST}", one.manifest)]
        if not changed:
            return start
        index = pygit2.Index()
        index.read_tree(before)
        for path in _replaced(index, self.wanted.folders, {one.path for one in changed}):
            index.remove(path)
        files = [
            (f"{one.path}/{name}", content) for one in changed for name, content in ((MANIFEST, one.manifest), *one.others)
        ]
        for path, content in (*self.wanted.root, *files):
            index.add(pygit2.IndexEntry(path, repository.create_blob(content), FileMode.BLOB))
        return self._commit(repository, index.write_tree(repository), self.wanted.message, [start])

    def _noted(self, commit: str) -> str:
        """The notes with ours; "" where it is among them."""
        repository = pygit2.Repository(str(self.folder))
        try:
            if repository.lookup_note(commit, NOTES).message.encode() == self.wanted.note:
                return ""
        except KeyError:
            pass  # no notes at all, or none at this commit
        who = self._signature()
        repository.create_note(self.wanted.note.decode(), who, who, commit, NOTES, True)
        return str(repository.references[NOTES].target)

    def _empty_commit(self, repository: pygit2.Repository) -> str:
        tree = repository.TreeBuilder().write()
        return self._commit(repository, tree, f"Initial commit for {self.wanted.base or self.wanted.branch}\n", [])

    def _commit(self, repository: pygit2.Repository, tree: pygit2.Oid, message: str, parents: Sequence[str]) -> str:
        who = self._signature()
        return str(repository.create_commit(None, who, who, message, tree, list(parents)))

    def _signature(self) -> pygit2.Signature:
        name, email = (re.sub(r"[<>\n\0]", "", part) for part in self.wanted.author)
        return pygit2.Signature(name, email, int(self.clock.now()), 0)

    async def _push(self, oid: str, ref: str) -> None:
        where = redact(self.access.address)
        try:
            await self._talk("push", "--quiet", "--", self.access.address, f"{oid}:{ref}")
        except Unavailable as error:
            if _OVERTAKEN.search(error.message):
                raise _Overtaken from None
            if _REFUSED.search(error.message):
                message = f"repository {where} refuses the push to {ref.removeprefix('refs/heads/')}: {error.message}"
                raise Unavailable(message, after=REFUSED_FOR, reason="PushRefused") from None
            raise

    async def _talk(self, *arguments: str) -> bytes:
        """One conversation with the remote. Raises `Unavailable`."""
        try:
            return await self.git.run(arguments, cwd=self.folder, access=self.access)
        except Unavailable as error:
            if _REFUSED.search(error.message) or _OVERTAKEN.search(error.message):
                raise
            found = unreachable(redact(self.access.address), error, AWAY_FOR)
            if found.reason in ("LoginRefused", "RepositoryNotFound"):
                raise Unavailable(f"{found.message}; {ADVICE}", after=found.after, reason=found.reason) from None
            raise found from None

    async def _run(self, *arguments: str) -> None:
        await self.git.run(arguments, cwd=self.folder)


def _holds(tree: pygit2.Tree, path: str, content: bytes) -> bool:
    try:
        there = tree[path]
    except KeyError:
        return False
    return isinstance(there, pygit2.Blob) and there.data == content


def _replaced(index: pygit2.Index, folders: Sequence[Folder], changed: Collection[str]) -> list[str]:
    """The files that go with what the changed folders held. A folder inside another is its own."""
    known = {one.path for one in folders}

    def owner(path: str) -> str:
        while path and path not in known:
            path = posixpath.dirname(path)
        return path

    return [entry.path for entry in index if owner(entry.path) in changed]


def _ref(branch: str) -> str:
    return f"refs/heads/{branch}"
