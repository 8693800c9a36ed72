"""Kustomize bases in other repositories, out of our own mirrors: real Git over HTTP, and Kustomize never goes out itself."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.base.errors import InvalidInput, Unavailable
from shipway.demo.git_server import GitServer
from tests.contract.sources.rendering import Bench, named, only
from tests.repository import WorkingCopy

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {v: %s}\n"
SOURCE = {"path": "overlay"}


class Hosts:
    """A repository of ours and those it builds on, `copies` by name."""

    def __init__(self, bench: Bench, server: GitServer, copies: dict[str, WorkingCopy]) -> None:
        self.bench = bench
        self.server = server
        self.copies = copies

    async def push(self, name: str, files: dict[str, str | bytes | None]) -> None:
        copy = self.copies[name]
        await asyncio.to_thread(copy.commit, files)
        await asyncio.to_thread(copy.push)
        self.bench.mirrors.changed(copy.url)

    def overlay(self, *entries: str, **more: str) -> None:
        self.bench.push({"overlay/kustomization.yaml": f"resources: {list(entries)}\nnamePrefix: p-\n", **more})


@pytest_asyncio.fixture
async def hosts(tmp_path: Path) -> AsyncGenerator[Hosts, None]:
    server = GitServer(tmp_path / "root")
    await server.start()
    bench = await asyncio.to_thread(Bench, tmp_path, {"overlay/own.yaml": CONFIG % ("own", "1")})
    copies = {name: WorkingCopy(tmp_path / name, server.create(name)) for name in ("base", "deep")}
    made = Hosts(bench, server, copies)
    await made.push("deep", {"part/kustomization.yaml": "resources: [a.yaml]\n", "part/a.yaml": CONFIG % ("deep", "1")})
    await made.push(
        "base",
        {
            "deploy/kustomization.yaml": "resources: [b.yaml, ../near]\n",
            "deploy/b.yaml": CONFIG % ("base", "1"),
            "near/kustomization.yaml": f"resources: [n.yaml, '{copies['deep'].url}//part?ref=main']\n",
            "near/n.yaml": CONFIG % ("near", "1"),
            "README.md": "of no interest\n",
        },
    )
    yield made
    await bench.close()
    await server.stop()


@pytest.mark.compat("argocd:kustomize.bases")
async def test_a_base_elsewhere_and_what_it_builds_on_elsewhere(hosts: Hosts) -> None:
    hosts.overlay("own.yaml", f"{hosts.copies['base'].url}//deploy?ref=main")
    rendered = await hosts.bench.render(SOURCE)
    assert sorted(named(rendered)) == ["ConfigMap/p-base", "ConfigMap/p-deep", "ConfigMap/p-near", "ConfigMap/p-own"]
    assert rendered.reads == ("overlay",)


async def test_only_what_is_read_of_a_base_makes_a_new_render(hosts: Hosts) -> None:
    url = hosts.copies["base"].url
    hosts.overlay(f"{url}//deploy?ref=main")
    for _ in range(2):  # the second already knows everything that is read
        await hosts.bench.render(SOURCE)
    renders = hosts.bench.renderer.renders["app"]
    await hosts.push("base", {"README.md": "changed\n"})
    await hosts.bench.render(SOURCE)
    assert hosts.bench.renderer.renders["app"] == renders
    await hosts.push("base", {"deploy/b.yaml": CONFIG % ("base", "2")})
    rendered = await hosts.bench.render(SOURCE)
    assert {obj["metadata"]["name"]: obj["data"]["v"] for obj in rendered.objects}["p-base"] == 2


async def test_a_base_at_a_tag_stays_there(hosts: Hosts) -> None:
    copy = hosts.copies["deep"]
    await asyncio.to_thread(copy.git, "tag", "v1")
    await asyncio.to_thread(copy.push, "v1")
    await hosts.push("deep", {"part/a.yaml": CONFIG % ("deep", "2")})
    hosts.overlay(f"{copy.url}//part?ref=v1")
    assert only(await hosts.bench.render(SOURCE), "ConfigMap")["data"]["v"] == 1


@pytest.mark.compat("argocd:kustomize.components")
async def test_a_component_elsewhere(hosts: Hosts) -> None:
    part: dict[str, str | bytes | None] = {
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [a.yaml]\n"
    }
    await hosts.push("deep", part)
    hosts.overlay("own.yaml")
    source = {**SOURCE, "kustomize": {"components": [f"{hosts.copies['deep'].url}//part?ref=main"]}}
    assert sorted(named(await hosts.bench.render(source))) == ["ConfigMap/p-deep", "ConfigMap/p-own"]


async def test_bases_in_a_circle_end(hosts: Hosts) -> None:
    base, deep = hosts.copies["base"].url, hosts.copies["deep"].url
    await hosts.push("deep", {"part/kustomization.yaml": f"resources: ['{base}//near?ref=main']\n"})
    hosts.overlay(f"{deep}//part?ref=main")
    with pytest.raises(InvalidInput, match="cycle"):
        await hosts.bench.render(SOURCE)


async def test_a_base_that_is_not_there_is_named(hosts: Hosts) -> None:
    hosts.overlay(f"{hosts.copies['base'].url}//nowhere?ref=main")
    with pytest.raises(InvalidInput, match=r"nowhere: no kustomization\.yaml here"):
        await hosts.bench.render(SOURCE)
    gone = hosts.copies["base"].url.replace("base.git", "gone.git")
    hosts.overlay(f"{gone}//x?ref=main")
    with pytest.raises(Unavailable, match=r"gone\.git"):
        await hosts.bench.render(SOURCE)
