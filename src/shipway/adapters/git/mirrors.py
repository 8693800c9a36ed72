"""All repositories: where a revision stands, what its paths contain, and what each source reads of it.

A source's read set is learnt from its last render. From then on its `Head` names only the ids of those paths, so a commit
that touches none of them is not news to it; those to whom a fetch is news are told to whoever listens (`on_news`). What is in
memory here may be lost: the next head names the root tree again and the next render teaches the paths again.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pygit2
from msgspec import Struct
from msgspec.structs import replace
from pygit2.enums import ObjectType

from shipway.adapters.git.beyond import Beyond, Lender, Made, Want, Wanted, supplied
from shipway.adapters.git.changes import changes_of
from shipway.adapters.git.commit_facts import facts_of
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.history import Histories
from shipway.adapters.git.lfs import LargeFiles, Pointer
from shipway.adapters.git.mirror import Mirror, MirrorKey, Terms, Tries, tree_oid
from shipway.adapters.git.program import Git
from shipway.adapters.git.readers import Readers, Standing, head_for
from shipway.adapters.git.requests import GitRequests
from shipway.adapters.git.revisions import annotated_tag, is_sha, person, resolve, text_of
from shipway.adapters.git.signatures import signature_of
from shipway.adapters.git.snapshot import GitSnapshot, clean_path
from shipway.adapters.git.urls import Remote, host_of, normalize, parse_remote, place_of, redact
from shipway.api.commits import ChangesRequest, CommitFacts, Committed, Doubt, HistoryRequest, Signature, SignatureRequest
from shipway.api.hydration import DryCommit
from shipway.api.repositories import Credentials
from shipway.api.sources import Head, HeadRequest, Named, PathTree
from shipway.base.clock import Clock, Instant, rfc3339
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import digest

OnNews = Callable[[Sequence[HeadRequest]], object]

MAX_REMEMBERED = 20_000
"""Sources whose read sets are remembered, and tree sets whose root is."""

MAX_READS = 256
"""Paths in one read set; a source that reads more is narrowed to the root."""

_REMOTE_FIRST = 2.0
"""Seconds after which the mirror stands in for a remote that has not answered."""
_MAX_MESSAGE = 4096
_LARGEST_CACHED_TREE = 1 << 20
"""Bytes. libgit2 keeps trees of up to 4 KiB in its cache; a folder of a thousand applications is larger."""


def no_credentials(_key: str, _project: str) -> Credentials:
    return Credentials()


class Reach(Struct, frozen=True):
    """Where sources may lead. Without `has_local` a repository on this machine (`file://`, a path) is refused: whoever may
    write an Application could read every repository that this process can. `has_submodules` may change its answer."""

    has_local: bool = True
    has_submodules: Callable[[], bool] = lambda: True


EVERYWHERE = Reach()


def refuse_local(remote: Remote, reach: Reach) -> None:
    """Raises `InvalidInput` (InvalidRepository) for a repository of this machine where those are out of reach."""
    if remote.key.startswith("file:") and not reach.has_local:
        raise InvalidInput(
            f"repository {redact(remote.address)} lies on this machine, which is not allowed here: use http, https or ssh",
            reason="InvalidRepository",
        )


class Mirrors:
    """One bare mirror per repository below `home`, which belongs to one process at a time.

    `credentials` maps a repository's normalised URL and an AppProject to how to log in. What a login fetched that is for one
    project alone lies in a mirror of its own, and no other project is told where it stands; ids of trees are told only to who
    may read them, so they open whichever mirror holds them. Answers of a remote, good or bad, serve everybody
    for `fresh_seconds`.
    """

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        credentials: Callable[[str, str], Credentials] = no_credentials,
        timeout_seconds: float = 90.0,
        fresh_seconds: float = 5.0,
        reach: Reach = EVERYWHERE,
    ) -> None:
        pygit2.settings.cache_object_limit(ObjectType.TREE, _LARGEST_CACHED_TREE)
        self._home = home.absolute()
        self._clock = clock
        self._credentials = credentials
        self.requests = GitRequests(clock)
        self._tokens = InstallationTokens(clock)
        self._terms = Terms(fresh_seconds, self.requests)
        self._reach = reach
        self._large_files = LargeFiles(self._home / "lfs")
        self._git = Git(self._home / "git", timeout_seconds=timeout_seconds)
        self._mirrors: dict[MirrorKey, Mirror] = {}
        self._by_key: defaultdict[str, list[Mirror]] = defaultdict(list)
        self._by_place: defaultdict[str, list[Mirror]] = defaultdict(list)
        self._readers: defaultdict[MirrorKey, Readers] = defaultdict(Readers)
        self._generations: dict[MirrorKey, int] = {}
        self._listeners: list[OnNews] = []
        self._histories = Histories()
        self._fresh_seconds = fresh_seconds
        self._narrower: dict[HeadRequest, float] = {}
        """Who is asked again only because it is known better what it reads, and since when: where the branch stood a moment ago
        will do."""
        self._reads: OrderedDict[tuple[str, bytes], tuple[str, ...]] = OrderedDict()
        self._roots: OrderedDict[tuple[str, tuple[PathTree, ...]], str] = OrderedDict()

    async def head(self, request: HeadRequest) -> Head:
        """Where the revision stands now. A full SHA that is here already asks nobody.

        Raises `NotFound` (RevisionNotFound), `Unavailable` (GitFailed, GitTimeout) naming the repository, `InvalidInput`
        (InvalidRepository).
        """
        remote = parse_remote(request.repo_url)
        mirror = self._mirror(request.repo_url, self._login(remote, request.project).project)
        readers = self._readers[mirror.key]

        with readers.asking(request.named):
            try:
                return await self._found(mirror, request)
            except ShipwayError:
                readers.miss(request)
                raise

    async def _found(self, mirror: Mirror, request: HeadRequest) -> Head:
        """What an earlier look did not find may have been pushed since: the remote is asked before it counts as missing."""

        async def found() -> Head:
            return self._head(mirror, request)

        looks = mirror.tries.asked
        if not (self._is_narrower(self._readers[mirror.key], request) or mirror.has(request.revision)):
            await self._look(mirror, request.revision)
        try:
            return await self.mended(request.repo_url, found)
        except NotFound:
            if mirror.tries.asked != looks:
                raise
        mirror.wished()
        await self._look(mirror, request.revision)
        return await self.mended(request.repo_url, found)

    def on_news(self, listener: OnNews) -> None:
        """Has `listener` told of the requests whose answer is another one now, or may be."""
        self._listeners.append(listener)

    async def look(self, repo_url: str) -> bool:
        """After a push: asks the remote, and tells to whom it is news. False: not all who asked are remembered, so that
        everybody has to ask again. Raises `Unavailable`."""
        was_complete, failed = True, None
        for mirror in self._mirrors_of(repo_url):
            try:
                await self._look(mirror)
            except Unavailable as error:  # of one project's login; the others may be better
                failed = error
                continue
            self._move(mirror)  # those whose last answer was an error wait for any
            readers = self._readers[mirror.key]
            was_complete, readers.is_complete = was_complete and readers.is_complete, True
        if failed is not None:
            raise failed
        return was_complete

    async def known_head(self, request: HeadRequest) -> Head:
        """`last_known`, once the remote has had a moment to answer itself. Raises `NotFound` (NotMirrored)."""
        await self._clock.sleep(_REMOTE_FIRST)
        head = self.last_known(request)
        if head is None:
            raise NotFound(f"revision {request.revision[:12]} is not in the mirror", reason="NotMirrored")
        return head

    def last_known(self, request: HeadRequest) -> Head | None:
        """What `head` would have answered after the last fetch, also one of an earlier process; never asks the remote."""
        try:
            credentials = self._login(parse_remote(request.repo_url), request.project)
            return self._head(self._mirror(request.repo_url, credentials.project), request)
        except ShipwayError:
            return None

    def changed(self, repo_url: str, may_follow: Callable[[str], bool] = lambda _: True) -> list[str]:
        """A push happened: the next look asks the remote. Spelling, protocol and case do not matter.

        Returns a URL of every mirror of it of which somebody asks a revision that `may_follow` the push."""
        self._narrower.clear()
        mirrors = self._by_place.get(place_of(repo_url), ())
        found = [mirror for mirror in mirrors if any(map(may_follow, self._readers[mirror.key].revisions))]
        for mirror in found:
            mirror.changed()
        return list(dict.fromkeys(mirror.remote.address for mirror in found))

    def wished(self, repo_url: str) -> None:
        """Somebody is not content with what the remote said before."""
        self._narrower.clear()
        for mirror in self._by_key.get(normalize(repo_url), ()):
            mirror.wished()

    def changed_where(self, concerns: Callable[[str], bool]) -> None:
        """How to log in changed for the repositories whose normalised URL `concerns` picks: the next head asks the remote."""
        self._narrower.clear()
        for (key, *_), mirror in self._mirrors.items():
            if concerns(key):
                mirror.changed()

    def remember_reads(self, repo_url: str, source: bytes, reads: tuple[str, ...]) -> None:
        """What a render of `source` looked at. Sources that share their text share the union of what they read."""
        key = (normalize(repo_url), source)
        known = set(self._reads.get(key, ())) | {clean_path(path) for path in reads}
        before, after = self._reads.get(key), tuple(sorted(known)) if len(known) <= MAX_READS else ("",)
        self._reads[key] = after
        self._reads.move_to_end(key)
        _bound(self._reads)
        for mirror in self._by_key.get(key[0], ()) if before != after else ():
            if mirror.key in self._readers:
                again = self._readers[mirror.key].reads_more(source)
                if len(self._narrower) + len(again) > MAX_REMEMBERED:
                    self._narrower.clear()  # they look at the remote once more
                self._narrower |= dict.fromkeys(again, self._clock.elapsed())
                self._tell(again)

    def _is_narrower(self, readers: Readers, request: HeadRequest) -> bool:
        since = self._narrower.pop(request, None)
        if since is None or self._clock.elapsed() - since > self._fresh_seconds:
            return False
        return readers.standing(request.named) is not None

    def tree_ids(self, repo_url: str, commit: str, paths: tuple[str, ...]) -> tuple[PathTree, ...]:
        """The git ids of `paths` at a commit that is in the mirror. Raises `Unavailable` when it is not."""
        repository = self._holding(repo_url, commit).repository()
        return _ids(repository, (PathTree("", _root_of(repository, commit)),), paths)

    def narrow(self, repo_url: str, trees: tuple[PathTree, ...], paths: tuple[str, ...]) -> tuple[PathTree, ...]:
        """The git ids of `paths` inside `trees`."""
        mirror = self._holding(repo_url, *(tree.oid for tree in trees))
        return _ids(mirror.repository(), trees, paths, self._root(mirror, trees))

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> GitSnapshot:
        """A fresh look at `trees`, with a handle of its own: usable on one other thread."""
        mirror = self._holding(repo_url, *(tree.oid for tree in trees))
        beyond = Beyond(repo_url, self, project=mirror.project)
        return GitSnapshot(mirror.open(), trees, self._root(mirror, trees), beyond)

    async def mended(self, repo_url: str, attempt: Callable[[], Awaitable[Made]]) -> Made:
        """What `attempt` makes of the repository's mirror; when that cannot be read, of a mended one."""
        try:
            return await attempt()
        except Unavailable as error:
            if error.reason not in ("DamagedMirror", "NotMirrored") or isinstance(error, Wanted):
                raise
            if not any([await one.mend(await self._logged_in(one)) for one in self._mirrors_of(repo_url)]):
                raise
        return await attempt()

    async def supplied(self, attempt: Callable[[], Awaitable[Made]]) -> Made:
        """What `attempt` makes of snapshots, once the submodules and large files that it reads have been fetched."""
        return await supplied(attempt, self._supply)

    def module(self, repo_url: str, commit: str, lender: Lender) -> pygit2.Repository | None:
        """A submodule's repository (see `beyond.Stock`); usable on any thread."""
        if not self._reach.has_submodules():
            return None
        mirror = self._mirrors.get((normalize(repo_url), "", self._lending(repo_url, lender)))
        if mirror is None or not mirror.is_on_disk():
            raise Wanted(Want(repo_url, commit, lender=lender))
        repository = mirror.open()
        if commit not in repository:
            raise Wanted(Want(repo_url, commit, lender=lender))
        return repository

    def _lending(self, repo_url: str, lender: Lender) -> Lender | None:
        """Whose login opens a submodule; None: its own, or none.

        What a borrowed login fetched lies in a mirror of its own: it is not told to repositories that cannot lend the same.
        """
        remote, outer = parse_remote(repo_url), parse_remote(lender.repo_url)
        has_its_own = self._credentials(remote.key, "").has_login or remote.password
        if has_its_own or host_of(remote) != host_of(outer):
            return None
        return lender if self._login(outer, lender.project).has_login else None

    def large(self, repo_url: str, pointer: Pointer, project: str) -> bytes | None:
        """A large file (see `beyond.Stock`); usable on any thread."""
        if not self._credentials(normalize(repo_url), project).lfs:
            return None
        content = self._large_files.read(pointer)
        if content is None:
            raise Wanted(Want(repo_url, pointer=pointer, project=project))
        return content

    async def _supply(self, want: Want) -> None:
        if want.pointer is not None:
            credentials = await self._ready(parse_remote(want.repo_url), want.project)
            await self._large_files.fetch(want.repo_url, want.pointer, credentials)
            return
        # A submodule is fetched as everybody may: whoever writes a commit could else read what another project keeps to itself.
        mirror = self._mirror(want.repo_url, lender=self._lending(want.repo_url, want.lender) if want.lender else None)
        credentials = await self._logged_in(mirror)
        if not mirror.has(want.commit):
            mirror.changed()
            await mirror.refresh(credentials)
            await mirror.fetch_commit(credentials, want.commit)
        if not mirror.has(want.commit):
            told = f"it has no commit {want.commit[:12]}: was it pushed?"
            raise Unavailable(f"submodule {redact(want.repo_url)}: {told}", reason="RevisionNotFound")

    def materialize(self, repo_url: str, trees: tuple[PathTree, ...], into: Path) -> None:
        """Write `trees` below the local folder `into`, nothing else, links replaced by what they lead to. Blocks."""
        self.snapshot(repo_url, trees).write((tree.path for tree in trees if tree.oid), str(into))

    async def signature(self, request: SignatureRequest, keyring: Mapping[str, str]) -> Signature:
        """What the mirror's commit or annotated tag is signed with. `keyring`: armored OpenPGP keys. Raises `Unavailable`."""
        oid = request.tag or request.commit
        return await signature_of(self._holding(request.repo_url, oid).repository(), oid, keyring)

    async def doubts(self, request: HistoryRequest, keyring: Mapping[str, str]) -> tuple[Doubt, ...]:
        """The commits of the mirror that led to one and that no key that counts has signed. Raises `Unavailable`."""
        return await self._histories.doubts(self._holding(request.repo_url, request.commit).repository(), request, keyring)

    async def changes(self, request: ChangesRequest) -> tuple[Committed, ...]:
        """What was committed between two commits of the mirror (see `changes.changes_of`)."""
        repository = self._holding(request.repo_url, request.until).open()
        return await asyncio.to_thread(changes_of, repository, request)

    def is_ancestor(self, repo_url: str, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`. False when either is not in the mirror."""
        mirror = self._holding(repo_url, newer)
        if not (mirror.has(older) and mirror.has(newer)):
            return False
        return older == newer or mirror.repository().descendant_of(newer, older)

    def dry_commit(self, repo_url: str, commit: str) -> DryCommit:
        """Who wrote a commit of the mirror, when, and what it says. Raises `Unavailable` when it is not there."""
        repository = self._holding(repo_url, commit).repository()
        try:
            found = repository[commit].peel(pygit2.Commit)
        except (KeyError, ValueError):
            raise _not_mirrored(commit) from None
        return DryCommit(person(found.author), rfc3339(Instant(float(found.author.time))), text_of(found.raw_message))

    def commit_facts(self, repo_url: str, commit: str) -> CommitFacts:
        """Who wrote a commit of the mirror, who approved it, and by which pull request it came. Raises `Unavailable`."""
        return facts_of(self._holding(repo_url, commit).repository(), commit)

    def tries(self, repo_url: str) -> Tries:
        """How often the remote was asked, for metrics and tests."""
        return self._mirror(repo_url).tries

    def _holding(self, repo_url: str, *oids: str) -> Mirror:
        """The mirror of a repository that has these objects; one that may be asked for them where none has."""
        found = self._mirrors_of(repo_url)
        if len(found) == 1:
            return found[0]
        there = (one for one in found if all(one.has(oid.rpartition(":")[2]) for oid in oids if oid))
        return next(there, found[0])

    def _mirrors_of(self, repo_url: str) -> list[Mirror]:
        return list(self._by_key.get(parse_remote(repo_url).key, ())) or [self._mirror(repo_url)]

    def _mirror(self, repo_url: str, project: str = "", lender: Lender | None = None) -> Mirror:
        remote = parse_remote(repo_url)
        refuse_local(remote, self._reach)
        found = self._mirrors.get((remote.key, project, lender))
        if found is None:
            self._git.prepare()
            lent = ("lent by", *lender) if lender else ()
            path = self._home / "mirrors" / f"{digest(remote.key, *filter(None, [project]), *lent, length=24)}.git"
            terms = replace(self._terms, project=project, lender=lender)
            found = Mirror(path, remote, self._git, self._clock, terms)
            self._mirrors[found.key] = found
            self._by_place[place_of(remote.key)].append(found)
            self._by_key[remote.key].append(found)
        return found

    async def _logged_in(self, mirror: Mirror) -> Credentials:
        """The credentials that open a mirror's remote, as git takes them."""
        if mirror.lender is not None:
            return await self._ready(parse_remote(mirror.lender.repo_url), mirror.lender.project)
        return await self._ready(mirror.remote, mirror.project)

    async def _ready(self, remote: Remote, project: str) -> Credentials:
        """A repository's credentials; of a GitHub App a token of the moment."""
        try:
            return await self._tokens.login(self._login(remote, project), remote.address)
        except Unavailable as error:
            raise Unavailable(
                f"repository {redact(remote.address)} is unreachable: {error.message}", after=error.after, reason=error.reason
            ) from None
        except InvalidInput as error:
            raise InvalidInput(f"repository {redact(remote.address)}: {error.message}", reason=error.reason) from None

    def _login(self, remote: Remote, project: str = "") -> Credentials:
        """The configured credentials, else those in the URL; never on a command line."""
        return self._credentials(remote.key, project).at(remote.username, remote.password)

    def _head(self, mirror: Mirror, request: HeadRequest) -> Head:
        readers = self._readers[mirror.key]
        if known := readers.head(request):
            return known
        standing = readers.standing(request.named) or self._standing(mirror, request)
        paths = self._reads.get((mirror.remote.key, request.source), ("",))
        trees = _ids(mirror.repository(), (PathTree("", standing.root),), paths)
        self._roots[(mirror.remote.key, trees)] = standing.root
        self._roots.move_to_end((mirror.remote.key, trees))
        _bound(self._roots)
        readers.tell(request, standing, trees)
        return head_for(request, standing, trees)

    async def _look(self, mirror: Mirror, revision: str = "") -> None:
        """Makes a mirror fresh; what a fetch brought is told."""
        credentials = await self._logged_in(mirror)
        await mirror.refresh(credentials, revision)
        if is_sha(revision) and not mirror.has(revision):
            await mirror.fetch_commit(credentials, revision)
        if self._generations.get(mirror.key) != mirror.generation:
            self._move(mirror)

    def _move(self, mirror: Mirror) -> None:
        """The readers follow what was fetched."""
        self._generations[mirror.key] = mirror.generation
        self._tell(self._readers[mirror.key].move(mirror.repository(), lambda named: self._stand(mirror, named)))

    def _tell(self, news: Sequence[HeadRequest]) -> None:
        for listener in self._listeners if news else ():
            listener(news)

    def _standing(self, mirror: Mirror, request: HeadRequest) -> Standing:
        try:
            commit = resolve(mirror.repository(), *request.named)
        except NotFound as error:
            raise NotFound(f"repository {redact(request.repo_url)}: {error.message}", reason=error.reason) from None
        head = Head(
            commit=str(commit.id),
            trees=(),
            author=person(commit.author),
            message=text_of(commit.raw_message)[:_MAX_MESSAGE],
            committed_at=float(commit.commit_time),
            tag=annotated_tag(mirror.repository(), *request.named),
        )
        return Standing(head, str(commit.tree_id))

    def _stand(self, mirror: Mirror, named: Named) -> Standing | None:
        revision, tag_prefix = named
        try:
            return self._standing(mirror, HeadRequest(mirror.remote.address, revision, b"", tag_prefix=tag_prefix))
        except ShipwayError:
            return None

    def _root(self, mirror: Mirror, trees: tuple[PathTree, ...]) -> str:
        return self._roots.get((mirror.remote.key, trees), "")


def _ids(
    repository: pygit2.Repository, trees: tuple[PathTree, ...], paths: tuple[str, ...], root: str = ""
) -> tuple[PathTree, ...]:
    look = GitSnapshot(repository, trees, root)
    return tuple(PathTree(path, look.oid(path)) for path in paths)


def _root_of(repository: pygit2.Repository, commit: str) -> str:
    try:
        return tree_oid(repository, commit)
    except (KeyError, ValueError):
        raise _not_mirrored(commit) from None


def _not_mirrored(commit: str) -> Unavailable:
    return Unavailable(f"commit {commit[:12]} is not in the mirror", reason="NotMirrored")


def _bound(remembered: OrderedDict) -> None:  # pyright: ignore[reportMissingTypeArgument]
    while len(remembered) > MAX_REMEMBERED:
        remembered.popitem(last=False)
