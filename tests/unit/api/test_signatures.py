"""Whose signature counts, and what is said of the others, as Argo CD words it."""

from typing import Any

import pytest
from msgspec import convert

from shipway.api.application import ProjectSpec, parse_project
from shipway.api.commits import Signature
from shipway.api.signatures import SignaturePolicy, policy_of, refusal_of_signature
from shipway.base.errors import InvalidInput
from shipway.gitops.project import problems

FINGERPRINT, PRIMARY = "AAAA" * 6 + "4AEE18F83AFDEB23", "BBBB" * 6 + "07E34825A909B250"
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
GOOD = Signature("good", "RSA", (FINGERPRINT, PRIMARY))
GOOD_SSH = Signature("good", "ED25519", ("SHA256:abc", SSH))
NOT_ALLOWED = "Found good signature made with RSA key 4AEE18F83AFDEB23, but this key is not allowed in AppProject"


def policy(*keys: str, signers: str | None = None) -> SignaturePolicy:
    annotations = {} if signers is None else {"shipway.dev/allowed-signers": signers}
    spec = {"signatureKeys": [{"keyID": key} for key in keys]}
    project: dict[str, Any] = {"metadata": {"name": "team", "annotations": annotations}, "spec": spec}
    return policy_of(project, parse_project(project))


@pytest.mark.parametrize(
    ("allowed", "signature", "told"),
    [
        (policy("4aee18f83afdeb23"), GOOD, ""),
        (policy("0x4AEE18F83AFDEB23"), GOOD, ""),
        (policy(PRIMARY), GOOD, ""),
        (policy("1111111111111111"), GOOD, NOT_ALLOWED),
        (policy("1111111111111111", signers=f"dev@x {SSH} laptop"), GOOD_SSH, ""),
        (policy(signers=f"# team\n\ndev@x,* {SSH}\n"), GOOD, NOT_ALLOWED),
        (
            policy("4AEE18F83AFDEB23"),
            GOOD_SSH,
            "Found good signature made with ED25519 key SHA256:abc, but this key is not allowed in AppProject",
        ),
        (policy(PRIMARY), Signature("none"), "Target revision v1 in Git is not signed, but a signature is required"),
        (
            policy(PRIMARY),
            Signature("invalid", "", (FINGERPRINT,), "the key has expired"),
            "Found signature made with key 4AEE18F83AFDEB23, but verification result was invalid: 'the key has expired'",
        ),
        (policy(PRIMARY), Signature("unknown", message="why"), "Could not verify commit signature on revision 'v1': why"),
    ],
)
@pytest.mark.compat("argocd:project.signatureKeys")
def test_whose_signature_counts(allowed: SignaturePolicy, signature: Signature, told: str) -> None:
    assert allowed.is_required
    assert refusal_of_signature(allowed, signature, "v1") == told


def test_without_keys_nothing_is_required() -> None:
    assert not policy().is_required


@pytest.mark.parametrize(
    ("signers", "told"),
    [
        ("dev@x ssh-ed25519", "line 1 names no SSH key: write `name ssh-ed25519 AAAA…`"),
        (f"# one\ndev@x cert-authority {SSH}", "line 2 names no SSH key"),
        (f'dev@x valid-before="2020" {SSH}', "line 1 names no SSH key"),
        ("", "it names no key that may sign for Git: nothing could be synced"),
        (f'dev@x namespaces="file" {SSH}', "it names no key that may sign for Git"),
    ],
)
def test_a_list_of_signers_that_cannot_be_read_is_refused(signers: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        policy(signers=signers)
    assert caught.value.message.startswith("annotation shipway.dev/allowed-signers: ")
    assert told in caught.value.message


def test_signers_may_be_for_git_among_others() -> None:
    assert policy(signers=f'dev@x namespaces="file, git" {SSH}').ssh == (SSH,)


@pytest.mark.parametrize("key", ["", "3AFDEB23", "4AEE18F83AFDEB2G", "dev@example.com"])
@pytest.mark.compat("argocd:project.signatureKeys")
def test_a_key_id_that_never_fits_is_told(key: str) -> None:
    (told,) = problems(convert({"signatureKeys": [{"keyID": key}]}, ProjectSpec), "team")
    assert told.startswith(f"AppProject team: spec.signatureKeys[0].keyID: {key!r} is no id of an OpenPGP key: write the last")
