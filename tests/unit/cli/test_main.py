"""The whole command line: flags, exit codes, errors, against an embedded API server over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from cyclopts import App

from shipway.api.kinds import APPLICATIONS
from shipway.cli.main import build_app, run
from shipway.kube.objects.views import dig
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application, family
from tests.unit.cli.test_rollout_tree import MIDDLE

Ran = tuple[int, str, str]
"""Exit code, stdout, stderr."""


@pytest_asyncio.fixture
async def shipway(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> AsyncGenerator[Callable[..., Awaitable[Ran]], None]:
    """Runs a command line with the kubeconfig of the shop's cluster."""
    await shop.create(APPLICATIONS, application())
    await shop.create_family(family())
    kubeconfig = tmp_path / "kubeconfig"

    async def shipway(*arguments: str) -> Ran:
        capsys.readouterr()
        code = await asyncio.to_thread(run, [*arguments, f"--kubeconfig={kubeconfig}"])
        return (code, *capsys.readouterr())

    async with serve(shop.server, tokens={"secret": Identity("ann")}) as url:
        write_kubeconfig(kubeconfig, server=url, token="secret", name="here")
        yield shipway


Shipway = Callable[..., Awaitable[Ran]]


async def test_a_newcomer_looks_around(shipway: Shipway) -> None:
    code, out, err = await shipway("app", "list")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].startswith("shop ")
    code, out, _ = await shipway("app", "get", "shop")
    assert (code, out.splitlines()[-1]) == (0, "shop is Synced to 0123456 and Healthy.")
    code, out, _ = await shipway("rollout", "get", "web", "-n", "shop")
    assert (code, out.splitlines()[0]) == (0, "Name:            web")


async def test_rollouts_are_looked_for_in_the_namespace_of_the_context(shipway: Shipway) -> None:
    code, _, err = await shipway("rollout", "get", "web")
    assert (code, err) == (
        4,
        "error: Rollout web not found in namespace default: `shipway rollout list -A` shows them all\n",
    )
    code, out, _ = await shipway("rollout", "list", "-A", "-o", "name")
    assert (code, out) == (0, "rollout.argoproj.io/web\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "web"], "rollout 'web' promoted"),
        (["promote", "web", "--full"], "rollout 'web' fully promoted"),
        (["abort", "web"], "rollout 'web' aborted"),
        (["retry", "web"], "rollout 'web' has nothing to retry: it was not aborted"),
        (["pause", "web"], "rollout 'web' paused"),
        (["restart", "web"], "rollout 'web' restarts"),
        (["restart", "web", "--in", "10s"], "rollout 'web' restarts in 10s"),
        (["undo", "web"], "rollout 'web' rolled back"),
        (["undo", "web", "--to-revision=1"], "rollout 'web' rolled back"),
        (["set-image", "web", "web=x:1"], "rollout 'web' image updated"),
        (["set", "image", "web", "*=x:1"], "rollout 'web' image updated"),
        (["terminate", "web-6cf78c66c5-2"], "analysisrun 'web-6cf78c66c5-2' terminated"),
    ],
    ids=" ".join,
)
async def test_every_verb_says_what_it_did(shipway: Shipway, arguments: list[str], said: str) -> None:
    assert await shipway("rollout", *arguments, "-n", "shop") == (0, f"{said}\n", "")


async def test_a_restart_is_asked_for_at_its_time(shipway: Shipway, shop: Shop) -> None:
    await shipway("rollout", "restart", "web", "-n", "shop", "--in", "1h")
    restart_at = dig(await shop.rollout(), "spec", "restartAt")
    assert restart_at > "2026" and restart_at.endswith("Z")


async def test_status_and_watch_end_at_their_timeout(shipway: Shipway) -> None:
    code, out, err = await shipway("rollout", "status", "web", "-n", "shop", "--timeout", "0.05")
    assert (code, out) == (1, "Paused - CanaryPauseStep\n")
    assert err.startswith("web has not come to an end after 0.05 s: ")
    code, out, _ = await shipway("rollout", "get", "web", "-n", "shop", "--watch", "--timeout=0.05")
    assert (code, len(out.splitlines())) == (0, 1)


async def test_a_sync_that_nobody_carries_out(shipway: Shipway) -> None:
    code, out, err = await shipway("app", "sync", "shop", "--timeout", "0.05")
    assert (code, out) == (1, "")
    assert "is `shipway run` running?" in err
    code, _, err = await shipway("app", "sync", "shop")
    assert (code, err) == (4, "error: another operation of shop is under way: see `shipway app get shop`\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rollout", "get"], 2, "parameter NAME requires an argument. See `shipway rollout get --help`."),
        (["app", "get", "x", "-o", "xml"], 2, 'Invalid value "xml" for -o. Choose from: "table", "json", "yaml", "name".'),
        (["rollout", "promot", "web"], 2, 'Unknown command "promot". Did you mean "promote"?'),
        (["app", "sync", "shop", "--timeout", "5x"], 2, 'invalid duration "5x"'),
        (["rollout", "set-image", "web", "v2"], 2, '"v2" is not container=image: write it like web=registry/web:1.2'),
        (["rollout", "set-image", "web"], 2, "no image given: write container=image after the name of the Rollout"),
        (["app", "list", "--context", "elsewhere"], 2, "elsewhere"),
        (["app", "history", "nope"], 4, "Application nope not found in namespace argocd"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_errors_are_one_line_that_says_what_to_do(shipway: Shipway, arguments: list[str], code: int, said: str) -> None:
    found, out, err = await shipway(*arguments)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert err.startswith("error: ")
    assert said in err


async def test_a_cluster_that_does_not_answer_is_five(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kubeconfig(tmp_path / "gone", server="http://127.0.0.1:1", token="x")
    assert await asyncio.to_thread(run, ["app", "list", f"--kubeconfig={tmp_path / 'gone'}"]) == 5
    assert capsys.readouterr().err.startswith("error: http://127.0.0.1:1 does not answer: ")


async def test_a_stranger_is_three(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serve(shop.server, tokens={}) as url:
        write_kubeconfig(tmp_path / "config", server=url, token="wrong")
        assert await asyncio.to_thread(run, ["rollout", "list", f"--kubeconfig={tmp_path / 'config'}"]) == 3
    assert "Unauthorized" in capsys.readouterr().err


def test_help_shows_every_command_and_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"│ {noun} " in out for noun in ("app", "rollout", "run", "up", "demo"))
    assert run(["rollout", "promote", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: shipway rollout promote [OPTIONS] NAME")
    assert all(flag in out for flag in ("--full", "--output -o", "--namespace -n", "--context", "--kubeconfig"))


def test_the_plugin_of_kubectl_calls_itself_so(capsys: pytest.CaptureFixture[str]) -> None:
    run(["app", "get", "--help"], "kubectl shipway")
    assert capsys.readouterr().out.startswith("Usage: kubectl shipway app get [OPTIONS] NAME")
    assert run(["app", "get"], "kubectl shipway") == 2
    assert capsys.readouterr().err.endswith("See `kubectl shipway app get --help`.\n")


def test_the_guide_names_every_command() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    app = build_app()
    nouns = {noun: [verb for verb in app[noun] if not verb.startswith("-")] for noun in ("app", "appset", "rollout")}
    missing = [f"{noun} {verb}" for noun, verbs in nouns.items() for verb in verbs if f"{noun} {verb} " not in guide]
    assert len(nouns["rollout"]) > 10
    assert missing == []
    assert MIDDLE.replace("because", "web waits at step 2 of 4 for somebody to promote it; then comes setWeight: 60.") in guide


def commands(app: App) -> Iterator[App]:
    """Every command that does something."""
    for name in app:
        if not name.startswith("-"):
            if app[name].default_command is not None:
                yield app[name]
            yield from commands(app[name])


def test_no_command_has_one_flag_with_two_meanings() -> None:
    found = list(commands(build_app()))
    assert len(found) > 50
    for command in found:
        flags = [flag for one in command.assemble_argument_collection() for flag in one.names if flag != "*"]
        assert len(flags) == len(set(flags)), (command.name, sorted(flags))
