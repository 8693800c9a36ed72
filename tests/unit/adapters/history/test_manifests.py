"""Manifests of past deployments: kept, sealed, found again, forgotten."""

import asyncio
from pathlib import Path

import pytest

from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.api.sources import Rendered
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, NotFound, Unavailable

NOW = Instant(1_790_000_000.0)
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "correct horse"}}
RENDERED = (Rendered(objects=(SECRET,), source_type="Directory", reads=("apps/web",), warnings=("careful",)),)
THIRD = Deployment("uid-1", "third")


async def test_what_was_kept_comes_back_as_it_was(tmp_path: Path):
    store = Manifests(tmp_path / "history.db", KEY)
    await store.keep(THIRD, RENDERED, NOW)
    await store.keep(THIRD, RENDERED, NOW)
    assert await store.recall(THIRD) == RENDERED
    assert await Manifests(tmp_path / "history.db", KEY).recall(THIRD) == RENDERED


@pytest.mark.proves("gitops:stored-manifests-sealed")
async def test_nothing_can_be_read_on_disk_or_with_another_key(tmp_path: Path):
    await Manifests(tmp_path / "history.db", KEY).keep(THIRD, RENDERED, NOW)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"correct horse" not in written and b"password" not in written
    with pytest.raises(InvalidInput) as caught:
        await Manifests(tmp_path / "history.db", b"another key" * 4).recall(THIRD)
    assert caught.value.reason == "NotReadable"


async def test_one_deployments_text_does_not_count_for_another(tmp_path: Path):
    store = Manifests(tmp_path / "history.db", KEY)
    await store.keep(THIRD, RENDERED, NOW)
    store._run("update deployments set identity = 'other' where identity = ?", ("third",))
    with pytest.raises(InvalidInput):
        await store.recall(Deployment("uid-1", "other"))


async def test_what_the_history_forgets_is_forgotten(tmp_path: Path):
    store = Manifests(tmp_path / "history.db", KEY)
    for number in range(4):
        await store.keep(Deployment("uid-1", str(number)), RENDERED, NOW)
    await store.keep(Deployment("uid-2", "0"), RENDERED, NOW)
    await store.forget_all_but("uid-1", {"2", "3"})
    assert [await store.is_kept(Deployment("uid-1", str(number))) for number in range(4)] == [False, False, True, True]
    assert await store.is_kept(Deployment("uid-2", "0"))
    with pytest.raises(NotFound):
        await store.recall(Deployment("uid-1", "0"))


async def test_several_at_once(tmp_path: Path):
    store = Manifests(tmp_path / "history.db", KEY)
    await asyncio.gather(*(store.keep(Deployment("uid", str(number)), RENDERED, NOW) for number in range(20)))
    assert all(await asyncio.gather(*(store.is_kept(Deployment("uid", str(number))) for number in range(20))))


async def test_a_disk_that_fails_is_the_remotes_fault(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        await Manifests(tmp_path / "file" / "history.db", KEY).keep(THIRD, RENDERED, NOW)
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable):
        await Manifests(tmp_path / "broken.db", KEY).recall(THIRD)
