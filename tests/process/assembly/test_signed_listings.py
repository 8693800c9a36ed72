"""Git generators where commits have to be signed: real git, gpg and ssh-keygen, and the mirrors that answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shipway.adapters.git.mirrors import Mirrors
from shipway.api.applicationset import PathPattern
from shipway.api.listings import ListingRequest
from shipway.api.signatures import SignaturePolicy
from shipway.appsets.asks import ListingAsk
from shipway.assembly.listings import Listings
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied
from tests.repository import seed
from tests.signing import gpg_keys, sign_with_ssh, ssh_key

UNSIGNED = "Target revision main in Git is not signed, but a signature is required"


class Keyring:
    """What the installation says about repositories: which OpenPGP keys are known, and nothing else."""

    def __init__(self) -> None:
        self.gpg_keys: dict[str, str] = {}

    async def synced(self) -> None:
        return None


class Fleet:
    """A repository with a folder for each application, and whoever asks what is in it."""

    def __init__(self, root: Path) -> None:
        self.copy, self.url = seed(root, "fleet", {"apps/web/config.json": "{}"})
        self.keys = Keyring()
        self._mirrors = Mirrors(root / "mirrors", clock=SystemClock(), fresh_seconds=0.0)
        self._listings = Listings(self._mirrors, self.keys)  # type: ignore[arg-type]
        self._news: list[ListingAsk] = []
        self._mirrors.on_news(lambda news: self._news.extend(self._listings.asks_of(news)))

    async def push(self, *folders: str) -> None:
        files: dict[str, str | bytes | None] = {f"apps/{folder}/config.json": "{}" for folder in folders}
        await asyncio.to_thread(self.copy.commit, files)
        await asyncio.to_thread(self.copy.push)

    async def amend(self) -> list[str]:
        """A push of the same content with another signature; the revisions of the listings that are asked again for it."""
        await asyncio.to_thread(self.copy.git, "commit", "-q", "--amend", "--no-edit", "-S")
        await asyncio.to_thread(self.copy.push)
        self._news.clear()
        self._mirrors.changed(self.url)
        await self._mirrors.look(self.url)
        return [ask.request.revision for ask in self._news]

    async def folders(self, *signed_by: SignaturePolicy, what: Any = "folders", revision: str = "main") -> list[str]:
        pattern = PathPattern("apps/*" if what == "folders" else "apps/*/config.json")
        request = ListingRequest(self.url, revision, what, (pattern,), signed_by)
        listing = await self._listings.listing(ListingAsk(request))
        return [one.path.split("/")[1] for one in listing.found]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.compat("argocd:appset.git.signatureKeys")
@pytest.mark.parametrize("what", ["folders", "files"])
async def test_only_what_an_allowed_key_has_signed_is_read(fleet: Fleet, what: str) -> None:
    with gpg_keys() as gpg:
        first, other = gpg.make("dev@example.com"), gpg.make("other@example.com")
        policy = SignaturePolicy(gpg=(first[-16:],))
        assert await fleet.folders(what=what) == ["web"]
        with pytest.raises(Denied, match=UNSIGNED):
            await fleet.folders(policy, what=what)

        await asyncio.to_thread(gpg.sign_for, fleet.copy, first)
        await fleet.push("api")
        with pytest.raises(Denied, match="no public key is known"):
            await fleet.folders(policy, what=what)
        fleet.keys.gpg_keys = {"one": gpg.armored(first), "two": gpg.armored(other)}
        assert await fleet.folders(policy, what=what) == ["api", "web"]

        await asyncio.to_thread(gpg.sign_for, fleet.copy, other)
        await fleet.push("evil")
        told = f"Found good signature made with EDDSA key {other[-16:]}, but this key is not allowed in AppProject"
        with pytest.raises(Denied, match=told):
            await fleet.folders(policy, what=what)
        assert await fleet.folders(SignaturePolicy(gpg=(other[-16:],)), what=what) == ["api", "evil", "web"]
        with pytest.raises(Denied, match=told):
            await fleet.folders(SignaturePolicy(gpg=(other[-16:],)), policy, what=what)

        fleet.keys.gpg_keys = {}
        with pytest.raises(Denied, match="Could not verify"):
            await fleet.folders(policy, what=what)


async def test_a_push_elsewhere_needs_no_signature_as_long_as_what_is_seen_was_signed(fleet: Fleet) -> None:
    """What counts is who vouched for what is read, as for an Application, and not whose commit happens to be the last."""
    with gpg_keys() as gpg:
        dev = gpg.make("dev@example.com")
        policy = SignaturePolicy(gpg=(dev[-16:],))
        fleet.keys.gpg_keys = {"dev": gpg.armored(dev)}
        await asyncio.to_thread(gpg.sign_for, fleet.copy, dev)
        await fleet.push("api")
        assert await fleet.folders(policy) == ["api", "web"]
        fleet.copy.git("config", "commit.gpgSign", "false")
        await asyncio.to_thread(fleet.copy.commit, {"docs/readme.md": "words"})
        await asyncio.to_thread(fleet.copy.push)
        assert await fleet.folders(policy) == ["api", "web"]
        assert await fleet.folders(policy) == ["api", "web"]
        await fleet.push("evil")
        for _ in range(2):
            with pytest.raises(Denied, match=UNSIGNED):
                await fleet.folders(policy)


async def test_keys_of_ssh_sign_too_and_a_tag_is_vouched_for_by_its_own_signature(fleet: Fleet, tmp_path: Path) -> None:
    key, public = ssh_key(tmp_path, "laptop")
    policy = SignaturePolicy(ssh=(public,))
    sign_with_ssh(fleet.copy, key)
    await asyncio.to_thread(fleet.copy.git, "tag", "-a", "v1", "-m", "one")
    await asyncio.to_thread(fleet.copy.push, "v1")
    assert await fleet.folders(policy, revision="v1") == ["web"]
    with pytest.raises(Denied, match=UNSIGNED):
        await fleet.folders(policy)
    assert await fleet.amend() == ["main"], "whoever was refused is told of what only signs"
    assert await fleet.folders(policy) == ["web"]
    fleet.copy.git("config", "user.email", "second@example.com")
    await asyncio.to_thread(fleet.copy.git, "commit", "-q", "--amend", "--no-edit", "--reset-author", "-S")
    assert await fleet.amend() == [], "which is no news to anybody else"
    await fleet.push("api")
    assert await fleet.folders(policy) == ["api", "web"]


@pytest.mark.compat("argocd:project.sourceIntegrity")
async def test_where_a_project_is_strict_every_commit_counts_that_led_there(fleet: Fleet, tmp_path: Path) -> None:
    key, public = ssh_key(tmp_path, "laptop")
    strict = SignaturePolicy(ssh=(public,), is_of_git=True, is_strict=True)
    sign_with_ssh(fleet.copy, key)
    await fleet.push("api")
    assert await fleet.folders(SignaturePolicy(ssh=(public,))) == ["api", "web"]
    with pytest.raises(Denied, match="Failed verifying revision"):
        await fleet.folders(strict)
