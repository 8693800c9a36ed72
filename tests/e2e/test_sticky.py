"""The A/B recipe of docs/cookbook.md under real traffic: every user stays with one version, and both have their share.

Its cookie decides by itself, so the embedded proxy, a real Envoy and a real Traefik are held to the same answers.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shipway.api.kinds import ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.proxy.proxy import Proxy
from tests.e2e.proxies import envoy, traefik
from tests.e2e.test_real_proxies import Shop, answers, shop
from tests.e2e.traffic import Users, failed, share
from tests.sim.rollouts_world import NS
from tests.sim.test_cookbook import A_B, listings

pytestmark = pytest.mark.timeout(480)

PEOPLE = 64
GROUP_B = "0123"


class Person:
    """Somebody with a cookie among others, who remembers which versions he has met."""

    def __init__(self, port: int, uid: str, cookie: str) -> None:
        self.is_in_b = uid[-1] in GROUP_B
        self.users = Users(port, "shop.test", f"Cookie: {cookie.format(uid=uid)}")

    async def met(self) -> set[str]:
        return {answer.version for answer in await self.users.ask(8)}


def people(port: int) -> list[Person]:
    """Four of each last digit; the cookie stands first, last, alone and in the middle."""
    rng = random.Random(5)
    cookies = ("uid={uid}", "theme=dark; uid={uid}", "uid={uid}; theme=dark", "a=uid; uid={uid};b=uid=1")
    return [
        Person(port, f"{uuid.UUID(int=rng.getrandbits(128))}"[:-1] + f"{n % 16:x}", cookies[n // 16]) for n in range(PEOPLE)
    ]


async def everybody(crowd: list[Person]) -> list[set[str]]:
    return [await person.met() for person in crowd]


async def begin(there: Shop) -> None:
    """The Rollout and the template of the recipe, with the pods of the test; the hour is over when somebody says so."""
    template, recipe = (
        next(one for one in listings(A_B)[::-1] if one["kind"] == kind) for kind in ("AnalysisTemplate", "Rollout")
    )
    await there.user.create(ANALYSIS_TEMPLATES, merge_patch(template, {"metadata": {"namespace": NS}}))
    made: Obj = merge_patch(recipe, {"metadata": {"namespace": NS}})
    made["spec"]["template"]["spec"]["containers"] = [there.container("v1")]
    made["spec"]["strategy"]["canary"] |= {"scaleDownDelaySeconds": 600}
    await there.user.create(ROLLOUTS, made)
    await there.phase("Healthy")


async def an_experiment(there: Shop, port: int, *, is_won: bool) -> None:
    """From the first version through the experiment to its end, and nobody ever meets two versions in it."""
    await answers(port)
    crowd, strangers = people(port), Users(port, "shop.test", "Cookie: theme=dark")
    assert await everybody(crowd) == [{"v1"}] * PEOPLE
    there.errors_of = {"shipway.dev/compare": {"winner": "b" if is_won else "a"}}
    await there.release("v2")
    await there.phase("Paused")
    async with asyncio.timeout(60):
        while not any("v2" in met for met in await everybody(crowd)):
            await asyncio.sleep(0.05)
    wanted = [{"v2"} if person.is_in_b else {"v1"} for person in crowd]
    for _ in range(5):
        assert await everybody(crowd) == wanted
    assert sum(person.is_in_b for person in crowd) == PEOPLE // 4
    assert share(await strangers.ask(80), "v1") == 100
    async with asyncio.TaskGroup() as group:
        winners = [person for person in crowd if person.is_in_b]
        before = [person.users.answers.copy() for person in winners]
        asking = [group.create_task(person.users.keep_asking(0.05)) for person in winners[:4]]
        await there.patch_status(pauseConditions=None)
        await there.phase("Healthy" if is_won else "Degraded")
        async with asyncio.timeout(60):
            while await everybody(crowd) != [{"v2" if is_won else "v1"}] * PEOPLE:
                await asyncio.sleep(0.05)
        for task in asking:
            task.cancel()
    if is_won:
        since = [person.users.answers - then for person, then in zip(winners, before, strict=True)]
        assert {answer.version for met in since for answer in met} == {"v2"}
    for users in (strangers, *(person.users for person in crowd)):
        assert not failed(users.answers)


@asynccontextmanager
async def embedded(there: Shop) -> AsyncGenerator[int, None]:
    async with Proxy(there.user, clock=there.clock, addresses=AddressBook()) as proxy:
        yield proxy.port


@pytest.mark.proves("rollouts:cookbook")
@pytest.mark.parametrize("is_won", [True, False], ids=["b wins", "a wins"])
async def test_the_embedded_proxy_keeps_every_user_at_one_version(is_won: bool) -> None:
    async with shop() as (there, _):
        await begin(there)
        async with embedded(there) as port:
            await an_experiment(there, port, is_won=is_won)


async def test_an_envoy_keeps_every_user_at_one_version(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = program("envoy")
    async with shop() as (there, _):
        await begin(there)
        async with envoy(path, there.user, NS, tmp_path) as port:
            await an_experiment(there, port, is_won=True)


async def test_a_traefik_keeps_every_user_at_one_version(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = program("traefik")
    async with shop() as (there, server):
        await begin(there)
        async with traefik(path, server, NS, tmp_path) as port:
            await an_experiment(there, port, is_won=False)
