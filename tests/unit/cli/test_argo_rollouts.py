"""Our `kubectl-argo-rollouts` beside the recorded words and deeds of Argo's (`tests/record_argo_rollouts.py`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from msgspec.structs import replace

from shipway.base.clock import Clock, Instant
from shipway.base.errors import ShipwayError
from shipway.cli.argo_rollouts import candidates, perform
from shipway.cli.session import Place, Session
from tests.record_argo_rollouts import CASES, Case, fill, written
from tests.unit.cli.conftest import Shop, StillClock

RECORDED = {one["case"]: one for one in orjson.loads((Path(__file__).parents[2] / "golden/argo_rollouts.json").read_bytes())}


class Later(StillClock):
    """Stands at the time of the recording."""

    def __init__(self, real: Clock, at: float) -> None:
        super().__init__(real)
        self._at = Instant(at)

    def now(self) -> Instant:
        return self._at


async def said(shop: Shop, line: str, clock: Clock, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, int]:
    """(stdout, stderr without usage, exit code)."""

    @asynccontextmanager
    async def opened(place: Place | None) -> AsyncIterator[Session]:
        yield replace(shop.session, clock=clock, asked_namespace=place.namespace if place else "")

    try:
        code = await perform(line.split(" "), opened)
        out, err = capsys.readouterr()
    except ShipwayError as error:
        out, err, code = capsys.readouterr().out, f"Error: {error.message}", 1
    return "".join(f"{text.rstrip()}\n" for text in out.splitlines()), err.partition("Usage:")[0].strip(), code


def plainly(err: str) -> str:
    """Without what a language says of a value that it cannot read."""
    return err.partition('" flag: ')[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.compat("rollouts:client.plugin")
async def test_it_says_and_does_what_the_plugin_does(shop: Shop, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    told = RECORDED[case.name]
    await fill(shop, case)
    out, err, code = await said(shop, case.line, Later(shop.session.clock, told["at"]), capsys)
    assert out == "".join(f"{text.rstrip()}\n" for text in told["out"].splitlines())
    assert (plainly(err), code) == (plainly(told["err"]), told["code"])
    assert await written(shop) == told["written"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("promote rollout/web", ("rollout 'web' promoted\n", "", 0)),
        ("--token x promote web", ("", "Error: --token is not taken here: put it into a kubeconfig and name that", 1)),
        ("list exp --watch", ("", "Error: unknown flag: --watch", 1)),
        (
            "-wn=shop status web --timeout=1s",
            ("Paused - CanaryPauseStep\n", "Error: Rollout status watch exceeded timeout", 1),
        ),
        ("status web -w=false", ("Paused - CanaryPauseStep\n", "", 0)),
        ("status nope", ("", 'Error: rollout.argoproj.io "nope" not found', 1)),
        ("get exp nope", ("", 'Error: experiment.argoproj.io "nope" not found', 1)),
        ("terminate experiment ab", ("experiment 'ab' terminated\n", "", 0)),
        ("lint -f /does/not/exist", ("", "Error: /does/not/exist cannot be read", 1)),
        ("completion tcsh", ("", 'Error: invalid argument "tcsh" for "kubectl-argo-rollouts completion"', 1)),
        ("dashboard -p 99999", ("", "Error: --port 99999 is no port", 1)),
        (
            "notifications",
            (
                "",
                "Error: templates and triggers cannot be tried out here: subscribe a Rollout, its events say what is wrong",
                1,
            ),
        ),
    ],
)
async def test_other_words(shop: Shop, line: str, told: tuple[str, str, int], capsys: pytest.CaptureFixture[str]) -> None:
    await fill(shop, Case(line))
    out, err, code = await said(shop, line, shop.session.clock, capsys)
    assert (out, err[: len(told[1])], code) == told


async def test_trees_are_those_of_the_plugin(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(shop, Case(""))
    out, _, _ = await said(shop, "get ro web --no-color", shop.session.clock, capsys)
    lines = out.splitlines()
    assert lines[8:11] == [
        "Images:          registry.example/web:v1 (stable)",
        "                 registry.example/web:v2 (canary)",
        "Replicas:",
    ]
    assert "web waits" not in out
    out, _, _ = await said(shop, "get exp ab", shop.session.clock, capsys)
    assert [line.split()[:4] for line in out.splitlines()[4:]] == [
        ["NAME", "KIND", "STATUS", "AGE"], ["Σ", "ab", "Experiment", "◌"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "next_ones"),
    [(["ge"], "get"), (["get", ""], "experiment rollout"), (["promote", "--"], "--cache-dir --context"), (["promote", ""], "")],
)
def test_a_shell_is_told_what_may_come_next(words: list[str], next_ones: str) -> None:
    found = candidates(words)
    assert set(next_ones.split()) <= set(found)
    assert bool(found) == bool(next_ones)
