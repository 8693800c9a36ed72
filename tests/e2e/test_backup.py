"""A rollback without Git after the history was lost and put back from a backup, by commands alone."""

import asyncio
import shutil

import pyrage
import pytest

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER
from shipway.api.kinds import APPLICATIONS
from tests.e2e.places import Place, Shell, banner_says, config_map
from tests.e2e.running import app_is, synced_to
from tests.waiting import comes_to

REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


async def both_recorded(place: Place) -> None:
    """Until the ledger of the engine holds both syncs: it takes a moment longer than they do."""
    chain = Chain(Sqlite(place.home / "cache" / "history.db", LEDGER))

    async def count() -> int:
        return len(await chain.read("argocd/shop"))

    await comes_to(2, count)
    await chain.close()


@pytest.mark.timeout(300)
@pytest.mark.proves("fleets:backup")
@pytest.mark.proves("000-21")
async def test_a_rollback_without_git_after_the_history_was_lost_and_put_back(place: Place) -> None:
    shipway, cache, file = Shell(place), place.home / "cache", place.home / "backup.yaml"
    async with place.run() as running:
        await running.ready()
        await place.deliver_app()
        await app_is(place.client, "shop", synced_to(await place.head()))
        commit = await place.push({"deploy/banner.yaml": config_map("two")})
        await place.client.patch(APPLICATIONS, "argocd", "shop", REFRESH)
        await app_is(place.client, "shop", synced_to(commit))
        await both_recorded(place)
        assert (await running.post("/kept", b"who are you", {})).status == 403
        assert await running.end() == 0
    identity = pyrage.x25519.Identity.generate()
    key = place.home / "key.txt"
    await asyncio.to_thread(key.write_text, f"{identity}\n")
    said = await shipway("backup", f"--cache={cache}", "--recipient", str(identity.to_public()), f"--to={file}")
    assert said.code == 0 and said.err.splitlines()[-1] == "2 past deployments and 2 entries of the ledger, sealed", said

    await asyncio.to_thread(shutil.rmtree, cache)
    await place.git.stop()
    for put in (2, 0):
        said = await shipway("restore", f"--from={file}", f"--identity={key}", f"--cache={cache}")
        told = f"{put} past deployments and {put} entries of the ledger were missing and are put back"
        assert said.code == 0 and said.err.splitlines()[-1] == told, said
    verified = await shipway("app", "audit", "shop", "--verify", f"--cache={cache}")
    assert (verified.code, verified.out[:15]) == (0, "2 entries of sh"), verified
    async with place.run() as running:
        await running.ready()
        assert (await shipway("app", "rollback", "shop", "0", "--reason", "two is wrong")).code == 0
        await banner_says(place.client, "one")
        assert await running.end() == 0
    verified = await shipway("app", "audit", "shop", "--verify", f"--cache={cache}")
    assert (verified.code, verified.out[:15]) == (0, "4 entries of sh"), verified
