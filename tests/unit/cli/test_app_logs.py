"""`shipway app logs` against an embedded API server whose pods say what a test has them say."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APPLICATIONS, DEPLOYMENTS, PODS, REPLICA_SETS
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.app_logs import LogFlags, show_logs
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_tree import a_pod, owned, row, workload
from tests.waiting import eventually


class Saying:
    """Containers by `pod/container`, and what each says, in pieces; a follower then waits for ever."""

    def __init__(self, said: dict[str, list[bytes]]) -> None:
        self.said = said
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def logs(self, namespace: str, pod: str, container: str, **options: Any) -> AsyncGenerator[bytes, None]:
        voice = f"{pod}/{container}"
        if voice not in self.said:
            raise InvalidInput(f"container {container} in pod {pod} is waiting to start")
        if options.get("tail_lines") == 0:
            return
        self.asked.append((voice, options))
        for piece in self.said[voice]:
            yield piece
        if options["follow"]:
            await asyncio.get_running_loop().create_future()


@pytest.fixture
async def web(shop: Shop) -> Obj:
    """An Application with one Deployment of one pod, which has a second container, and one bare pod."""
    labels = {"app": "web"}
    deployment = await shop.create(DEPLOYMENTS, workload("Deployment", "web", labels))
    rs = await shop.create(
        REPLICA_SETS, workload("ReplicaSet", "web-1", labels, labels=labels, ownerReferences=owned(deployment))
    )
    pod = a_pod("web-1-a", labels, rs)
    pod["spec"]["containers"] += [{"name": "proxy", "image": "proxy:1"}]
    await shop.create(PODS, pod)
    bare = a_pod("bare", {"app": "bare"}, rs)
    del bare["metadata"]["ownerReferences"]
    await shop.create(PODS, bare)
    await shop.create(APPLICATIONS, application(resources=[row("Deployment", "web", "apps"), row("Pod", "bare")]))
    return rs


SAID = {"web-1-a/web": [b"one\ntw", b"o\nerror: three"], "web-1-a/proxy": [b"GET /\n"], "bare/web": [b"alone\n"]}


async def printed(shop: Shop, capsys: pytest.CaptureFixture[str], **flags: Any) -> list[str]:
    assert await show_logs(shop.session, "shop", LogFlags(**flags)) == 0
    return capsys.readouterr().out.splitlines()


async def test_lines_are_whole_and_say_whose_they_are(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    shop.server.attach_logs(Saying(SAID))
    assert await printed(shop, capsys) == [
        "web-1-a web | one", "web-1-a web | two", "web-1-a web | error: three", "web-1-a proxy | GET /", "bare web | alone",
    ]  # fmt: skip
    assert await printed(shop, capsys, kind="Pod", resource_name="bare") == ["alone"]


@pytest.mark.parametrize(
    ("flags", "lines"),
    [
        ({"kind": "Deployment"}, 4),
        ({"kind": "ReplicaSet", "resource_name": "web-1"}, 4),
        ({"group": "apps"}, 4),
        ({"container": "proxy"}, 1),
        ({"filter": "error"}, 1),
        ({}, 5),
    ],
)
async def test_flags_choose(
    shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str], flags: dict[str, Any], lines: int
) -> None:
    shop.server.attach_logs(Saying(SAID))
    assert len(await printed(shop, capsys, **flags)) == lines


async def test_what_part_is_wanted_reaches_the_node(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    saying = Saying(SAID)
    shop.server.attach_logs(saying)
    await printed(shop, capsys, since=90.5, tail=7, previous=True, timestamps=True, kind="Pod", resource_name="bare")
    ((voice, options),) = saying.asked
    wanted = {"since_seconds": 91, "tail_lines": 7, "previous": True, "timestamps": True, "follow": False}
    assert (voice, {key: options[key] for key in wanted}) == ("bare/web", wanted)


async def test_documents_a_line(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    shop.server.attach_logs(Saying(SAID))
    await show_logs(shop.session, "shop", LogFlags(resource_name="bare"), "json")
    expected = {"namespace": "shop", "pod": "bare", "container": "web", "content": "alone"}
    assert orjson.loads(capsys.readouterr().out) == expected


async def test_one_that_says_nothing_stops_no_other(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    shop.server.attach_logs(Saying({"bare/web": [b"alone\n"]}))
    assert await show_logs(shop.session, "shop", LogFlags()) == 0
    out, err = capsys.readouterr()
    assert out == "bare web | alone\n"
    assert "web-1-a proxy:" in err and "waiting to start" in err


async def test_what_cannot_be_meant(shop: Shop, web: Obj) -> None:
    with pytest.raises(NotFound, match="no pods that fit: see `shipway app tree shop`"):
        await show_logs(shop.session, "shop", LogFlags(kind="StatefulSet"))
    with pytest.raises(InvalidInput, match='no pod has a container "db": they have proxy, web'):
        await show_logs(shop.session, "shop", LogFlags(container="db"))


async def test_a_pod_that_comes_later_is_followed_too_and_others_are_not(shop: Shop, web: Obj) -> None:
    saying = Saying({**SAID, "web-1-b/web": [b"new\n"], "stranger/web": [b"who\n"]})
    shop.server.attach_logs(saying)
    lines: list[str] = []
    following = asyncio.ensure_future(show_logs(shop.session, "shop", LogFlags(follow=True), write=lines.append))
    try:
        await eventually(lambda: len(lines) >= 4)  # a last line without its end waits for it
        await shop.create(
            PODS, a_pod("stranger", {"app": "stranger"}, {**web, "metadata": {**web["metadata"], "uid": "other"}})
        )
        late = a_pod("web-1-b", {"app": "web"}, web)
        phase = late.pop("status")
        await shop.create(PODS, late)
        await shop.client.patch(PODS, "shop", "web-1-b", {"status": phase}, subresource="status")
        await eventually(lambda: "web-1-b web | new\n" in lines)
        assert sorted(voice for voice, _ in saying.asked) == ["bare/web", "web-1-a/proxy", "web-1-a/web", "web-1-b/web"]
    finally:
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
