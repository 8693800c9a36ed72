"""Commits and tags signed by the real gpg and ssh-keygen, verified in our mirror."""

from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from shipway.adapters.git.history import Histories
from shipway.adapters.git.mirrors import Mirrors
from shipway.api.commits import Doubt, HistoryRequest, Signature, SignatureRequest
from shipway.api.sources import HeadRequest
from shipway.base.clock import SystemClock
from tests.repository import WorkingCopy, seed
from tests.signing import GpgKeys, gpg_keys, sign_with_ssh, ssh_key


@pytest.fixture(scope="module")
def keys() -> Iterator[GpgKeys]:
    with gpg_keys() as found:
        yield found


@pytest.fixture(scope="module")
def dev(keys: GpgKeys) -> str:
    return keys.make("dev@example.com")


@pytest.fixture
def shop(tmp_path: Path) -> WorkingCopy:
    return seed(tmp_path, "shop", {"a.yaml": "a: 1\n"})[0]


class Look:
    """Asks for signatures as the engine does."""

    def __init__(self, home: Path, copy: WorkingCopy) -> None:
        self.mirrors = Mirrors(home, clock=SystemClock(), fresh_seconds=0.0)
        self.copy = copy

    async def at(self, revision: str, keyring: dict[str, str] | None = None) -> Signature:
        self.copy.push("main", "--tags")
        head = await self.mirrors.head(HeadRequest(self.copy.url, revision, b"{}"))
        return await self.mirrors.signature(SignatureRequest(self.copy.url, head.commit, head.tag), keyring or {})


@pytest.fixture
def look(tmp_path: Path, shop: WorkingCopy) -> Look:
    return Look(tmp_path / "home", shop)


def changed(copy: WorkingCopy, revision: str) -> str:
    """The same signature over another message, as somebody who may push would try."""
    raw = pygit2.Repository(copy.path).get(copy.git("rev-parse", revision)).read_raw()
    (copy.path / "forged").write_bytes(raw.replace(b"Change", b"Chance"))
    return copy.git("hash-object", "-t", "commit", "-w", "forged")


async def test_an_unsigned_commit_says_so(look: Look) -> None:
    assert await look.at("main") == Signature("none")


async def test_a_commit_signed_by_gpg(look: Look, shop: WorkingCopy, keys: GpgKeys, dev: str) -> None:
    keys.sign_for(shop, dev)
    shop.commit({"a.yaml": "a: 2\n"})
    ring = {dev[-16:]: keys.armored(dev)}
    assert await look.at("main", ring) == Signature("good", "EDDSA", (dev,))
    assert (await look.at("main", {})).message == "no public key is known to verify it with"
    assert "(its entries x hold no armored public key)" in (await look.at("main", {"x": "garbage"})).message
    shop.git("reset", "-q", "--hard", changed(shop, "main"))
    forged = await look.at("main", ring)
    assert (forged.result, forged.message) == ("invalid", "bad signature: what was signed has been changed")


async def test_the_key_of_a_stranger_is_named(look: Look, shop: WorkingCopy, keys: GpgKeys, dev: str) -> None:
    other = keys.make("other@example.com")
    keys.sign_for(shop, other)
    shop.commit({"a.yaml": "a: 2\n"})
    found = await look.at(
        "main", {"dev": keys.armored(dev), "broken": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END PGP"}
    )
    assert (found.result, found.keys) == ("unknown", (other[-16:],))
    assert found.message.startswith(f"the key {other[-16:]} is not in ConfigMap argocd-gpg-keys-cm (its entries broken hold no")


async def test_a_revoked_key_counts_no_more(look: Look, shop: WorkingCopy, keys: GpgKeys) -> None:
    gone = keys.make("gone@example.com")
    keys.sign_for(shop, gone)
    shop.commit({"a.yaml": "a: 2\n"})
    assert (await look.at("main", {"gone": keys.armored(gone)})).result == "good"
    certificate = (keys.home / "openpgp-revocs.d" / f"{gone}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    (keys.home / "revoke.asc").write_text(certificate)
    keys.run("--import", str(keys.home / "revoke.asc"))
    found = await look.at("main", {"gone": keys.armored(gone)})
    assert (found.result, found.message) == ("invalid", "the key has been revoked")


async def test_of_an_annotated_tag_its_own_signature_counts(look: Look, shop: WorkingCopy, keys: GpgKeys, dev: str) -> None:
    shop.git("tag", "-a", "-m", "Unsigned", "v0")
    keys.sign_for(shop, dev)
    ring = {"dev": keys.armored(dev)}
    shop.git("tag", "-s", "-m", "Signed", "v1")
    shop.git("tag", "--no-sign", "plain")
    assert await look.at("v1", ring) == Signature("good", "EDDSA", (dev,))
    assert [(await look.at(one, ring)).result for one in ("v0", "plain", "main")] == ["none", "none", "none"]
    shop.commit({"a.yaml": "a: 2\n"})
    shop.git("tag", "--no-sign", "-a", "-m", "Unsigned tag of a signed commit", "v2")
    assert [(await look.at(one, ring)).result for one in ("v2", "main")] == ["none", "good"]


@pytest.mark.parametrize(("kind", "cipher"), [("ed25519", "ED25519"), ("rsa", "RSA"), ("ecdsa", "ECDSA")])
async def test_ssh_signatures(look: Look, shop: WorkingCopy, tmp_path: Path, kind: str, cipher: str) -> None:
    private, public = ssh_key(tmp_path, kind, kind)
    sign_with_ssh(shop, private)
    shop.commit({"a.yaml": "a: 2\n"})
    shop.git("tag", "-s", "-m", "Signed", "v1")
    for revision in ("main", "v1"):
        found = await look.at(revision)
        assert (found.result, found.cipher, found.keys[1], found.key[:7]) == ("good", cipher, public, "SHA256:")
    shop.git("reset", "-q", "--hard", changed(shop, "main"))
    assert (await look.at("main")).result == "invalid"


async def test_a_damaged_signature_is_unknown(look: Look, shop: WorkingCopy, tmp_path: Path) -> None:
    sign_with_ssh(shop, ssh_key(tmp_path, "dev")[0])
    shop.commit({"a.yaml": "a: 2\n"})
    raw = pygit2.Repository(shop.path).get(shop.git("rev-parse", "main")).read_raw()
    for before, after in ((b"U1NIU0lH", b"U1NIU0lI"), (b"U1NIU0lH", b"****"), (b"BEGIN SSH", b"BEGIN SMH")):
        (shop.path / "forged").write_bytes(raw.replace(before, after))
        shop.git("reset", "-q", "--hard", shop.git("hash-object", "-t", "commit", "-w", "forged"))
        found = await look.at("main")
        assert found.result == "unknown" and found.message, found


class LookBack(Look):
    """Asks for all that led to a revision."""

    async def doubts(self, keyring: dict[str, str], *keys: str) -> list[str]:
        """The subjects of the commits that are doubted, newest first."""
        self.copy.push("main", "--tags")
        head = await self.mirrors.head(HeadRequest(self.copy.url, "main", b"{}"))
        request = HistoryRequest(self.copy.url, head.commit, gpg=tuple(key[-16:] for key in keys))
        found = await self.mirrors.doubts(request, keyring)
        return [self.copy.git("log", "-1", "--format=%s", one.revision) for one in found]


@pytest.fixture
def look_back(tmp_path: Path, shop: WorkingCopy) -> LookBack:
    return LookBack(tmp_path / "home", shop)


def commit(copy: WorkingCopy, message: str) -> None:
    copy.git("commit", "-q", "--allow-empty", "-m", message)


async def test_every_commit_of_a_history_counts_until_one_seals_what_was_before(
    look_back: LookBack, shop: WorkingCopy, keys: GpgKeys, dev: str
) -> None:
    first = shop.git("log", "-1", "--format=%s")
    ring = {"dev": keys.armored(dev)}
    commit(shop, "by nobody\n\nArgocd-gpg-seal: nothing, for it is not signed")
    keys.sign_for(shop, dev)
    commit(shop, "by dev")
    assert await look_back.doubts(ring, dev) == ["by nobody", first]
    commit(shop, "sealed\n\nArgocd-GPG-seal: reviewed")
    commit(shop, "after the seal")
    assert await look_back.doubts(ring, dev) == []
    assert await look_back.doubts({}, dev) == ["after the seal", "sealed", "by dev", "by nobody", first]


async def test_a_seal_by_a_key_that_is_not_allowed_seals_nothing_and_a_merge_brings_its_own_doubts(
    look_back: LookBack, shop: WorkingCopy, keys: GpgKeys, dev: str
) -> None:
    other = keys.make("retired@example.com")
    ring = {"dev": keys.armored(dev), "other": keys.armored(other)}
    keys.sign_for(shop, dev)
    commit(shop, "sealed\n\nArgocd-gpg-seal: the beginning")
    keys.sign_for(shop, other)
    commit(shop, "by other\n\nArgocd-gpg-seal: trust me")
    assert await look_back.doubts(ring, dev) == ["by other"]
    assert await look_back.doubts(ring, dev, other) == []
    assert await look_back.doubts(ring, dev) == ["by other"], "what other keys prove is not proven by this one"
    keys.sign_for(shop, dev)
    shop.git("checkout", "-q", "-b", "side")
    shop.git("-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "on the side")
    shop.git("checkout", "-q", "main")
    commit(shop, "on main")
    shop.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    assert await look_back.doubts(ring, dev, other) == ["on the side"]


async def test_what_is_proven_is_not_verified_again(shop: WorkingCopy, keys: GpgKeys, dev: str) -> None:
    histories = Histories()

    async def doubts() -> tuple[Doubt, ...]:
        repository = pygit2.Repository(str(shop.path))
        request = HistoryRequest(shop.url, str(repository.head.target), gpg=(dev[-16:],))
        return await histories.doubts(repository, request, ring)

    ring = {"dev": keys.armored(dev)}
    keys.sign_for(shop, dev)
    commit(shop, "sealed\n\nArgocd-gpg-seal: the beginning")
    for number in range(5):
        commit(shop, f"change {number}")
    assert (await doubts(), histories.verified) == ((), 6)
    commit(shop, "one more")
    assert (await doubts(), histories.verified) == ((), 7)
