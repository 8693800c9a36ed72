"""Mirrors over real repositories: where revisions stand, what narrows, what is shared, and what happens without a remote."""

import asyncio
import stat
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from shipway.adapters.git.mirror import Mirror, Terms
from shipway.adapters.git.mirrors import Mirrors, Reach
from shipway.adapters.git.program import Git
from shipway.adapters.git.requests import GitRequests
from shipway.adapters.git.urls import parse_remote
from shipway.api.repositories import Credentials
from shipway.api.sources import HeadRequest, PathTree
from shipway.base.clock import Instant, SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from tests.repository import WorkingCopy, seed

FILES = {"apps/a/x.yaml": "a: 1\n", "apps/b/x.yaml": "b: 1\n", "charts/c/Chart.yaml": "name: c\n", "README.md": "hello\n"}


class HandClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> Instant:
        return Instant(self.time)

    def elapsed(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await SystemClock().sleep(seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def shop(tmp_path: Path) -> WorkingCopy:
    return seed(tmp_path, "shop", FILES)[0]


@pytest.fixture
def mirrors(tmp_path: Path, clock: HandClock) -> Mirrors:
    return Mirrors(tmp_path / "home", clock=clock)


def ask(copy: WorkingCopy, revision: str = "main", source: bytes = b"{}", tag_prefix: str = "") -> HeadRequest:
    return HeadRequest(copy.url, revision, source, tag_prefix=tag_prefix)


@pytest.mark.proves("gitops:metrics")
@pytest.mark.compat("argocd:metrics.git")
async def test_what_is_asked_of_remotes_is_counted(mirrors, clock, shop, tmp_path):
    await mirrors.head(ask(shop))
    await asyncio.gather(*(mirrors.head(ask(shop)) for _ in range(3)))
    shop.commit({"apps/a/x.yaml": "a: 2\n"})
    shop.push()
    clock.time += 60
    await mirrors.head(ask(shop))
    with pytest.raises(Unavailable):
        await mirrors.head(HeadRequest(f"file://{tmp_path}/nowhere.git", "main", b"{}"))
    registry = CollectorRegistry()
    registry.register(mirrors.requests)
    lines = generate_latest(registry).decode().splitlines()
    repo, gone = f'repo="{shop.url}"', f'repo="file://{tmp_path}/nowhere.git"'
    assert {
        f'argocd_git_request_total{{{repo},request_type="ls-remote"}} 2.0',
        f'argocd_git_request_total{{{repo},request_type="fetch"}} 2.0',
        f'argocd_git_request_duration_seconds_count{{{repo},request_type="fetch"}} 2.0',
        f'argocd_git_request_total{{{gone},request_type="ls-remote"}} 1.0',
        f'argocd_git_lsremote_fail_total{{{gone},revision=""}} 1.0',
        f"argocd_repo_pending_request_total{{{repo}}} 0.0",
    } <= set(lines)


async def test_head_tells_commit_author_message_and_the_root(mirrors, shop):
    head = await mirrors.head(ask(shop))
    assert head.commit == shop.git("rev-parse", "HEAD")
    assert head.trees == (PathTree("", shop.git("rev-parse", "HEAD^{tree}")),)
    assert (head.author, head.message) == ("Dev <dev@example.com>", "First\n")
    assert head.committed_at == float(shop.git("log", "-1", "--format=%ct"))


async def test_commits_may_hold_any_bytes(mirrors, shop):
    (shop.path / "message").write_bytes(b"caf\xe9\n")
    shop.git("-c", "user.name=J\xf6rg", "-c", "i18n.commitEncoding=x", "commit", "-q", "--allow-empty", "-F", "message")
    shop.push()
    assert (await mirrors.head(ask(shop))).message == "caf\ufffd\n"


@pytest.mark.parametrize(("late", "wished", "looks"), [(0.0, False, False), (9.0, False, True), (0.0, True, True)])
async def test_who_is_told_better_what_it_reads_needs_no_other_look(
    clock: HandClock, shop: WorkingCopy, tmp_path: Path, late: float, wished: bool, looks: bool
) -> None:
    mirrors = Mirrors(tmp_path / "home", clock=clock, fresh_seconds=0.0)
    first = await mirrors.head(ask(shop))
    mirrors.remember_reads(shop.url, b"{}", ("apps/a",))
    shop.commit({"README.md": "news\n"})
    shop.push()
    clock.time += late
    if wished:
        mirrors.wished(shop.url)
    narrower = await mirrors.head(ask(shop))
    assert [tree.path for tree in narrower.trees] == ["apps/a"]
    assert (narrower.commit != first.commit) == looks
    assert (await mirrors.head(ask(shop))).commit == shop.git("rev-parse", "HEAD"), "the next question looks"


async def test_local_repositories_can_be_switched_off(shop, tmp_path, clock):
    mirrors = Mirrors(tmp_path / "home", clock=clock, reach=Reach(has_local=False))
    for url in (shop.url, shop.url.removeprefix("file://")):
        with pytest.raises(InvalidInput, match="lies on this machine"):
            await mirrors.head(HeadRequest(url, "main", b"{}"))


@pytest.mark.compat("argocd:spec.source.targetRevision")
async def test_every_way_to_name_a_revision(mirrors, shop):
    shop.git("tag", "light")
    shop.git("tag", "-a", "v1", "-m", "annotated")
    shop.git("update-ref", "refs/pull/7/head", "HEAD")
    first = shop.git("rev-parse", "HEAD")
    second = shop.commit({"apps/a/x.yaml": "a: 2\n"})
    shop.push("main", "v1", "light", f"{first}:refs/heads/feature/x", "refs/pull/7/head", f"{first}:refs/heads/v1")
    for revision in ("main", "HEAD", "", "refs/heads/main", second, second[:9]):
        assert (await mirrors.head(ask(shop, revision))).commit == second, revision
    for revision in ("v1", "refs/tags/v1", "light", "feature/x", first, "refs/pull/7/head"):
        assert (await mirrors.head(ask(shop, revision))).commit == first, revision


@pytest.mark.compat("argocd:spec.source.targetRevision")
async def test_a_range_of_versions_is_the_highest_tag_in_it(mirrors, shop, clock):
    commits = {}
    for tag in ("v1.0.0", "v1.10.0", "v1.9.0", "v2.0.0-rc.1"):
        commits[tag] = shop.commit({"version": tag})
        shop.git("tag", tag)
    shop.push("main", "--tags")
    assert (await mirrors.head(ask(shop, "1.*"))).commit == commits["v1.10.0"]
    assert (await mirrors.head(ask(shop, "~1.9"))).commit == commits["v1.9.0"]
    clock.time += 6.0
    with pytest.raises(NotFound):
        await mirrors.head(ask(shop, "^2"))


async def test_an_annotated_tag_is_told_however_often_it_is_asked_for(mirrors, shop):
    """Whose signature counts must not depend on who asked first."""
    shop.git("tag", "-a", "-m", "annotated", "v1")
    shop.push("main", "--tags")
    first, again = [await mirrors.head(ask(shop, "v1")) for _ in range(2)]
    assert first.tag == shop.git("rev-parse", "v1")
    assert again == first


@pytest.mark.compat("argocd:spec.source.tagPrefix")
async def test_a_range_chooses_among_the_tags_with_a_prefix(mirrors, shop, clock):
    """Two services of one repository follow one range, each among tags of its own; a new tag is news to its reader alone."""
    commits = {}
    for tag in ("web/v1.1.0", "api-1.4.0", "v1.9.0", "web/v2.0.0"):
        commits[tag] = shop.commit({"version": tag})
        shop.git("tag", tag)
    shop.push("main", "--tags")
    web, api, plain = (ask(shop, "1.x", tag_prefix=prefix) for prefix in ("web/", "api-", ""))
    stood = [(await mirrors.head(one)).commit for one in (web, api, plain)]
    assert stood == [commits["web/v1.1.0"], commits["api-1.4.0"], commits["v1.9.0"]]
    clock.time += 6.0
    with pytest.raises(NotFound, match=r"revision '1\.x' does not exist"):
        await mirrors.head(ask(shop, "1.x", tag_prefix="admin/"))
    news = []
    mirrors.on_news(news.extend)
    newer = shop.commit({"version": "web/v1.2.0"})
    shop.git("tag", "web/v1.2.0")
    shop.push("main", "--tags")
    assert mirrors.changed(shop.url, lambda revision: revision == "1.x")
    await mirrors.look(shop.url)
    assert web in news and api not in news and plain not in news
    assert (await mirrors.head(web)).commit == newer
    assert [(await mirrors.head(one)).commit for one in (api, plain)] == stood[1:]


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("mian", "did you mean main"),
        ("zzz", "there are main"),
        ("f" * 40, "was it pushed"),
        ("refs/pull/9/head", "does not exist"),
    ],
)
async def test_an_unknown_revision_says_what_is_nearby(mirrors, shop, revision, says):
    with pytest.raises(NotFound, match=says) as caught:
        await mirrors.head(ask(shop, revision))
    assert caught.value.reason == "RevisionNotFound"
    assert shop.url in caught.value.message


async def test_an_empty_repository(mirrors, tmp_path):
    copy, _url = seed(tmp_path, "empty", {})
    bare = tmp_path / "void.git"
    copy.git("init", "-q", "--bare", str(bare))
    with pytest.raises(NotFound, match="push a commit"):
        await mirrors.head(HeadRequest(f"file://{bare}", "HEAD", b"{}"))


async def test_a_commit_that_no_branch_leads_to_is_fetched_by_its_sha(mirrors, shop):
    lost = shop.commit({"apps/a/x.yaml": "a: lost\n"})
    shop.push()
    shop.git("reset", "-q", "--hard", "HEAD~1")
    shop.push()
    await mirrors.head(ask(shop))
    assert (await mirrors.head(ask(shop, lost))).commit == lost


async def test_heads_narrow_to_what_a_source_reads(mirrors, shop, clock):
    mirrors.remember_reads(shop.url, b"a", ("apps/a", "values.yaml"))
    before = await mirrors.head(ask(shop, source=b"a"))
    assert [t.path for t in before.trees] == ["apps/a", "values.yaml"]
    assert before.trees[1].oid == ""
    shop.commit({"apps/b/x.yaml": "b: 2\n"})
    shop.push()
    clock.time += 60
    untouched = await mirrors.head(ask(shop, source=b"a"))
    assert untouched.commit != before.commit
    assert untouched.says_the_same(before)
    shop.commit({"values.yaml": "now: there\n"})
    shop.push()
    clock.time += 60
    assert not (await mirrors.head(ask(shop, source=b"a"))).says_the_same(before)


async def test_a_thousand_questions_are_one_look_at_the_remote(mirrors, shop, clock):
    await asyncio.gather(*(mirrors.head(ask(shop, source=str(n).encode())) for n in range(1000)))
    assert (mirrors.tries(shop.url).asked, mirrors.tries(shop.url).fetched) == (1, 1)
    clock.time += 60
    await asyncio.gather(*(mirrors.head(ask(shop)) for _ in range(1000)))
    assert (mirrors.tries(shop.url).asked, mirrors.tries(shop.url).fetched) == (2, 1)


async def test_a_webhook_makes_the_next_question_look_at_once(mirrors, shop):
    old = await mirrors.head(ask(shop))
    new = shop.commit({"apps/a/x.yaml": "a: 2\n"})
    shop.push()
    assert (await mirrors.head(ask(shop))).commit == old.commit
    assert mirrors.changed(shop.url.removesuffix(".git").upper().replace("FILE://", "file://"))
    assert (await mirrors.head(ask(shop))).commit == new
    assert not mirrors.changed("https://elsewhere.example.com/x")


async def test_a_push_during_the_first_look_is_not_missed(mirrors, shop):
    asking = asyncio.create_task(mirrors.head(ask(shop)))
    await asyncio.sleep(0)
    assert mirrors.changed(shop.url) == [shop.url]
    await asking


async def test_a_sha_that_is_here_asks_nobody(mirrors, shop, clock):
    commit = (await mirrors.head(ask(shop))).commit
    clock.time += 60
    await mirrors.head(ask(shop, commit))
    assert mirrors.tries(shop.url).asked == 1


async def test_without_the_remote_the_last_known_stands(mirrors, shop, clock, tmp_path):
    known = await mirrors.head(ask(shop))
    (tmp_path / "shop.git").rename(tmp_path / "away.git")
    clock.time += 60
    for _ in range(5):
        with pytest.raises(Unavailable, match=r"shop.git is unreachable: fatal: ") as caught:
            await mirrors.head(ask(shop))
    assert caught.value.reason == "RepositoryNotFound"
    assert mirrors.tries(shop.url).asked == 2
    assert mirrors.last_known(ask(shop)) == known
    restarted = Mirrors(tmp_path / "home", clock=clock)
    assert restarted.last_known(ask(shop)) == known
    assert restarted.last_known(ask(shop, "nowhere")) is None
    assert (await restarted.head(ask(shop, known.commit))).commit == known.commit
    (tmp_path / "away.git").rename(tmp_path / "shop.git")
    clock.time += 60
    assert await mirrors.head(ask(shop)) == known


async def test_a_repository_that_never_was_there(mirrors, tmp_path):
    request = HeadRequest(f"file://{tmp_path}/none.git", "main", b"{}")
    with pytest.raises(Unavailable, match=r"none.git is unreachable"):
        await mirrors.head(request)
    assert mirrors.last_known(request) is None


async def test_history_rewritten_keeps_what_was_seen(mirrors, shop, clock):
    old = await mirrors.head(ask(shop))
    shop.git("commit", "-q", "--amend", "-m", "Rewritten")
    shop.push()
    clock.time += 60
    new = await mirrors.head(ask(shop))
    assert new.commit != old.commit
    assert mirrors.snapshot(shop.url, old.trees).read("apps/a/x.yaml") == b"a: 1\n"
    assert not mirrors.is_ancestor(shop.url, old.commit, new.commit)


async def test_ancestors(mirrors, shop):
    first = shop.git("rev-parse", "HEAD")
    second = shop.commit({"n": "1"})
    shop.push()
    await mirrors.head(ask(shop))
    assert mirrors.is_ancestor(shop.url, first, second)
    assert mirrors.is_ancestor(shop.url, first, first)
    assert not mirrors.is_ancestor(shop.url, second, first)
    assert not mirrors.is_ancestor(shop.url, "f" * 40, first)


async def test_tree_ids(mirrors, shop):
    head = await mirrors.head(ask(shop))
    ids = mirrors.tree_ids(shop.url, head.commit, ("apps/a", "README.md", "nothing/here", ""))
    assert [i.oid for i in ids[:2]] == [shop.git("rev-parse", "HEAD:apps/a"), shop.git("rev-parse", "HEAD:README.md")]
    assert (ids[2].oid, ids[3]) == ("", head.trees[0])
    with pytest.raises(Unavailable):
        mirrors.tree_ids(shop.url, "f" * 40, ("",))


async def test_locks_left_by_a_killed_fetch_are_cleared(shop, tmp_path, clock):
    await Mirrors(tmp_path / "home", clock=clock).head(ask(shop))
    (path,) = (tmp_path / "home" / "mirrors").iterdir()
    (path / "packed-refs.lock").touch()
    (path / "refs/heads/main.lock").touch()
    new = shop.commit({"n": "1"})
    shop.push()
    assert (await Mirrors(tmp_path / "home", clock=clock).head(ask(shop))).commit == new


async def test_a_damaged_mirror_is_made_anew(shop, tmp_path, clock):
    await Mirrors(tmp_path / "home", clock=clock).head(ask(shop))
    (path,) = (tmp_path / "home" / "mirrors").iterdir()
    for file in (path / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"")
    new = shop.commit({"n": "1"})
    shop.push()
    assert (await Mirrors(tmp_path / "home", clock=clock).head(ask(shop))).commit == new


async def test_many_fetches_are_packed_and_stay_readable(shop, tmp_path, clock):
    class Eager(Mirror):
        repack_every = 3

    git = Git(tmp_path / "git", timeout_seconds=60)
    git.prepare()
    mirror = Eager(tmp_path / "m.git", parse_remote(shop.url), git, clock, Terms(5, GitRequests(clock)))
    commits = []
    for n in range(7):
        commits.append(shop.commit({"n": str(n)}))
        shop.push()
        mirror.changed()
        await mirror.refresh(Credentials())
        assert all(str(mirror.repository()[c].id) == c for c in commits)
    assert len(list((tmp_path / "m.git/objects/pack").glob("*.pack"))) <= 2
    assert all(str(mirror.open()[c].id) == c for c in commits)


async def test_materialize_writes_only_the_trees(mirrors, shop, tmp_path):
    head = await mirrors.head(ask(shop))
    trees = mirrors.tree_ids(shop.url, head.commit, ("apps/a", "README.md", "missing"))
    mirrors.materialize(shop.url, trees, tmp_path / "out")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert found == ["README.md", "apps/a/x.yaml"]
    assert not stat.S_IMODE((tmp_path / "out/README.md").stat().st_mode) & 0o077


@pytest.mark.parametrize("url", ["ext::sh -c touch% x", "--upload-pack=x", "", "host", "https://", "javascript://x/y", "a\nb"])
async def test_what_is_no_repository_is_refused(mirrors, url):
    with pytest.raises(InvalidInput) as caught:
        await mirrors.head(HeadRequest(url, "main", b"{}"))
    assert caught.value.reason == "InvalidRepository"


@pytest.fixture
async def gatekeeper():
    """A server that lets nobody in and writes down who knocked; its URL and the headers it saw."""
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def test_credentials_reach_the_server_and_no_message(tmp_path, gatekeeper):
    place, seen = gatekeeper
    mirrors = Mirrors(tmp_path, clock=SystemClock(), credentials=lambda *_: Credentials(username="me", password="s3cr3t"))
    with pytest.raises(Unavailable) as caught:
        await mirrors.head(HeadRequest(f"http://{place}/x.git", "main", b"{}"))
    assert "s3cr3t" not in caught.value.message
    assert f"http://{place}/x.git" in caught.value.message
    assert "Basic bWU6czNjcjN0" in seen


async def test_a_password_in_the_url_is_used_and_kept_out_of_sight(tmp_path, gatekeeper):
    place, seen = gatekeeper
    mirrors = Mirrors(tmp_path, clock=SystemClock())
    with pytest.raises(Unavailable) as caught:
        await mirrors.head(HeadRequest(f"http://me:s3cr3t@{place}/x.git", "main", b"{}"))
    assert "s3cr3t" not in caught.value.message
    assert "Basic bWU6czNjcjN0" in seen
    assert not any("s3cr3t" in p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file())


async def test_a_remote_that_hangs_is_given_up(tmp_path):
    gone = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mirrors = Mirrors(tmp_path, clock=SystemClock(), timeout_seconds=3.0)
    with pytest.raises(Unavailable, match=r"no answer within 3 s") as caught:
        await mirrors.head(HeadRequest(f"http://127.0.0.1:{port}/x.git", "main", b"{}"))
    assert caught.value.reason == "GitTimeout"
    await gone.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("harm", ["packs gone", "objects gone", "emptied", "refs broken"])
async def test_a_mirror_that_breaks_while_we_run_is_mended_by_the_next_read(harm, mirrors, shop, tmp_path, clock):
    """Though the remote has no news. While the remote is away nothing is thrown away."""
    head = await mirrors.head(ask(shop))
    (path,) = (tmp_path / "home" / "mirrors").iterdir()
    files = [file for file in (path / "objects").rglob("*") if file.is_file()]
    for file in files:
        file.chmod(0o600)
        if harm == "emptied":
            file.write_bytes(b"")
        elif harm != "refs broken":
            file.unlink()
    if harm == "refs broken":
        (path / "packed-refs").unlink(missing_ok=True)
        for ref in (path / "refs").rglob("*"):
            if ref.is_file():
                ref.write_text("f" * 40 + "\n")
    clock.time += 3600

    async def read() -> bytes:
        found = await mirrors.head(ask(shop))
        return mirrors.snapshot(shop.url, found.trees).read("apps/a/x.yaml")

    (tmp_path / "shop.git").rename(tmp_path / "away.git")
    with pytest.raises(Unavailable):
        await mirrors.mended(shop.url, read)
    (tmp_path / "away.git").rename(tmp_path / "shop.git")
    clock.time += 3600
    assert await mirrors.mended(shop.url, read) == b"a: 1\n"
    assert await mirrors.head(ask(shop)) == head


async def test_a_whole_mirror_is_not_fetched_again_for_what_it_never_had(mirrors, shop, clock):
    await mirrors.head(ask(shop))
    for _ in range(3):
        with pytest.raises(Unavailable, match="is not in the mirror"):
            await mirrors.mended(shop.url, lambda: as_read(mirrors, shop.url))
        clock.time += 3600
    assert mirrors.tries(shop.url).fetched == 1


async def as_read(mirrors: Mirrors, url: str) -> bytes:
    return mirrors.snapshot(url, (PathTree("", "f" * 40),)).read("apps/a/x.yaml")
