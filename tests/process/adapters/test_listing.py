"""What the git generator finds in a real repository, and how seldom it looks."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.applicationset import PathPattern
from shipway.api.listings import Listing, ListingRequest
from shipway.api.templates import Template
from shipway.appsets.asks import ListingAsk
from shipway.assembly.factories import Factories, ForgeAccess
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.workers.pool import WorkerPool
from tests.repository import WorkingCopy, seed

FILES: dict[str, str | bytes | None] = {
    "apps/web/a.yaml": "a: 1",
    "apps/api/deep/b.yaml": "b: 1",
    "apps/.hidden/c.yaml": "c: 1",
    "apps/readme.md": "text",
    "teams/red/config.json": '{"team": "red", "size": 3}',
    "teams/blue/config.yaml": "- team: blue\n- team: green\n",
    "teams/bad/config.yaml": "a: [",
    "teams/text/config.yaml": "just text",
}


class NoSecrets:
    """Repositories about which nothing is said."""

    async def synced(self) -> None:
        return None


@pytest.fixture
def shop(tmp_path: Path) -> tuple[WorkingCopy, str]:
    return seed(tmp_path, "shop", FILES)


@pytest.fixture
async def factories(tmp_path: Path):
    workers = WorkerPool("template", size=1, memory_bytes=1 << 30, timeout_seconds=8.0, clock=SystemClock())
    mirrors = Mirrors(tmp_path / "mirrors", clock=SystemClock(), fresh_seconds=0.0)
    nobody: Any = None  # no forge is asked here, nor a plugin
    made: Any = Factories(mirrors, NoSecrets(), TemplateEngine(workers), ForgeAccess(nobody, "argocd", nobody, nobody))  # type: ignore[arg-type]
    yield made
    await workers.close()


def ask(url: str, what: str, *patterns: str) -> ListingAsk:
    listed = tuple(PathPattern(one.removeprefix("!"), one.startswith("!")) for one in patterns)
    return ListingAsk(ListingRequest(url, "main", what, listed))  # type: ignore[arg-type]


def paths(listing: Listing) -> list[str]:
    return [one.path for one in listing.found]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["apps/*"], ["apps/api", "apps/web"]),
        (["*"], ["apps", "teams"]),
        (["apps/*/*"], ["apps/api/deep"]),
        (["apps/**"], ["apps/api", "apps/web"]),
        (["apps/*", "!apps/w*"], ["apps/api"]),
        (["teams/r[a-e]d", "apps/web"], ["apps/web", "teams/red"]),
        (["nowhere/*"], []),
        (["apps/readme.md"], []),
    ],
)
async def test_folders(factories: Factories, shop: tuple[WorkingCopy, str], patterns: list[str], found: list[str]) -> None:
    assert paths(await factories.listings.listing(ask(shop[1], "folders", *patterns))) == found


async def test_files_are_read_and_those_that_cannot_be_are_named(factories: Factories, shop: tuple[WorkingCopy, str]) -> None:
    listing = await factories.listings.listing(ask(shop[1], "files", "teams/**/config.*", "!teams/text/*"))
    by_path = {one.path: one for one in listing.found}
    assert list(by_path) == ["teams/bad/config.yaml", "teams/blue/config.yaml", "teams/red/config.json"]
    assert orjson.loads(by_path["teams/red/config.json"].documents) == [{"team": "red", "size": 3}]
    assert orjson.loads(by_path["teams/blue/config.yaml"].documents) == [{"team": "blue"}, {"team": "green"}]
    assert by_path["teams/bad/config.yaml"].error
    (text,) = (await factories.listings.listing(ask(shop[1], "files", "teams/text"))).found
    assert text.error == "it holds neither an object nor a list of objects"


async def test_a_star_goes_over_slashes_for_files(factories: Factories, shop: tuple[WorkingCopy, str]) -> None:
    assert paths(await factories.listings.listing(ask(shop[1], "files", "apps/*.yaml"))) == [
        "apps/.hidden/c.yaml",
        "apps/api/deep/b.yaml",
        "apps/web/a.yaml",
    ]


@pytest.mark.compat("argocd:appset.git.hidden")
@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["apps/*"], ["apps/.hidden", "apps/api", "apps/web"]),
        (["apps/.h*"], ["apps/.hidden"]),
        (["apps/.hidden"], ["apps/.hidden"]),
    ],
)
async def test_hidden_folders_count_where_that_is_asked_for(
    factories: Factories, shop: tuple[WorkingCopy, str], patterns: list[str], found: list[str]
) -> None:
    question = ask(shop[1], "folders", *patterns)
    everything = replace(question, request=replace(question.request, with_hidden=True))
    assert paths(await factories.listings.listing(everything)) == found


@pytest.mark.compat("argocd:appset.git.globbing")
@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["apps/*.yaml"], []),
        (["apps/*/*.yaml"], ["apps/.hidden/c.yaml", "apps/web/a.yaml"]),
        (["apps/**/*.yaml"], ["apps/.hidden/c.yaml", "apps/api/deep/b.yaml", "apps/web/a.yaml"]),
        (["apps/**", "!apps/*/*.yaml"], ["apps/api/deep/b.yaml", "apps/readme.md"]),
        (["apps/web/a.yaml"], ["apps/web/a.yaml"]),
    ],
)
async def test_with_the_new_globbing_only_two_stars_do(
    factories: Factories, shop: tuple[WorkingCopy, str], patterns: list[str], found: list[str]
) -> None:
    question = ask(shop[1], "files", *patterns)
    stopping = replace(question, request=replace(question.request, stars_stop=True))
    assert paths(await factories.listings.listing(stopping)) == found


async def test_a_push_elsewhere_is_no_news_and_costs_no_listing(factories: Factories, shop: tuple[WorkingCopy, str]) -> None:
    copy, url = shop
    question = ask(url, "folders", "apps/*")
    first = await factories.listings.listing(question)
    copy.commit({"teams/new/config.json": "{}"})
    copy.push()
    second = await factories.listings.listing(question)
    assert second.commit != first.commit
    assert second.found is first.found, "it was listed again"
    copy.commit({"apps/new/a.yaml": "a: 1"})
    copy.push()
    assert paths(await factories.listings.listing(question)) == ["apps/api", "apps/new", "apps/web"]


async def test_a_path_out_of_the_repository_is_refused(factories: Factories, shop: tuple[WorkingCopy, str]) -> None:
    with pytest.raises(InvalidInput):
        await factories.listings.listing(ask(shop[1], "files", "../../etc/*"))


async def test_an_entry_that_kills_its_worker_costs_only_itself(factories: Factories) -> None:
    body = orjson.dumps("{{ if .bomb }}{{ range until 40000 }}{{ range until 40000 }}{{ end }}{{ end }}{{ end }}{{ .name }}")
    entries = [orjson.dumps({"name": f"app-{number}"}) for number in range(8)]
    entries[5] = orjson.dumps({"name": "bomb", "bomb": 1})
    entries[6] = orjson.dumps({"name": "large", "bomb": ""})
    filled = await factories.templates.render(Template(body, is_go=True), entries)
    assert [orjson.loads(one.body) for one in filled if not one.error] == [
        *(f"app-{number}" for number in (0, 1, 2, 3, 4)),
        "large",
        "app-7",
    ]
    assert filled[5].error


async def test_what_was_filled_once_is_remembered(factories: Factories) -> None:
    template = Template(orjson.dumps("{{ .name }}"), is_go=True)
    entries = [orjson.dumps({"name": f"app-{number}"}) for number in range(50)]
    await factories.templates.render(template, entries)
    await factories.templates.render(template, [*entries[:20], orjson.dumps({"name": "new"}), *entries[21:]])
    assert factories.templates.filled == 51
