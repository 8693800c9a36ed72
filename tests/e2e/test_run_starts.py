"""How `shipway run` starts, or says why it does not: what happened, where, and what to do."""

import socket
from pathlib import Path

import pytest

from shipway.api.kinds import (
    APP_PROJECTS,
    CRDS,
    NAMESPACES,
)
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.views import name_of
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.e2e.places import CLOCK, Place, bare_cluster
from tests.e2e.running import (
    ended,
    shipway_run,
    versions,
)


async def test_it_installs_the_definitions_only_where_it_is_told(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as (client, kubeconfig):
        for engine, names in (
            ("gitops", "applications.argoproj.io/v1alpha1, appprojects.argoproj.io/v1alpha1"),
            ("rollouts", "analysisruns.argoproj.io/v1alpha1, analysistemplates.argoproj.io/v1alpha1"),
        ):
            code, said = await ended(kubeconfig, tmp_path, f"--engines={engine}")
            assert code == 5
            assert said.startswith(f"error: the cluster does not serve {names}")
            assert said.endswith("start with --install-crds, or install Argo CD's and Argo Rollouts' own CRDs")
        with pytest.raises(NotFound):
            await client.get(NAMESPACES, "", "argocd")
        async with shipway_run(kubeconfig, tmp_path, "--install-crds") as running:
            await running.ready()
        before = await versions(client, CRDS)
        async with shipway_run(kubeconfig, tmp_path, "--install-crds", "--lease-seconds=4") as running:
            await running.ready()
        assert await versions(client, CRDS) == before


@pytest.mark.asyncio(loop_scope="session")
async def test_it_installs_itself_into_a_real_kubernetes(real_control_plane, tmp_path: Path) -> None:
    kubeconfig = real_control_plane.kubeconfig
    async with shipway_run(kubeconfig, tmp_path, "--install-crds", "--namespace=shipway-run") as running:
        await running.ready()
        client = Client(HttpTransport(load_kubeconfig(kubeconfig, None)), manager="test")
        assert name_of(await client.get(APP_PROJECTS, "shipway-run", "default")) == "default"
        await client.delete(NAMESPACES, "", "shipway-run")
        await client.close()
        assert await running.end() == 0


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--engines=gitops,foo"], 2, "error: unknown engine foo: choose among gitops, rollouts"),
        (["--engines="], 2, "error: no engine to run: choose among gitops, rollouts"),
        (["--context=nowhere"], 2, "nowhere"),
        (["--no-such-flag"], 2, "--no-such-flag"),
    ],
)
async def test_flags_that_cannot_work(tmp_path: Path, flags: list[str], code: int, says: str) -> None:
    write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", token="t", ca_pem=b"")
    ended_with, said = await ended(tmp_path / "config", tmp_path, *flags)
    assert ended_with == code
    assert says in said


async def test_an_address_that_is_none(tmp_path: Path) -> None:
    code, said = await ended(tmp_path / "config", tmp_path, listen="8080")
    assert code == 2
    assert said == "error: --listen '8080' is not HOST:PORT: give for instance 127.0.0.1:8080 or 0.0.0.0:8080"


async def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    tls = ensure_tls(tmp_path / "tls", CLOCK.now())
    write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", token="t", ca_pem=tls.ca_pem())
    code, said = await ended(tmp_path / "config", tmp_path)
    assert code == 5
    assert said.startswith("error: https://127.0.0.1:1 does not answer: ")


@pytest.mark.parametrize("text", ["{", "apiVersion: v1\nkind: Config\n", "- a\n- list\n", ""])
async def test_a_broken_kubeconfig(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    code, said = await ended(tmp_path / "config", tmp_path)
    assert code == 2
    assert said.startswith("error: ")
    assert str(tmp_path / "config") in said or "kubeconfig" in said


async def test_a_port_that_is_taken(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await place.ended(listen=f"127.0.0.1:{port}")
    assert code == 2
    assert said == (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use; stop who listens there, or give another --listen"
    )
