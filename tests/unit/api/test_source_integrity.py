"""Whose signature counts, by repository."""

from typing import Any

import pytest

from shipway.api.application import parse_project
from shipway.api.commits import Doubt, Signature
from shipway.api.signatures import SignaturePolicy, key_problems, policy_of, refusal_of_history
from shipway.kube.objects.resource import Obj

KEY, OTHER = "4AEE18F83AFDEB23", "07E34825A909B250"
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
REPO = "https://git.test/shop.git"


def rule(mode: str, *keys: str, repos: list[str] | None = None) -> Obj:
    return {"repos": ["*"] if repos is None else repos, "gpg": {"mode": mode, "keys": list(keys)}}


def project(*policies: Obj, signers: str = "", **spec: Any) -> Obj:
    annotations = {"shipway.dev/allowed-signers": signers} if signers else {}
    integrity = {"git": {"policies": list(policies)}}
    return {"metadata": {"name": "team", "annotations": annotations}, "spec": {"sourceIntegrity": integrity, **spec}}


def policy(*policies: Obj, signers: str = "", **spec: Any) -> SignaturePolicy:
    written = project(*policies, signers=signers, **spec)
    return policy_of(written, parse_project(written))


@pytest.mark.parametrize(
    ("written", "gpg"),
    [
        (policy(rule("head", KEY)), (KEY,)),
        (policy(rule("head", KEY, repos=["https://git.test/*"]), rule("head", OTHER)), (KEY,)),
        (policy(rule("head", KEY, repos=["https://git.test/SHOP"])), (KEY,)),
        (policy(rule("head", KEY, repos=["https://git.test/other"]), rule("head", f"0x{OTHER.lower()}")), (OTHER,)),
        (policy(rule("none", repos=["https://git.test/shop"]), rule("head", KEY)), ()),
        (policy(rule("head", KEY, repos=["https://elsewhere.test/*"])), ()),
        (policy(rule("head", KEY, repos=["https://elsewhere.test/*"]), signatureKeys=[{"keyID": OTHER}]), (OTHER,)),
        (policy(rule("head", KEY), signatureKeys=[{"keyID": OTHER}]), (KEY,)),
        (policy(), ()),
    ],
)
@pytest.mark.compat("argocd:project.sourceIntegrity")
def test_the_first_policy_that_speaks_of_a_repository_counts(written: SignaturePolicy, gpg: tuple[str, ...]) -> None:
    found = written.of(REPO)
    assert found.gpg == gpg
    assert found.is_required is bool(gpg)


def test_ssh_keys_are_enough_where_a_signature_is_asked_for_and_charts_are_not_asked() -> None:
    written = policy(rule("none", repos=["*docs*"]), rule("head", KEY, repos=["*git.test*"]), signers=f"dev@x {SSH}")
    found = written.of(REPO)
    assert (found.gpg, found.ssh, found.is_of_git) == ((KEY,), (SSH,), True)
    assert not written.of("https://git.test/docs").is_required
    other = written.of("https://elsewhere.test/x")
    assert (other.ssh, other.is_required, other.is_of_git) == ((SSH,), True, False)


@pytest.mark.compat("argocd:project.sourceIntegrity")
def test_strict_asks_for_all_that_led_to_a_revision() -> None:
    written = policy(rule("strict", KEY, repos=["*git.test*"]), rule("head", OTHER), signers=f"dev@x {SSH}")
    found = written.of(REPO)
    assert (found.gpg, found.ssh, found.is_strict) == ((KEY,), (SSH,), True)
    assert not written.of("https://elsewhere.test/x").is_strict


def test_a_history_is_refused_commit_by_commit_and_a_key_once() -> None:
    doubts = [
        Doubt("c3", "Eve <e@x>", Signature("good", "RSA", ("A" * 40,))),
        Doubt("c2", "Eve <e@x>", Signature("good", "RSA", ("A" * 40,))),
        Doubt("c1", "Bob <b@x>", Signature("none")),
        Doubt("c0", "Bob <b@x>", Signature("none")),
        Doubt("b9", "Ann <a@x>", Signature("invalid", "RSA", ("B" * 40,), "the key has expired")),
    ]
    assert refusal_of_history(doubts).split(". ") == [
        "Failed verifying revision c3 by 'Eve <e@x>': signed with a key that is not allowed (key_id=AAAAAAAAAAAAAAAA)",
        "Failed verifying revision c1 by 'Bob <b@x>': unsigned (key_id=)",
        "Failed verifying revision c0 by 'Bob <b@x>': unsigned (key_id=)",
        "Failed verifying revision b9 by 'Ann <a@x>': the key has expired (key_id=BBBBBBBBBBBBBBBB)",
    ]
    assert refusal_of_history([]) == ""


@pytest.mark.parametrize(
    ("integrity", "told"),
    [
        ({"git": {"policies": [rule("strict")]}}, "git.policies[0].gpg.keys: without a key nothing could be synced"),
        ({"git": {"policies": [rule("head")]}}, "git.policies[0].gpg.keys: without a key nothing could be synced"),
        ({"git": {"policies": [rule("head", "x")]}}, "git.policies[0].gpg.keys[0]: 'x' is no id of an OpenPGP key"),
        ({"git": {"policies": [rule("head", KEY, repos=["!a"])]}}, "git.policies[0].repos: '!a': nothing is excluded here"),
        ({"git": {"policies": [rule("head", KEY, repos=["["])]}}, "git.policies[0].repos: '['"),
        ({"git": {"policies": [rule("all", KEY)]}}, "git.policies[0].gpg.mode: invalid enum value 'all'"),
        ({"git": {"policies": [{"repos": ["*"]}]}}, "git.policies[0]: object missing required field `gpg`"),
        ({"oci": {}}, ": object contains unknown field `oci`"),
        ({"git": {"policies": [{**rule("none"), "ssh": {}}]}}, "git.policies[0]: object contains unknown field `ssh`"),
    ],
)
@pytest.mark.compat("argocd:project.sourceIntegrity")
def test_what_cannot_be_mapped_is_refused_by_name(integrity: Obj, told: str) -> None:
    (found,) = key_problems(parse_project({"spec": {"sourceIntegrity": integrity}}))
    assert found.removeprefix("sourceIntegrity").removeprefix(".").startswith(told)
