"""Dependencies that a chart names and does not bring along: with logins, by lock file, and refused in words."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shipway.api.repositories import Credentials, Repository
from shipway.api.sources import ProjectFacts
from shipway.assembly.dependencies import DependencyCharts
from shipway.assembly.repositories import Logins
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from tests.contract.sources.chart_places import HTPASSWD, ChartHost, Shelf, packed, push, registry, shelf
from tests.contract.sources.rendering import Bench, named
from tests.git_hosts import basic

CHART = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n"
LOCK = "dependencies:\n- {name: web, repository: '%s', version: %s}\ndigest: sha256:00\ngenerated: '2026-01-01T00:00:00Z'\n"
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Chart.Name }}-{{ .Chart.Version }}'}\n"
SOURCE = {"path": "app"}


def chart(name: str, version: str) -> bytes:
    return packed(name, version, {"templates/config.yaml": TEMPLATE})


class Known(Logins):
    """Secrets as `Repositories` knows them."""

    def known(self) -> list[Repository]:
        return self.all()


class Places:
    """A chart repository that wants a login, and its Secret."""

    def __init__(self, host: ChartHost, there: Shelf) -> None:
        self.host = host
        self.known = Known()
        there.logins = self.known.credentials
        login = Credentials(username="me", password="s3cret")
        self.known.put(Repository(host.url, "charts", name="internal", type="helm", credentials=login))
        self.fetch = DependencyCharts(there.charts, self.known).fetch  # type: ignore[arg-type]

    @property
    def logins_sent(self) -> set[bool]:
        return {bool(login) for _, _, login in self.host.seen}


@asynccontextmanager
async def places(home: Path) -> AsyncGenerator[Places, None]:
    host = ChartHost(basic("me", "s3cret"))
    host.charts = {("web", version): chart("web", version) for version in ("1.0.0", "1.2.0", "2.0.0")}
    async with host.open(), shelf(home) as there:
        yield Places(host, there)


@asynccontextmanager
async def benched(tmp_path: Path, files: dict[str, str], there: Places, way: str = "") -> AsyncGenerator[Bench, None]:
    bench = Bench(tmp_path / "bench", files, helm=way, fetch=there.fetch)
    try:
        yield bench
    finally:
        await bench.close()


@pytest.mark.proves("002-06", "gitops:dependency-logins")
@pytest.mark.parametrize("way", ["", "helm"])
@pytest.mark.compat("argocd:helm.dependencies")
async def test_a_dependency_behind_a_login_is_fetched_once(tmp_path: Path, program: Callable[[str], str], way: str) -> None:
    async with places(tmp_path / "charts") as there:
        files = {
            "app/Chart.yaml": f"{CHART}- {{name: web, version: 1.x, repository: '{there.host.url}'}}\n",
            "app/templates/own.yaml": TEMPLATE,
        }
        async with benched(tmp_path, files, there, way and program(way)) as bench:
            assert sorted(named(await bench.render(SOURCE))) == ["ConfigMap/app-1.0.0", "ConfigMap/web-1.2.0"]
            bench.push({"app/values.yaml": "a: 2\n"})
            assert "ConfigMap/web-1.2.0" in named(await bench.render(SOURCE))
            assert there.host.downloads == 1
            bench.push({"app/Chart.lock": LOCK % (there.host.url, "1.0.0")})
            assert "ConfigMap/web-1.0.0" in named(await bench.render(SOURCE))


@pytest.mark.proves("gitops:dependency-logins")
async def test_a_repository_by_the_name_of_its_secret(tmp_path: Path) -> None:
    async with places(tmp_path / "charts") as there:
        for name in ("@internal", "alias:internal"):
            files = {"app/Chart.yaml": f"{CHART}- {{name: web, version: 2.x, alias: front, repository: '{name}'}}\n"}
            async with benched(tmp_path / name.strip("@:"), files, there) as bench:
                assert named(await bench.render(SOURCE)) == ["ConfigMap/front-2.0.0"]


@pytest.mark.proves("gitops:dependency-logins")
async def test_no_login_is_used_where_the_project_does_not_permit_the_repository(tmp_path: Path) -> None:
    """As in Argo CD, such a repository is asked as everybody may."""
    async with places(tmp_path / "charts") as there:
        files = {"app/Chart.yaml": f"{CHART}- {{name: web, version: 1.x, repository: '{there.host.url}'}}\n"}
        async with benched(tmp_path, files, there) as bench:
            bench.project = ProjectFacts("team", ("https://git.example/*",))
            with pytest.raises(Unavailable, match="answered 401: give its login in a repository Secret") as caught:
                await bench.render(SOURCE)
            assert (caught.value.reason, there.logins_sent) == ("MissingDependency", {False})
            there.host.admits = lambda _: True
            assert named(await bench.render(SOURCE)) == ["ConfigMap/web-1.2.0"]
            assert there.logins_sent == {False}
            bench.project = ProjectFacts("team", ("http://127.0.0.1:*/**",))
            bench.push({"app/values.yaml": "again: 1\n"})
            await bench.render(SOURCE)
            assert there.logins_sent == {False, True}


REFUSED: list[tuple[str, str, type[ShipwayError], str]] = [
    ("- {name: web, version: 3.x, repository: 'URL'}", "", Unavailable, "no version fits '3.x' (there are: 1.0.0, 1.2.0"),
    ("- {name: nowhere, version: 1.x, repository: 'URL'}", "", Unavailable, "has no chart 'nowhere'"),
    ("- {name: web, version: 1.x, repository: '@unknown'}", "", InvalidInput, "no repository Secret has the name unknown"),
    ("- {name: web, version: 1.x, repository: ''}", "", InvalidInput, "its repository is not told"),
    ("- {name: web, version: 2.x, repository: 'URL'}", "1.0.0", InvalidInput, "app/Chart.lock does not fit: it has web 1.0.0"),
    ("- {name: web, version: 1.x, repository: 'http://127.0.0.1:1'}", "", Unavailable, "cannot be had"),
    ("- {name: ../../x, version: 1.x, repository: 'file://../lib'}", "", InvalidInput, "is no name of a chart"),
    ("- {name: lib, version: 2.x, repository: 'file://../lib'}", "", InvalidInput, "the chart there has version 1.0.0"),
]


@pytest.mark.parametrize(("dependency", "locked", "error", "words"), REFUSED, ids=[words for *_, words in REFUSED])
async def test_what_cannot_be_had_says_why(
    tmp_path: Path, dependency: str, locked: str, error: type[ShipwayError], words: str
) -> None:
    async with places(tmp_path / "charts") as there:
        files = {
            "app/Chart.yaml": CHART + dependency.replace("URL", there.host.url) + "\n",
            "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n",
            **({"app/Chart.lock": LOCK % (there.host.url, locked)} if locked else {}),
        }
        async with benched(tmp_path, files, there) as bench:
            with pytest.raises(error) as caught:
                await bench.render(SOURCE)
            assert words in caught.value.message
            assert "s3cret" not in caught.value.message


async def test_what_lies_in_charts_is_not_fetched(tmp_path: Path) -> None:
    async with places(tmp_path / "charts") as there:
        named_both = "- {name: web, version: 1.x, repository: 'URL'}\n- {name: my-lib, version: 1.x, repository: 'URL'}\n"
        files: dict[str, str | bytes] = {
            "app/Chart.yaml": CHART + named_both.replace("URL", there.host.url),
            "app/charts/any/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
            "app/charts/any/templates/x.yaml": TEMPLATE,
            "app/charts/my-lib-1.0.0-rc.1.tgz": chart("my-lib", "1.0.0-rc.1"),
        }
        async with benched(tmp_path, files, there) as bench:  # type: ignore[arg-type]
            assert sorted(named(await bench.render(SOURCE))) == ["ConfigMap/my-lib-1.0.0-rc.1", "ConfigMap/web-1.0.0"]
            assert there.host.seen == []


@pytest.mark.proves("gitops:dependency-logins")
@pytest.mark.parametrize(("secret", "kind"), [("{}/team", "helm"), ("oci://{}/team/web", "oci")])
async def test_a_dependency_of_a_registry_with_a_login(
    tmp_path: Path, program: Callable[[str], str], secret: str, kind: str
) -> None:
    """The Secret may be that of the registry's folder, or that of the chart as an artifact."""
    async with places(tmp_path / "charts") as there, registry(program, tmp_path, htpasswd=HTPASSWD) as address:
        await push(address, "team/web", "1.4.0", chart("web", "1.4.0"), login=aiohttp.encode_basic_auth("me", "s3cret"))
        login = Credentials(username="me", password="s3cret")
        there.known.put(Repository(secret.format(address), "oci", type=kind, credentials=login))
        files = {"app/Chart.yaml": f"{CHART}- {{name: web, version: ^1.1, repository: 'oci://{address}/team'}}\n"}
        async with benched(tmp_path, files, there) as bench:
            assert named(await bench.render(SOURCE)) == ["ConfigMap/web-1.4.0"]
