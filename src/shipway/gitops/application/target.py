"""What Git wants of one application: each of its sources at a revision, as far as the answers have arrived.

    Part     one source: where its branch stands, what it renders to, what went wrong on the way
    Target   all of them together, prepared: later sources win over earlier ones that give the same object

Each part has questions of its own, so a push to one source renders that source alone, and one repository that hangs holds
back only the applications that use it. A source with a `ref` lends its files to the others (`$ref/path`): for every source that
may read them there is one more standing question about the lent repository, which remembers what that source read of it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import IgnoreDifference
from shipway.api.sources import Head, KustomizeSettings, Lent, ProjectFacts, RemoteBase, Rendered, RenderRequest, SourceType
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, Unavailable
from shipway.gitops.application.preparations import Preparations
from shipway.gitops.asks import ClusterAsk, HeadAsk, JqPathsAsk, KnownHeadAsk, RecallAsk, RenderAsk, TextAsk
from shipway.gitops.desired import Desired, Prepared, Terms
from shipway.gitops.ignored_by_jq import resolved
from shipway.gitops.pinned import Pinned, revisions_in, sources_in
from shipway.gitops.project import permits_repository
from shipway.gitops.source import Told, borrows, head_ask, is_only_ref, lent_ask, render_ask, wanted_of
from shipway.gitops.tools import FETCHED, url_refusal
from shipway.kube.objects.manifests import objects_in_output
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Answer, Ask

MAX_ROUNDS = 8
_UNASKED = Instant(0.0)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Part(Struct, frozen=True):
    """One source at one revision."""

    source: Obj
    revision: str
    asks: tuple[Ask, ...] = ()
    head: Head | None = None
    rendered: Rendered | None = None
    error: str = ""
    is_away: bool = False
    """The error says that somebody does not answer, and may be over at any moment."""
    stale: str = ""
    """Why the newest revision is not known, where an older answer still stands."""
    asked_at: Instant = _UNASKED
    """When the question where the branch stands was last put."""
    lent: tuple[Head, ...] = ()
    """Where the repositories stand whose files it borrows."""
    recalled: str = ""
    """Why it was taken from the kept manifests: what Git said instead."""
    is_remembered: bool = False
    """The remote has not answered since our start: this is the revision that the status names, from the mirror."""


class Checks(Struct, frozen=True):
    """Whether what is wanted may be synced at all. `problems`: conditions (type, message) that say why it may not; `renewed`:
    what is asked anew, since the answer of then is refused and there is another."""

    asks: tuple[Ask, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    is_pending: bool = False
    renewed: tuple[Ask, ...] = ()

    def with_problem(self, kind: str, message: str) -> "Checks":
        """With one more; itself for ""."""
        return replace(self, problems=(*self.problems, (kind, message))) if message else self


class Target(Struct, frozen=True):
    """The application's sources at some revisions, and what they want together."""

    parts: tuple[Part, ...]
    is_plural: bool = False
    prepared: Prepared = Prepared()
    jq_asks: tuple[JqPathsAsk, ...] = ()
    is_resolving: bool = False
    """What jq rules select in the objects is not known yet."""
    problem: str = ""
    """Why the rendered objects cannot be applied."""
    checks: Checks = Checks()
    is_news: bool = False
    """What the sources read is known to differ from what they read at the revision that the status names."""

    @property
    def content(self) -> str:
        return self.prepared.content

    @property
    def asks(self) -> tuple[Ask, ...]:
        return (*dict.fromkeys(ask for part in self.parts for ask in part.asks), *self.jq_asks, *self.checks.asks)

    @property
    def head_asks(self) -> tuple[Ask, ...]:
        return tuple(ask for ask in self.asks if isinstance(ask, HeadAsk))

    @property
    def asked_at(self) -> Instant:
        """Since when all of it is known."""
        return min(part.asked_at for part in self.parts)

    @property
    def wanted(self) -> Pinned:
        """The sources at the revisions that were asked for."""
        return Pinned(self._sources, tuple(part.revision for part in self.parts), self.is_plural)

    @property
    def at(self) -> Pinned | None:
        """The sources at the commits they stand at; None while one is not known."""
        commits = tuple(part.head.commit for part in self.parts if part.head)
        return Pinned(self._sources, commits, self.is_plural) if len(commits) == len(self.parts) else None

    @property
    def heads(self) -> tuple[Head, ...]:
        """Everything that is read, where it stands."""
        return tuple(head for part in self.parts for head in (part.head, *part.lent) if head)

    @property
    def renders(self) -> tuple[Rendered, ...]:
        return tuple(part.rendered for part in self.parts if part.rendered)

    @property
    def error(self) -> str:
        for index, part in enumerate(self.parts):
            if part.error:
                place = f"failed to generate manifest for source {index + 1} of {len(self.parts)}: " if self.is_plural else ""
                return f"{place}{part.error}"
        return self.problem

    @property
    def is_away(self) -> bool:
        """Whether the error says that somebody does not answer, and may be over at any moment."""
        return next((part.is_away for part in self.parts if part.error), False)

    @property
    def stops(self) -> str:
        """Why it is not synced, as an operation says it; "" when it may be."""
        found = (("ComparisonError", self.error),) if self.error else self.checks.problems
        return "; ".join(f"{kind}: {message}" for kind, message in found)

    @property
    def is_undecided(self) -> bool:
        """Whether it may be synced is not known yet."""
        return self.is_waiting or (not self.error and self.checks.is_pending)

    @property
    def stale(self) -> str:
        return next((part.stale for part in self.parts if part.stale), "")

    @property
    def recalled(self) -> str:
        return next((part.recalled for part in self.parts if part.recalled), "")

    @property
    def requests(self) -> tuple[RenderRequest | None, ...]:
        """The render of each source; None for one that only lends its files."""
        asked = [[ask.request for ask in part.asks if isinstance(ask, RenderAsk)] for part in self.parts]
        return tuple(requests[-1] if requests else None for requests in asked)

    @property
    def is_remembered(self) -> bool:
        return any(part.is_remembered for part in self.parts)

    @property
    def is_known(self) -> bool:
        return not self.is_waiting and not self.error

    @property
    def is_waiting(self) -> bool:
        """Something that it wants is not known yet."""
        return not self.error and (self.is_resolving or any(part.rendered is None for part in self.parts))

    @property
    def type_fields(self) -> Obj:
        """`sourceType` or `sourceTypes`, as the status spells them."""
        types = [part.rendered.source_type if part.rendered and not is_only_ref(part.source) else "" for part in self.parts]
        return {"sourceTypes": types} if self.is_plural else {"sourceType": types[0]}

    @property
    def tools(self) -> tuple[str, ...]:
        """What rendered it, with versions; plain folders need no tool."""
        made = {rendered.tool for rendered in self.renders if rendered.source_type != "Directory" and rendered.tool}
        return tuple(sorted(made))

    @property
    def _sources(self) -> tuple[Obj, ...]:
        return tuple(part.source for part in self.parts)


class Surroundings(Struct, frozen=True):
    """What a source may be told of besides its own content. `project` says whether a repository may be read that only the
    sources themselves name; `cluster` is the one that charts may ask about; `kustomize` is how the installation runs it,
    `without` which tools are switched off there, and `schemes` from which URLs files may be read."""

    project: ProjectFacts
    cluster: str = ""
    kustomize: KustomizeSettings = KustomizeSettings()
    without: tuple[SourceType, ...] = ()
    schemes: tuple[str, ...] = FETCHED


def target_of(world: World, app: Obj, wanted: Pinned, around: Surroundings) -> Target:
    """What these revisions of these sources give, as far as the answers have arrived. Not prepared yet."""
    lenders = _Lenders(wanted, around)
    compared: Obj = dig(app, "status", "sync", default={})
    is_same = wanted == wanted_of(app) and sources_in(compared.get("comparedTo") or {}) == wanted.sources
    last = revisions_in(compared) if is_same else ()
    last = last if len(last) == len(wanted.sources) else ("",) * len(wanted.sources)
    parts = [_part(world, app, wanted, index, lenders, last[index]) for index in range(len(wanted.sources))]
    return Target(tuple(parts), wanted.is_plural)


def sent(manifests: tuple[str, ...], tracked: Target) -> Target:
    """What a client sent along with its operation, in place of what the sources give; at no revision of theirs."""
    try:
        first, error = _rendered_of(manifests), ""
    except InvalidInput as refused:
        first, error = None, refused.message
    parts = [Part(part.source, "", rendered=Rendered((), "Directory", ())) for part in tracked.parts]
    return Target((replace(parts[0], rendered=first, error=error), *parts[1:]), tracked.is_plural)


@lru_cache(maxsize=8)
def _rendered_of(manifests: tuple[str, ...]) -> Rendered:
    """Kept, so that what is the same is prepared once."""
    found = [
        origin.obj
        for index, text in enumerate(manifests)
        for origin in objects_in_output(text, f"operation.sync.manifests[{index}]")
    ]
    return Rendered(tuple(found), "Directory", ())


def recalled(target: Target, ask: RecallAsk, answer: Answer | None) -> Target:
    """What a deployment applied, from the history, where Git cannot give it any more; Git's error where nothing was kept,
    and the history's beside it where that does not answer."""
    first = target.parts[0]
    asking = replace(target, parts=(replace(first, asks=(*first.asks, ask)), *target.parts[1:]))
    if answer is None or (answer.value is None and answer.error is None):
        return replace(asking, parts=tuple(replace(part, error="", rendered=None) for part in asking.parts))
    if answer.value is None and isinstance(answer.error, Unavailable):
        said = f"; {answer.error.message}"
        parts = [replace(one, error=one.error + said, is_away=True) if one.error else one for one in asking.parts]
        return replace(asking, parts=tuple(parts))
    if answer.value is None or len(answer.value) != len(target.parts):
        return asking
    parts = [
        replace(
            part,
            head=part.head or Head(part.revision, ()),
            rendered=rendered,
            error="",
            stale="",
            recalled=target.error,
        )
        for part, rendered in zip(asking.parts, answer.value, strict=True)
    ]
    return replace(asking, parts=tuple(parts))


def prepared(
    target: Target, preparations: Preparations, world: World, terms: Terms, rules: Sequence[IgnoreDifference]
) -> Target:
    """With the objects made ready to apply, once every source has been rendered."""
    if target.is_waiting or target.error:
        return target
    try:
        ready = preparations.prepare(target.renders, terms, partial(world.resource_for, cluster=terms.cluster))
    except InvalidInput as error:
        return replace(target, problem=error.message)
    found = resolved(ready, rules, world.answer)
    ready = _with_nearest(found.prepared, world, terms.cluster)
    return replace(target, prepared=ready, jq_asks=found.asks, is_resolving=found.is_pending, problem=found.problem)


def _with_nearest(prepared: Prepared, world: World, cluster: str) -> Prepared:
    """With what is served in place of kinds that are not."""
    if all(one.resource is not None for one in prepared.objects):
        return prepared
    served = world.served(cluster)
    return replace(
        prepared,
        objects=tuple(one if one.resource else replace(one, nearest=_nearest(one, served)) for one in prepared.objects),
    )


def _nearest(wanted: Desired, served: Sequence[Resource]) -> Resource | None:
    api_version = wanted.obj["apiVersion"]
    of_kind = next((kind for kind in served if kind.kind == wanted.ref.kind), None)
    return of_kind or next((kind for kind in served if kind.api_version == api_version), None)


def _part(world: World, app: Obj, wanted: Pinned, index: int, lenders: "_Lenders", last: str) -> Part:
    source, revision = wanted.sources[index], wanted.revisions[index]
    project = lenders.around.project.name
    if is_only_ref(source):
        part = _looked_up(world, source, revision, lenders.first_ask(source, revision), last)
        return replace(part, rendered=Rendered((), "Directory", ())) if part.head else part
    part = _looked_up(world, source, revision, head_ask(source, revision, project), last)
    borrowed = lenders.to(source)
    part = replace(part, asks=(*part.asks, *(ask for _, _, ask in borrowed)))
    head = part.head
    if head is None:
        return part
    lent: list[Lent] = []
    for name, lender, ask in borrowed:
        answer = world.answer(ask)
        if answer is None or answer.value is None:
            told = _told(answer) if answer else ""
            return replace(part, error=f"ref {name!r}: {told}" if told else "", is_away=_is_away(answer))
        part = replace(part, lent=(*part.lent, answer.value), stale=part.stale or _told(answer))
        lent.append(Lent(name, lender.get("repoURL", ""), answer.value.trees, ask.request.source))
    return _rendered(world, app, part, tuple(lent), lenders)


def _rendered(world: World, app: Obj, part: Part, lent: tuple[Lent, ...], lenders: "_Lenders") -> Part:
    """With what the source gives. A source that lacks something says so instead, and is asked again with it."""
    around, head = lenders.around, part.head
    told = Told(without=around.without)
    assert head is not None
    for _ in range(MAX_ROUNDS):
        part, found = _asked(world, part, render_ask(app, part.source, head, lent, told))
        if found is None or (found.is_complete and not _is_concerned(found, told, around.kustomize)):
            return replace(part, rendered=found)
        if found.is_complete or "kustomize" in found.lacks:
            told = replace(told, kustomize=around.kustomize)
        if "revision" in found.lacks:
            told = replace(told, with_revision=True)
        if "project" in found.lacks:
            told = replace(told, project=around.project)
        if "cluster" in found.lacks and told.cluster is None:
            part, cluster = _asked(world, part, ClusterAsk(around.cluster))
            if cluster is None:
                return part
            told = replace(told, cluster=cluster)
        if found.urls:
            part, texts = _texts(world, part, found.urls, around.schemes)
            if len(texts) < len(found.urls):
                return part
            told = replace(told, texts=texts)
        for base in found.bases:
            if not permits_repository(around.project, base.repo_url):
                return replace(part, error=f"the source builds on {base.repo_url}, which its project does not permit")
            part, one = _remote(world, part, base, around.project.name)
            if one is None:
                return part
            lent = (*lent, one)
    return replace(part, error=f"the source builds on repositories that build on others, more than {MAX_ROUNDS} deep")


def _texts(world: World, part: Part, urls: Sequence[str], allowed: tuple[str, ...]) -> tuple[Part, tuple[tuple[str, str], ...]]:
    """What lies at the URLs, as far as it is known and may be read."""
    found: list[tuple[str, str]] = []
    for url in urls:
        if refusal := url_refusal(url, allowed):
            return replace(part, error=refusal), ()
        part, text = _asked(world, part, TextAsk(url))
        if text is not None:
            found.append((url, text))
    return part, tuple(found)


def _is_concerned(found: Rendered, told: Told, kustomize: KustomizeSettings) -> bool:
    """Whether flags change what was rendered without them; only then is it rendered anew when somebody sets some."""
    return found.source_type == "Kustomize" and told.kustomize is None and kustomize.concern_everyone


def _remote(world: World, part: Part, base: RemoteBase, project: str) -> tuple[Part, Lent | None]:
    """A repository that the source builds on, as far as it reads it."""
    lender = {"ref": base.name, "repoURL": base.repo_url}
    ask = lent_ask(lender, base.revision, part.source, project)
    part, head = _asked(world, part, ask)
    if head is None:
        return part, None
    return replace(part, lent=(*part.lent, head)), Lent(base.name, base.repo_url, head.trees, ask.request.source)


def _asked(world: World, part: Part, ask: Ask) -> tuple[Part, Any]:
    """The part with one more question, and the value of its answer if it has come."""
    part, answer = replace(part, asks=(*part.asks, ask)), world.answer(ask)
    if answer is None or answer.value is not None:
        return part, answer.value if answer else None
    return replace(part, error=_told(answer), is_away=_is_away(answer)), None


def _looked_up(world: World, source: Obj, revision: str, ask: HeadAsk, last: str) -> Part:
    """Where a source stands. `last`: the commit it was compared with, which stands in while the remote does not answer."""
    part, answer = Part(source, revision, (ask,)), world.answer(ask)
    if answer is not None and (answer.value is not None or answer.error is not None):
        part = replace(part, asked_at=answer.at)
        if answer.value is not None:
            return replace(part, head=answer.value, stale=_told(answer))
    told = _told(answer) if answer else ""
    is_away = answer is None or answer.error is None or _is_away(answer)
    if not is_away or not _COMMIT.fullmatch(last):
        return replace(part, error=told, is_away=is_away)
    known_ask = KnownHeadAsk(replace(ask.request, revision=last))
    part, known = replace(part, asks=(ask, known_ask)), world.answer(known_ask)
    if known is None:
        return part
    if known.value is None:
        return replace(part, error=told, is_away=True)
    return replace(part, head=known.value, stale=told, is_remembered=True)


class _Lenders:
    """The sources that lend their files, and who asks where they stand."""

    def __init__(self, wanted: Pinned, around: Surroundings) -> None:
        self.around = around
        pairs = zip(wanted.sources, wanted.revisions, strict=True)
        self._lenders = [(source, revision) for source, revision in pairs if source.get("ref")]
        self._borrowers = [source for source in wanted.sources if borrows(source)]

    def to(self, borrower: Obj) -> list[tuple[str, Obj, HeadAsk]]:
        """(name, lender, question) for each source whose files `borrower` may read."""
        return list(self._asks(borrower)) if borrows(borrower) else []

    def first_ask(self, lender: Obj, revision: str) -> HeadAsk:
        """Where a lender stands: as its first borrower sees it, since what nobody reads is no news."""
        for borrower in self._borrowers:
            return lent_ask(lender, revision, borrower, self.around.project.name)
        return head_ask(lender, revision, self.around.project.name)

    def _asks(self, borrower: Obj) -> Iterator[tuple[str, Obj, HeadAsk]]:
        for lender, revision in self._lenders:
            if lender is not borrower:
                yield str(lender["ref"]), lender, lent_ask(lender, revision, borrower, self.around.project.name)


def _is_away(answer: Answer | None) -> bool:
    """Whether whoever was asked does not answer."""
    return answer is not None and isinstance(answer.error, Unavailable)


def _told(answer: Answer) -> str:
    return answer.error.message if answer.error else ""
