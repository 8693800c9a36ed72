"""Who is told of a fetch: exactly whoever reads what it changed, and what they are told is what a fresh look finds."""

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors
from shipway.api.sources import Head, HeadRequest
from shipway.base.clock import SystemClock
from shipway.base.errors import NotFound
from tests.process.adapters.test_mirrors import HandClock
from tests.repository import WorkingCopy, seed

FILES: dict[str, str | bytes | None] = {
    "apps/a/x.yaml": "a: 1\n",
    "apps/b/x.yaml": "b: 1\n",
    "apps/c": "a file\n",
    "README.md": "hello\n",
}
READS: dict[bytes, tuple[str, ...]] = {
    b"a": ("apps/a",),
    b"b": ("apps/b/x.yaml", "apps/b/values.yaml"),
    b"below a file": ("apps/c/x.yaml",),
    b"below nothing": ("charts/d",),
    b"all apps": ("apps",),
    b"everything": ("",),
}


class Patient(HandClock):
    """Whoever sleeps finds that the time has passed."""

    def elapsed(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(0.0, seconds)
        await SystemClock().sleep(0)


class World:
    """A repository with many readers, and the news that they are told."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.shop, self.url = seed(home, "shop", FILES)
        self.clock = Patient()
        self.mirrors = Mirrors(home / "home", clock=self.clock)
        self.news: list[HeadRequest] = []
        self.mirrors.on_news(self.news.extend)
        self.told: dict[HeadRequest, Head | None] = {}

    def request(self, source: bytes, revision: str = "main") -> HeadRequest:
        return HeadRequest(self.url, revision, source)

    async def ask(self, request: HeadRequest) -> None:
        """As the lanes do: an answer stands until its asker is told of news."""
        self.mirrors.remember_reads(self.url, request.source, READS[request.source])
        try:
            self.told[request] = await self.mirrors.head(request)
        except NotFound:
            self.told[request] = None

    async def push(self, changes: dict[str, str | bytes | None], *refs: str) -> set[tuple[str, bytes]]:
        """A commit, pushed and told of; returns to whom it was news, after they have asked again."""
        self.shop.commit(changes)
        self.shop.push(*refs)
        return await self.look()

    async def look(self) -> set[tuple[str, bytes]]:
        self.news.clear()
        for url in self.mirrors.changed(self.url):
            assert await self.mirrors.look(url)
        told = list(self.news)
        for request in told:
            await self.ask(request)
        return {(request.revision, request.source) for request in told}

    async def fresh(self, *requests: HeadRequest) -> list[Head | None]:
        """What mirrors answer that were never asked before."""
        self.clock.time += 60
        others, found = Mirrors(self._home / f"fresh-{self.clock.time}", clock=self.clock), list[Head | None]()
        for request in requests:
            others.remember_reads(self.url, request.source, READS[request.source])
            try:
                found.append(await others.head(request))
            except NotFound:
                found.append(None)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_push_is_news_to_whoever_reads_what_it_changed(world: World) -> None:
    for source in READS:
        await world.ask(world.request(source))
    always = {("main", b"everything")}
    apps = {*always, ("main", b"all apps")}
    assert await world.push({"README.md": "hello again\n"}) == always
    assert await world.push({"apps/a/more/y.yaml": "y: 1\n"}) == {*apps, ("main", b"a")}
    assert await world.push({"apps/b/unread.yaml": "u: 1\n"}) == apps
    assert await world.push({"apps/b/values.yaml": "v: 1\n"}) == {*apps, ("main", b"b")}
    assert await world.push({"apps/b/values.yaml": None}) == {*apps, ("main", b"b")}
    assert await world.push({"charts/d/Chart.yaml": "name: d\n"}) == {*always, ("main", b"below nothing")}
    assert await world.push({}) == set(), "an empty commit changes no file"
    assert world.mirrors.tries(world.url).asked == 8


async def test_whoever_is_not_told_knows_the_new_commit_all_the_same(world: World) -> None:
    await world.ask(world.request(b"a"))
    before = world.told[world.request(b"a")]
    commit = world.shop.commit({"apps/b/x.yaml": "b: 2\n"}, "To b alone")
    world.shop.push()
    assert await world.look() == set()
    after = await world.mirrors.head(world.request(b"a"))
    assert before is not None and before.commit != after.commit == commit
    assert (after.message, after.trees) == ("To b alone\n", before.trees)
    assert after.says_the_same(before)


async def test_to_whom_every_commit_is_news_an_empty_one_is(world: World) -> None:
    all_of_a = replace(world.request(b"a"), every_commit=True)
    for request in (world.request(b"a"), all_of_a):
        await world.ask(request)
    before = world.told[all_of_a]
    assert await world.push({}) == {("main", b"a")}
    assert world.news == [all_of_a]
    after = world.told[all_of_a]
    assert before and after and after.trees == before.trees and not after.says_the_same(before)
    assert await world.look() == set()


async def test_a_revision_that_did_not_exist_is_news_when_it_comes_and_when_it_goes(world: World) -> None:
    await world.ask(world.request(b"a"))
    await world.ask(world.request(b"a", "soon"))
    assert world.told[world.request(b"a", "soon")] is None
    world.shop.git("branch", "soon")
    assert await world.push({}, "soon") == {("soon", b"a")}
    assert [world.told[world.request(b"a", "soon")]] == await world.fresh(world.request(b"a", "soon"))
    world.shop.git("push", "-q", "origin", ":soon")
    assert await world.look() == {("soon", b"a")}
    assert world.told[world.request(b"a", "soon")] is None


async def test_a_source_that_reads_more_is_told_at_once_and_it_is_no_news(world: World) -> None:
    request = HeadRequest(world.url, "main", b"a")
    whole = await world.mirrors.head(request)
    world.mirrors.remember_reads(world.url, b"a", ("apps/a",))
    assert world.news == [request]
    narrow = await world.mirrors.head(request)
    assert [tree.path for tree in narrow.trees] == ["apps/a"]
    assert narrow.says_the_same(whole)
    assert world.mirrors.tries(world.url).asked == 1


async def test_a_link_in_the_way_is_news_to_everybody(world: World) -> None:
    for source in READS:
        await world.ask(world.request(source))
    (world.shop.path / "apps/c").unlink()
    os.symlink("a", world.shop.path / "apps/c")
    assert len(await world.push({})) == len(READS)


async def test_a_wish_is_granted_by_a_look_that_begins_after_it_and_many_share_one(world: World) -> None:
    await world.ask(world.request(b"a"))
    new, began = world.shop.commit({"apps/a/x.yaml": "a: 2\n"}), world.clock.time
    world.shop.push()

    async def wish(_: int) -> str:
        world.mirrors.wished(world.url)
        return (await world.mirrors.head(world.request(b"a"))).commit

    assert set(await asyncio.gather(*map(wish, range(1000)))) == {new}
    looks = world.mirrors.tries(world.url).asked
    assert looks <= 3, "those that came while the first look was made share the second"
    for number in range(10):
        await wish(number)
    assert world.mirrors.tries(world.url).asked == looks + 10
    assert world.clock.time - began >= 10, "one look a second is the most that wishes get"


async def test_wishes_that_come_one_after_another_do_not_wait_for_those_after_them(tmp_path: Path) -> None:
    shop, url = seed(tmp_path, "shop", FILES)
    clock = SystemClock()
    mirrors = Mirrors(tmp_path / "home", clock=clock)
    await mirrors.head(HeadRequest(url, "main", b"a"))
    shop.commit({"apps/a/x.yaml": "a: 2\n"})
    shop.push()

    async def wish(number: int) -> int:
        await clock.sleep(number * 0.02)
        before = mirrors.tries(url).asked
        mirrors.wished(url)
        await mirrors.head(HeadRequest(url, "main", b"a"))
        return mirrors.tries(url).asked - before

    began = clock.elapsed()
    waited = await asyncio.gather(*map(wish, range(100)))
    assert mirrors.tries(url).asked <= 3 + clock.elapsed() - began
    assert max(waited) <= 2, "for the look that is under way, and for the next one"


async def test_a_branch_that_was_pushed_since_the_last_look_is_found_at_once(world: World) -> None:
    await world.ask(world.request(b"a"))
    new = world.shop.commit({"apps/a/x.yaml": "a: 2\n"})
    world.shop.push("main:feature/cart")
    assert (await world.mirrors.head(world.request(b"a", "feature/cart"))).commit == new
    assert world.mirrors.tries(world.url).asked == 2


async def test_many_who_ask_for_a_branch_that_is_nowhere_share_their_looks(world: World) -> None:
    await world.ask(world.request(b"a"))

    async def miss(number: int) -> None:
        with pytest.raises(NotFound, match="revision 'nowhere' does not exist"):
            await world.mirrors.head(world.request(b"%d" % number, "nowhere"))

    await asyncio.gather(*map(miss, range(1000)))
    assert world.mirrors.tries(world.url).asked <= 4


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_history_everybody_knows_what_a_fresh_look_finds(world: World, seed: int) -> None:
    rng = random.Random(seed)
    for source in READS:
        await world.ask(world.request(source))
    places = [
        "apps/a/x.yaml",
        "apps/a/s/y.yaml",
        "apps/b/x.yaml",
        "apps/b/values.yaml",
        "charts/d",
        "charts/d/e",
        "apps/c",
        "z",
    ]
    for _ in range(8):
        for place in rng.sample(places, 2):
            _change(world.shop, place, rng)
        if rng.random() < 0.2:
            world.shop.git("commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten")
        await world.push({})
        for request, found in zip(world.told, await world.fresh(*world.told), strict=True):
            told = world.told[request]
            assert (told.trees if told else None) == (found.trees if found else None), (seed, request.source)
            assert await world.mirrors.head(request) == found


def _change(copy: WorkingCopy, place: str, rng: random.Random) -> None:
    """Makes a place another file, a link, a folder, or nothing."""
    target = copy.path / place
    for above in reversed(target.relative_to(copy.path).parents):
        if (copy.path / above).is_symlink() or (copy.path / above).is_file():
            (copy.path / above).unlink()
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    match rng.choice(["file", "file", "link", "nothing"]):
        case "file":
            target.write_text(str(rng.random()))
        case "link":
            os.symlink(rng.choice(["x.yaml", "../a", "nowhere"]), target)
