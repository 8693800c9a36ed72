"""The cores of `shipway rollout` against an embedded API server."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from shipway.api.kinds import CRDS, PODS, ROLLOUTS
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.cli.rollout import Words, answer, list_rollouts, show_rollout, show_status, terminate_run
from shipway.cli.rollout_acts import act, read_images, undo
from shipway.cli.rollout_watch import watch_rollout, watch_status
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Request, Response
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import CANARY, STABLE, Family, family, rollout


async def test_list_shows_phase_step_and_weight(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    assert await list_rollouts(shop.session) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "NAME", "STRATEGY", "STATUS", "STEP", "SET-WEIGHT", "READY", "DESIRED", "UP-TO-DATE", "AVAILABLE", "AGE",
    ]  # fmt: skip
    assert row.split()[:9] == ["web", "Canary", "Paused", "1/4", "20", "5/5", "5", "1", "5"]


async def test_list_of_all_namespaces_names_them(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    await list_rollouts(shop.at("argocd"), all_namespaces=True)
    heading, row = capsys.readouterr().out.splitlines()
    assert (heading.split()[0], row.split()[0]) == ("NAMESPACE", "shop")


async def test_an_empty_list_leaves_the_pipe_clean(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await list_rollouts(shop.at("argocd")) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no Rollouts found in namespace argocd" in err


async def test_list_as_json_is_a_list_that_kubectl_reads(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    await list_rollouts(shop.session, output="json")
    document = orjson.loads(capsys.readouterr().out)
    assert document["kind"] == "List"
    assert [dig(item, "metadata", "name") for item in document["items"]] == ["web"]
    assert "managedFields" not in document["items"][0]["metadata"]


async def test_get_draws_everything_below_the_rollout(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    assert await show_rollout(shop.session, "web") == 0
    out = capsys.readouterr().out
    for name in (f"⧉ web-{CANARY} ", f"⧉ web-{STABLE} ", f"□ web-{CANARY}-ccccc ", "α web-6cf78c66c5-2 ", "# revision:2"):
        assert name in out
    assert "web waits at step 2 of 4 for somebody to promote it" in out
    assert "\x1b" not in out


async def test_get_as_json_has_the_tree_the_sentence_and_the_object(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    await show_rollout(shop.session, "web", "json")
    document = orjson.loads(capsys.readouterr().out)
    assert (document["apiVersion"], document["kind"]) == ("shipway.dev/v1alpha1", "RolloutView")
    assert (document["view"]["setWeight"], document["view"]["phase"]) == (20, "Paused")
    assert document["view"]["revisions"][0]["replicaSets"][0]["roles"] == ["canary"]
    assert document["why"].startswith("web waits")
    assert document["rollout"]["spec"]["replicas"] == 5


async def test_get_as_yaml_and_name(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    await show_rollout(shop.session, "web", "yaml")
    assert yaml.load(capsys.readouterr().out)["kind"] == "RolloutView"
    await show_rollout(shop.session, "web", "name")
    assert capsys.readouterr().out == "rollout.argoproj.io/web\n"


async def test_a_rollout_that_is_not_there_says_where_it_was_looked_for(shop: Shop) -> None:
    with pytest.raises(NotFound, match="Rollout web not found in namespace argocd: `shipway rollout list -A`"):
        await show_rollout(shop.at("argocd"), "web")


async def test_promote_resumes_the_pause(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    done = await act(shop.session, "web", actions.promote)
    assert answer(done, Words("promoted"), "table") == 0
    assert capsys.readouterr().out == "rollout 'web' promoted\n"
    after = await shop.rollout()
    assert dig(after, "status", "pauseConditions") is None
    assert dig(after, "status", "currentStepIndex") == 1


async def test_promote_resumes_a_pause_by_hand_too(shop: Shop) -> None:
    await shop.create_family(family())
    await act(shop.session, "web", actions.pause)
    assert dig(await shop.rollout(), "spec", "paused") is True
    await act(shop.session, "web", actions.promote)
    after = await shop.rollout()
    assert (dig(after, "spec", "paused"), dig(after, "status", "pauseConditions")) == (False, None)


async def test_a_promotion_is_made_anew_when_the_controller_moved_on_meanwhile(shop: Shop) -> None:
    await shop.create_family(family(pauseConditions=[], controllerPause=False))
    moved_on = {"status": {"currentStepIndex": 2}}
    seen: list[int] = []

    def patches_for(found: Obj) -> Patches:
        seen.append(dig(found, "status", "currentStepIndex"))
        return actions.promote(found)

    overtaken = Session(Client(Overtaking(shop, moved_on), manager="test"), shop.session.clock, "", "shop")
    done = await act(overtaken, "web", patches_for)
    assert (seen, dig(done.rollout, "status", "currentStepIndex")) == ([1, 2], 3)


async def test_abort_and_retry_say_when_there_is_nothing_to_do(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    assert not (await act(shop.session, "web", actions.retry)).changed
    assert (await act(shop.session, "web", actions.abort)).changed
    again = await act(shop.session, "web", actions.abort)
    assert not again.changed
    answer(again, Words("aborted", "has nothing to abort"), "table")
    assert capsys.readouterr().out == "rollout 'web' has nothing to abort\n"
    assert (await act(shop.session, "web", actions.retry)).changed
    assert dig(await shop.rollout(), "status", "abort") is False


async def test_set_image_changes_only_that_container(shop: Shop) -> None:
    await shop.create_family(family())
    images = read_images(("web=registry.example/web:v3",))
    await act(shop.session, "web", lambda found: actions.set_images(found, images))
    assert dig(await shop.rollout(), "spec", "template", "spec", "containers", 0, "image") == "registry.example/web:v3"


async def test_set_image_of_an_unknown_container_names_the_known_ones(shop: Shop) -> None:
    await shop.create_family(family())
    with pytest.raises(NotFound, match='has no container "api": it has web'):
        await act(shop.session, "web", lambda found: actions.set_images(found, {"api": "x"}))


async def test_undo_puts_the_template_of_the_earlier_revision_back(shop: Shop) -> None:
    await shop.create_family(family())
    assert (await undo(shop.session, "web", 0)).changed
    template = dig(await shop.rollout(), "spec", "template")
    assert dig(template, "spec", "containers", 0, "image") == "registry.example/web:v1"
    assert dig(template, "metadata", "labels") == {"app": "web"}


async def test_undo_to_a_revision_that_is_not_there(shop: Shop) -> None:
    await shop.create_family(family())
    with pytest.raises(NotFound, match="has no revision 7 to go back to: it has 1, 2"):
        await undo(shop.session, "web", 7)


async def test_a_template_that_stands_elsewhere_is_not_rolled_back_here(shop: Shop) -> None:
    referring = rollout()
    referring["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    del referring["spec"]["template"]
    await shop.create(ROLLOUTS, referring)
    with pytest.raises(InvalidInput, match="come from Deployment web: change its template"):
        await undo(shop.session, "web", 0)


async def test_terminate_ends_the_analysis(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    assert await terminate_run(shop.session, "web-6cf78c66c5-2") == 0
    assert capsys.readouterr().out == "analysisrun 'web-6cf78c66c5-2' terminated\n"
    with pytest.raises(NotFound, match="AnalysisRun nope not found in namespace shop"):
        await terminate_run(shop.session, "nope")


@pytest.mark.parametrize(("phase", "code"), [("Paused", 0), ("Healthy", 0), ("Degraded", 1)])
async def test_status_answers_at_once_without_watch(shop: Shop, phase: str, code: int) -> None:
    await shop.create_family(family(phase=phase))
    assert await show_status(shop.session, "web") == code


async def test_status_waits_until_the_rollout_has_come_to_an_end(shop: Shop) -> None:
    await shop.create_family(family())
    out = moving_on(shop)
    async with out:
        assert await watch_status(shop.session, "web", "table", 20, out) == 0
    assert out.getvalue().splitlines() == ["Paused - CanaryPauseStep", "Progressing - more replicas", "Healthy"]


async def test_status_of_a_degraded_rollout_is_one_and_says_why(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    aborted = {"phase": "Degraded", "message": "RolloutAborted: metric failed", "abort": True}
    await shop.create_family(family(**aborted, pauseConditions=[], controllerPause=False))
    assert await watch_status(shop.session, "web", "table", 20) == 1
    out, err = capsys.readouterr()
    assert out == "Degraded - RolloutAborted: metric failed\n"
    assert err.startswith("web threw out 6cf78c66c5")


async def test_status_that_takes_too_long_is_one_and_says_what_it_waits_for(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop.create_family(family())
    assert await watch_status(shop.session, "web", "table", 0.05) == 1
    assert "has not come to an end after 0.05 s: web waits at step 2 of 4" in capsys.readouterr().err


async def test_watch_in_a_pipe_prints_one_line_for_each_change(shop: Shop) -> None:
    await shop.create_family(family())
    out = moving_on(shop, last="Healthy")
    async with out:
        with pytest.raises(NotFound, match="Rollout web not found"):
            await watch_rollout(shop.session, "web", "table", 20, out)
    lines = out.getvalue().splitlines()
    assert [line.split()[2] for line in lines] == ["Paused", "Progressing", "Healthy"]
    assert lines[0] == (
        "2026-11-21T10:00:00Z  web  Paused (CanaryPauseStep)  step 1/4  weight 20  updated 1/5 available 5  "
        "web-6cf78c66c5-2 Running"
    )


async def test_watch_as_json_is_one_document_a_line(shop: Shop) -> None:
    await shop.create_family(family())
    out = io.StringIO()
    assert await watch_rollout(shop.session, "web", "json", 0.1, out) == 0
    (line,) = out.getvalue().splitlines()
    assert orjson.loads(line)["view"]["phase"] == "Paused"


async def test_watch_on_a_terminal_draws_in_place(shop: Shop) -> None:
    await shop.create_family(family())
    out = Terminal()
    assert await watch_rollout(shop.session, "web", "table", 0.2, out) == 0
    text = out.getvalue()
    assert text.startswith("\x1b[?25l")
    assert text.endswith("\x1b[?25h")
    assert "revision:2" in text


async def test_watch_sees_pods_come_and_go(shop: Shop) -> None:
    await shop.create_family(family())
    names = [f"web-{CANARY}-ccccc", f"web-{STABLE}-aaaaa"]

    async def delete_one(_: str) -> None:
        if names:
            await shop.client.delete(PODS, "shop", names.pop(0), grace_seconds=0)

    out = Read(delete_one)
    async with out:
        await watch_rollout(shop.session, "web", "json", 0.3, out)
    views = [orjson.loads(line)["view"] for line in out.getvalue().splitlines()]
    pods = [
        [pod["name"][-5:] for rev in view["revisions"] for rs in rev["replicaSets"] for pod in rs["pods"]] for view in views
    ]
    assert pods == [["ccccc", "aaaaa", "bbbbb"], ["aaaaa", "bbbbb"], ["bbbbb"]]


async def test_a_watch_that_breaks_is_begun_again(shop: Shop) -> None:
    await shop.create_family(family())
    breaking = Breaking(shop, breaks=8)
    session = Session(Client(breaking, manager="test"), shop.session.clock, "", "shop")
    out = moving_on(shop)
    async with out:
        assert await watch_status(session, "web", "table", 20, out) == 0
    assert out.getvalue().splitlines()[-1] == "Healthy"
    assert breaking.left == 0


async def test_a_cluster_without_analyses_is_no_trouble(shop: Shop) -> None:
    await shop.create_family(Family(rollout(), family().replica_sets))
    await shop.client.delete(CRDS, "", "analysisruns.argoproj.io")
    assert await show_rollout(shop.session, "web", "name") == 0
    assert await watch_rollout(shop.session, "web", "json", 0.05, io.StringIO()) == 0


class Breaking:
    """A transport whose first watches break."""

    def __init__(self, shop: Shop, breaks: int) -> None:
        self._shop = shop
        self.left = breaks

    async def send(self, request: Request) -> Response:
        if self.left and ("watch", "true") in request.query:
            self.left -= 1
            raise Unavailable("connection lost")
        return await self._shop.server.send(request)

    async def close(self) -> None:
        pass


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Overtaking:
    """A transport on which a controller writes the Rollout just before our first patch arrives."""

    def __init__(self, shop: Shop, status: Obj) -> None:
        self._shop = shop
        self._status = status
        self._is_done = False

    async def send(self, request: Request) -> Response:
        if request.method == "PATCH" and not self._is_done:
            self._is_done = True
            await self._shop.client.patch(ROLLOUTS, "shop", "web", self._status, subresource="status")
        return await self._shop.server.send(request)

    async def close(self) -> None:
        pass


class Read(io.StringIO):
    """A pipe and who reads it: for every text that is written, `react` is awaited inside the block."""

    def __init__(self, react: Callable[[str], Awaitable[Any]]) -> None:
        super().__init__()
        self._react = react
        self._texts: asyncio.Queue[str] = asyncio.Queue()
        self._group = asyncio.TaskGroup()

    def write(self, text: str) -> int:
        self._texts.put_nowait(text)
        return super().write(text)

    async def __aenter__(self) -> None:
        await self._group.__aenter__()
        self._reading = self._group.create_task(self._read())

    async def __aexit__(self, *error: Any) -> None:
        self._reading.cancel()
        await self._group.__aexit__(*error)

    async def _read(self) -> None:
        while True:
            await self._react(await self._texts.get())


def moving_on(shop: Shop, last: str = "") -> Read:
    """After a line with a phase the Rollout moves on: Paused, Progressing, Healthy; it is deleted after `last`."""
    following = {"Paused": ("Progressing", "more replicas"), "Progressing": ("Healthy", "")}

    async def react(text: str) -> None:
        phase = next(word for word in text.split() if word in (*following, "Healthy"))
        if phase == last:
            await shop.client.delete(ROLLOUTS, "shop", "web")
        elif phase in following:
            status = dict(zip(("phase", "message"), following[phase], strict=True))
            await shop.client.patch(ROLLOUTS, "shop", "web", {"status": status}, subresource="status")

    return Read(react)
