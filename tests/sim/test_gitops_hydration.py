"""Applications that are rendered into a branch of another repository, in virtual time, whatever dies on the way."""

import random
from typing import Any

import pytest

from shipway.api.hydration import Hydrated
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.api.sources import Rendered
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.gitops.asks import HydrateAsk, RenderAsk
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.gitops_objects import config
from tests.sim.gitops_world import REPO, World, application, simulate, world

RENDERED = "https://git.test/rendered.git"
FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.03, watch_dropped=0.05, watch_held_back=0.1)


class Branch:
    """What stands behind the question: a branch that holds what each commit renders to. Answers get lost by chance."""

    def __init__(self, there: World, rng: random.Random | None = None) -> None:
        self._there, self._rng = there, rng
        self.repository = there.add_repository(RENDERED, [])
        self.asked: list[HydrateAsk] = []

    async def hydrate(self, ask: HydrateAsk) -> Hydrated:
        self.asked.append(ask)
        rendered: list[Rendered] = [
            await self._there.repository.render(RenderAsk(folder.render)) for folder in ask.request.folders
        ]
        objects = list(rendered[0].objects)
        if self.repository.commits[self.repository.head] != objects:
            self.repository.commit(objects)
        if self._rng is not None and self._rng.random() < 0.3:
            raise Unavailable("the connection broke before the answer came")
        return Hydrated(self.repository.head)


def hydrated(name: str = "shop", **spec: Any) -> Obj:
    hydrator = {
        "drySource": {"repoURL": REPO, "path": "deploy", "targetRevision": "main"},
        "syncSource": {"repoURL": RENDERED, "targetBranch": "env", "path": name},
    }
    return application(name, sourceHydrator=hydrator, **spec)


def coloured(colour: str) -> Obj:
    return {**config(), "data": {"colour": colour}}


def is_hydrated_at(dry: str, sha: str):
    def is_so(app: Obj) -> bool:
        last = dig(app, "status", "sourceHydrator", "lastSuccessfulOperation", default={})
        phase = dig(app, "status", "sourceHydrator", "currentOperation", "phase")
        return (phase, last.get("drySHA"), last.get("hydratedSHA")) == ("Hydrated", dry, sha)

    return is_so


@pytest.mark.compat("argocd:spec.sourceHydrator", "argocd:status.sourceHydrator")
def test_a_group_is_rendered_by_one_question_and_synced_without_being_told_of_the_push() -> None:
    async def story(there: World) -> None:
        branch = Branch(there)
        there.hydrate = branch.hydrate
        for name in ("shop", "other"):
            await there.user.create(APPLICATIONS, hydrated(name, **({} if name == "shop" else {"syncPolicy": {}})))
        for colour in ("blue", "red"):
            dry = await there.push([coloured(colour)])
            for name in ("shop", "other"):
                await there.until(lambda app, dry=dry: is_hydrated_at(dry, branch.repository.head)(app), name=name)
            await there.until(lambda app: dig(app, "status", "sync", "revision") == branch.repository.head)
            await there.settle()
            assert dig(await there.user.get(CONFIG_MAPS, "shop", "settings"), "data", "colour") == colour
        assert {len(ask.request.folders) for ask in branch.asked[-1:]} == {2}
        assert [ask.request.dry_sha for ask in branch.asked].count(there.repository.head) == 1
        there.engine.writes.clear()
        there.restart()
        await there.settle()
        assert there.engine.writes == []  # what is in the branch is not asked again, by no process
        assert branch.asked[-1].request.dry_sha == there.repository.head

    simulate(story, [config()])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_dies_on_the_way_each_content_is_pushed_once(seed: int) -> None:
    async def history() -> None:
        rng = random.Random(seed)
        faulty: list[FaultyTransport] = []

        def wrap(server: Transport, clock: Clock) -> Transport:
            faulty.append(FaultyTransport(server, clock, rng, FAULTS))
            return faulty[0]

        async with world([coloured("0")], wrap=wrap) as there:
            branch = Branch(there, rng)
            there.hydrate = branch.hydrate
            for name in ("shop", "other"):
                await there.user.create(APPLICATIONS, hydrated(name, **({} if name == "shop" else {"syncPolicy": {}})))
            for number in range(1, 6):
                await there.clock.sleep(rng.uniform(0.5, 8.0))
                await there.push([coloured(str((number + 1) // 2))])
            faulty[0].calm()
            dry = there.repository.head
            for name in ("shop", "other"):
                await there.until(lambda app: is_hydrated_at(dry, branch.repository.head)(app), name=name, seconds=600)
            await there.until(lambda app: dig(app, "status", "sync", "revision") == branch.repository.head, seconds=600)
            contents = [content for content in branch.repository.commits.values() if content]
            assert len(contents) == len({str(content) for content in contents})
            assert contents[-1] == there.repository.commits[dry]

    run_in_virtual_time(history())
