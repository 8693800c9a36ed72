"""What a repository Secret says, and what nobody may read out of it by accident."""

import base64
from typing import Any

import pytest

from shipway.api.repositories import Credentials, Repository, parse_repository


def secret(values: dict[str, str], kind: str = "repository") -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": "shop", "labels": {"argocd.argoproj.io/secret-type": kind}}, "data": data}


def test_every_field_that_counts() -> None:
    values = {
        "url": " https://git.example/shop ",
        "name": "the shop",
        "type": "helm",
        "project": "shop",
        "username": "me",
        "password": "p",
        "bearerToken": "b",
        "sshPrivateKey": "k",
        "tlsClientCertData": "c",
        "tlsClientCertKey": "ck",
        "insecure": "true",
        "forceHttpBasicAuth": "1",
        "enableLfs": "True",
        "proxy": "http://proxy",
        "noProxy": "a,b",
    }
    assert parse_repository(secret(values)) == Repository(
        url="https://git.example/shop",
        secret="shop",
        name="the shop",
        type="helm",
        project="shop",
        credentials=Credentials(
            username="me",
            password="p",
            bearer_token="b",
            ssh_key="k",
            client_cert="c",
            client_key="ck",
            insecure=True,
            force_basic=True,
            lfs=True,
            proxy="http://proxy",
            no_proxy="a,b",
            project="shop",
        ),
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"githubAppID": "1"}, "Secret shop: githubAppPrivateKey is missing: a GitHub App logs in by its id and"),
        ({"githubAppInstallationID": "7", "githubAppPrivateKey": "k"}, "Secret shop: githubAppID is missing"),
        ({"githubAppID": "1", "githubAppInstallationID": "x", "githubAppPrivateKey": "k"}, "are the numbers that GitHub shows"),
        (
            {"githubAppID": "1", "githubAppPrivateKey": "k", "githubAppEnterpriseBaseUrl": "ghe.example"},
            "githubAppEnterpriseBaseUrl is no URL",
        ),
        ({"gcpServiceAccountKey": "k"}, "Secret shop: gcpServiceAccountKey is not supported yet: log in by password"),
        ({"useAzureWorkloadIdentity": "true"}, "useAzureWorkloadIdentity is not supported yet"),
        ({"insecure": "yes"}, "Secret shop: insecure must be true or false"),
        ({"tlsClientCertData": "c"}, "tlsClientCertData and tlsClientCertKey belong together"),
        ({"useAzureWorkloadIdentity": "false", "insecureIgnoreHostKey": "false"}, ""),
    ],
)
def test_what_cannot_be_used_is_said(values: dict[str, str], says: str) -> None:
    found = parse_repository(secret({"url": "https://git.example/shop", **values}))
    assert found is not None
    assert says in found.problem
    assert bool(says) == bool(found.problem)


def test_other_secrets_are_none() -> None:
    assert parse_repository(secret({"url": "https://x"}, "cluster")) is None
    assert parse_repository(secret({})) is None
    assert parse_repository({"metadata": {"name": "shop"}}) is None


def test_a_secret_is_not_printed() -> None:
    found = parse_repository(secret({"url": "https://me:hidden@git.example", "password": "hidden", "sshPrivateKey": "hidden"}))
    assert found is not None
    assert "hidden" not in f"{found!r} {found} {found.credentials!r} {[found.credentials]}"


def test_a_template_lends_what_is_missing() -> None:
    template = Credentials(username="bot", password="t", proxy="http://p", insecure=True, force_basic=True)
    assert Credentials(lfs=True).over(template) == Credentials(
        username="bot", password="t", proxy="http://p", force_basic=True, lfs=True
    )
    own = Credentials(password="mine")
    assert own.over(template) == own
