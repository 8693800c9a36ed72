"""Charts out of an HTTP repository and out of a real OCI registry: which version, whose login, and what is refused."""

import gzip
import hashlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from shipway.adapters.charts import index
from shipway.adapters.charts.archive import MAX_UNPACKED
from shipway.adapters.charts.charts import DIGEST
from shipway.api.repositories import Credentials
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable
from tests.contract.sources.chart_places import HTPASSWD, ChartHost, Shelf, packed, push, registry, shelf, tar_gz
from tests.git_hosts import basic, bearer, certificates

VERSIONS = ("1.0.0", "1.2.0", "1.3.0-rc.1", "2.0.0+build.5")


@pytest_asyncio.fixture
async def there(tmp_path: Path) -> AsyncGenerator[Shelf, None]:
    async with shelf(tmp_path / "charts") as made:
        yield made


@pytest_asyncio.fixture
async def host() -> AsyncGenerator[ChartHost, None]:
    made = ChartHost()
    made.charts = {("web", version): packed("web", version) for version in VERSIONS}
    async with made.open():
        yield made


RANGES = [
    ("1.0.0", "1.0.0"),
    ("v1.0.0", "1.0.0"),
    ("1.x", "1.2.0"),
    ("^1.0", "1.2.0"),
    (">=1.3.0-0 <2.0.0-0", "1.3.0-rc.1"),
    ("*", "2.0.0+build.5"),
    ("", "2.0.0+build.5"),
    ("2.0.0+build.5", "2.0.0+build.5"),
]


@pytest.mark.parametrize(("wanted", "version"), RANGES)
@pytest.mark.compat("argocd:spec.source.chart")
async def test_which_version_of_a_repository(host: ChartHost, there: Shelf, wanted: str, version: str) -> None:
    head = await there.head(host.url, "web", wanted)
    assert head.commit == version
    assert head.trees[0].oid == DIGEST + hashlib.sha256(host.charts["web", version]).hexdigest()
    assert f"version: {version}" in await there.read(host.url, "web", wanted)


async def test_the_index_is_fetched_once_and_an_archive_once(host: ChartHost, there: Shelf) -> None:
    for _ in range(3):
        await there.head(host.url, "web", "1.x")
    assert [path for path, _, _ in host.seen] == ["/charts/index.yaml", "/charts/web-1.2.0.tgz"]
    there.charts.changed_where(lambda url: url == host.url)
    await there.head(host.url, "web", "1.x")
    assert host.seen[-1][:2] == ("/charts/index.yaml", 304)
    host.charts["web", "1.4.0"] = packed("web", "1.4.0")
    there.charts.changed_where(lambda url: url == host.url)
    assert (await there.head(host.url, "web", "1.x")).commit == "1.4.0"
    assert host.downloads == 2


async def test_a_restart_has_its_charts_on_disk(host: ChartHost, there: Shelf, tmp_path: Path) -> None:
    await there.head(host.url, "web", "1.x")
    async with shelf(tmp_path / "charts") as again:
        assert "version: 1.2.0" in await again.read(host.url, "web", "1.x")
    assert host.downloads == 1


async def test_a_chart_lost_from_disk_is_fetched_again(host: ChartHost, there: Shelf) -> None:
    head = await there.head(host.url, "web", "1.x")
    digest = head.trees[0].oid.removeprefix(DIGEST)
    there.charts.folder(digest).rename(there.charts.folder("elsewhere"))
    with pytest.raises(Unavailable):
        there.charts.snapshot(host.url, head.trees)
    assert "version: 1.2.0" in await there.read(host.url, "web", "1.x")


@pytest.mark.parametrize(
    ("admits", "login"),
    [
        (basic("me", "s3cret"), Credentials(username="me", password="s3cret")),
        (bearer("t0ken"), Credentials(bearer_token="t0ken")),
    ],
    ids=["basic", "bearer"],
)
@pytest.mark.compat("argocd:repository.password")
async def test_a_login_opens_a_repository(host: ChartHost, there: Shelf, admits, login: Credentials) -> None:
    host.admits = admits
    with pytest.raises(Denied, match="login in a repository Secret"):
        await there.head(host.url, "web", "1.x")
    there.login = login
    assert (await there.head(host.url, "web", "1.x")).commit == "1.2.0"


@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.compat("argocd:helm.passCredentials")
async def test_a_login_goes_to_another_host_only_when_that_was_allowed(host: ChartHost, there: Shelf, passes: bool) -> None:
    async with ChartHost().open() as other:
        other.charts = dict(host.charts)
        host.elsewhere = f"{other.url}/"
        there.login = Credentials(username="me", password="s3cret")
        await there.head(host.url, "web", "1.x", passCredentials=passes)
        assert [bool(login) for _, _, login in other.seen] == [passes]


@pytest.mark.compat("argocd:repository.tlsClientCert")
async def test_a_repository_behind_tls_wants_our_certificate(there: Shelf, tmp_path: Path) -> None:
    made = certificates(tmp_path)
    host = ChartHost()
    host.charts["web", "1.0.0"] = packed("web", "1.0.0")
    async with host.open(made.server(wants_client=True)):
        there.login = Credentials(ca_bundle=made.text("ca.crt"))
        with pytest.raises(Unavailable):
            await there.head(host.url, "web", "1.0.0")
        there.login = Credentials(
            ca_bundle=made.text("ca.crt"), client_cert=made.text("admin.crt"), client_key=made.text("admin.key")
        )
        assert (await there.head(host.url, "web", "1.0.0")).commit == "1.0.0"


@pytest.mark.parametrize(
    ("chart", "wanted", "error", "words"),
    [
        ("nowhere", "1.x", NotFound, "has no chart 'nowhere': correct spec.source.chart"),
        ("web", "3.x", NotFound, "there are: 1.0.0, 1.2.0"),
        ("broken", "1.0.0", InvalidInput, "not a chart archive"),
        ("empty", "1.0.0", InvalidInput, "no Chart.yaml in it"),
        ("escaping", "1.0.0", InvalidInput, "is no plain file"),
        ("changed", "1.0.0", InvalidInput, "the index says sha256:00000000"),
        ("bomb", "1.0.0", InvalidInput, "larger than 100 MiB unpacked"),
    ],
)
async def test_what_a_repository_cannot_give(
    host: ChartHost, there: Shelf, chart: str, wanted: str, error: type[ShipwayError], words: str
) -> None:
    host.charts["broken", "1.0.0"] = b"no archive"
    host.charts["empty", "1.0.0"] = tar_gz({"empty/README.md": "nothing"})
    host.charts["escaping", "1.0.0"] = tar_gz({"escaping/Chart.yaml": "name: x", "../../etc/passwd": "root"})
    host.charts["changed", "1.0.0"] = packed("changed", "1.0.0")
    host.digests["changed", "1.0.0"] = "0" * 64
    if chart == "bomb":
        host.charts["bomb", "1.0.0"] = packed("bomb", "1.0.0", {"big": b"\0" * (MAX_UNPACKED + 1)})
    with pytest.raises(error) as caught:
        await there.head(host.url, chart, wanted)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "no entries: this is not the index of a chart repository"),
        (b"entries: [a", "index.yaml: line"),
        (b"#" * (index.MAX_INDEX + 1), "larger than 48 MiB"),
        (b"a: &a [x]\n" + b"".join(b"b%d: &b%d [%s]\n" % (n, n, b", ".join([b"*a"] * 10)) for n in range(3)), "no entries"),
    ],
    ids=["html", "yaml", "huge", "no-entries"],
)
async def test_an_index_that_cannot_be_read(host: ChartHost, there: Shelf, content: bytes, words: str) -> None:
    host.index = content
    with pytest.raises(InvalidInput) as caught:
        await there.head(host.url, "web", "1.x")
    assert words in caught.value.message
    assert host.url in caught.value.message


async def test_a_digest_that_is_no_digest_leads_nowhere(host: ChartHost, there: Shelf) -> None:
    host.digests["web", "1.0.0"] = "../../../../etc"
    assert "version: 1.0.0" in await there.read(host.url, "web", "1.0.0")


@pytest.mark.compat("argocd:spec.source.chart")
async def test_a_registry_gives_versions_and_digests(program: Callable[[str], str], there: Shelf, tmp_path: Path) -> None:
    async with registry(program, tmp_path) as address:
        for version in VERSIONS:
            await push(address, "team/web", version.replace("+", "_"), packed("web", version))
        for wanted, version in RANGES[:1] + RANGES[2:]:
            for url in (f"{address}/team", f"oci://{address}/team"):
                assert (await there.head(url, "web", wanted)).commit == version, wanted
        assert "version: 1.2.0" in await there.read(f"{address}/team", "web", "1.x")
        digest = await push(address, "team/web", "1.0.0", packed("web", "1.0.0"))
        assert "version: 1.0.0" in await there.read(f"{address}/team", "web", digest)
        with pytest.raises(NotFound, match="not found"):
            await there.head(f"{address}/team", "nowhere", "1.0.0")
        with pytest.raises(NotFound, match=r"no version fits '9\.x'"):
            await there.head(f"{address}/team", "web", "9.x")


@pytest.mark.compat("argocd:spec.source.repoURL")
async def test_an_artifact_of_one_layer_is_a_folder(program: Callable[[str], str], there: Shelf, tmp_path: Path) -> None:
    layer = "application/vnd.oci.image.layer.v1.tar+gzip"
    async with registry(program, tmp_path) as address:
        digest = await push(address, "team/plain", "v1", tar_gz({"deploy/a.yaml": "a: 1\n"}), layer=layer)
        url = f"oci://{address}/team/plain"
        assert (await there.head(url, "", "v1")).commit == digest
        assert await there.read(url, "", "v1", "deploy/a.yaml") == "a: 1\n"
        plain = gzip.decompress(tar_gz({"deploy/a.yaml": "a: 2\n"}))
        await push(address, "team/plain", "v2", plain, layer="application/vnd.oci.image.layer.v1.tar")
        assert await there.read(url, "", "v2", "deploy/a.yaml") == "a: 2\n"
        await push(address, "team/cut", "v1", plain[:300], layer="application/vnd.oci.image.layer.v1.tar")
        with pytest.raises(InvalidInput, match="not a chart archive"):
            await there.read(f"oci://{address}/team/cut", "", "v1", "deploy/a.yaml")
        await push(address, "team/chart", "1.0.0", packed("chart", "1.0.0"))
        assert "version: 1.0.0" in await there.read(f"oci://{address}/team/chart", "", "1.0.0")
        await push(address, "team/odd", "v1", b"x", layer="application/octet-stream")
        with pytest.raises(InvalidInput, match="is not a Helm chart or an artifact"):
            await there.head(f"oci://{address}/team/odd", "", "v1")


async def test_a_registry_with_a_login(program: Callable[[str], str], there: Shelf, tmp_path: Path) -> None:
    async with registry(program, tmp_path, htpasswd=HTPASSWD) as address:
        await push(address, "team/web", "1.0.0", packed("web", "1.0.0"), login=aiohttp.encode_basic_auth("me", "s3cret"))
        with pytest.raises(Denied, match="login in a repository Secret"):
            await there.head(f"{address}/team", "web", "1.0.0")
        there.login = Credentials(username="me", password="wr0ng")
        with pytest.raises(Denied) as caught:
            await there.head(f"{address}/team", "web", "1.0.0")
        assert "wr0ng" not in caught.value.message
        there.login = Credentials(username="me", password="s3cret")
        assert (await there.head(f"{address}/team", "web", "1.0.0")).commit == "1.0.0"
