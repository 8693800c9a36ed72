"""Helm 3 and 4, unmodified, take one chart with hooks and a test through its life; Helm 4 on a real cluster too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.programs import Program
from tests.waiting import comes_to

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.proves("clients:helm-3-and-4"),
]

CHART = str(Path(__file__).parent / "chart")
WAIT = ("--wait", "--timeout=90s")


@pytest.fixture
def helm(request: pytest.FixtureRequest, client_program: Callable[[str], Program]) -> Program:
    return client_program(request.param)


@pytest.fixture
def kubectl(client_program: Callable[[str], Program]) -> Program:
    return client_program("kubectl")


on_both = pytest.mark.parametrize(
    ("cluster", "helm"), [("embedded", "helm"), ("embedded", "helm3"), ("real", "helm")], indirect=True
)
# Helm looks at ReplicaSets; what the Deployment says of itself follows.
IMAGE = ("get", "deploy", "shop", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.availableReplicas}")


@on_both
async def test_the_life_of_a_release(helm: Program, kubectl: Program) -> None:
    said = await helm.ok("install", "shop", CHART, *WAIT)
    assert "STATUS: deployed" in said
    assert "The shop runs shop/web:v1." in said
    await comes_to("shop/web:v1 2", lambda: kubectl.ok(*IMAGE))
    assert await kubectl.ok("get", "job", "shop-migrate", "-o", "jsonpath={.status.succeeded}") == "1"

    await helm.ok("upgrade", "shop", CHART, "--set=image=shop/web:v2,replicas=3", *WAIT)
    await comes_to("shop/web:v2 3", lambda: kubectl.ok(*IMAGE))
    assert "shop/web:v2" in await helm.ok("get", "values", "shop")
    assert "image: shop/web:v2" in await helm.ok("get", "manifest", "shop")
    assert "helm.sh/hook: pre-install,pre-upgrade" in await helm.ok("get", "hooks", "shop")

    tested = await helm.ok("test", "shop", "--timeout=60s")
    assert "Phase:          Succeeded" in tested

    await helm.ok("rollback", "shop", "1", *WAIT)
    await comes_to("shop/web:v1 2", lambda: kubectl.ok(*IMAGE))
    assert await kubectl.ok("get", "cm", "shop-rolled-back", "-o", "jsonpath={.data.to}") == "shop/web:v1"
    history = json.loads(await helm.ok("history", "shop", "-o", "json"))
    assert [(row["revision"], row["status"]) for row in history] == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert json.loads(await helm.ok("list", "-o", "json"))[0]["revision"] == "3"

    assert 'release "shop" uninstalled' in await helm.ok("uninstall", "shop", *WAIT)
    left = ("get", "deploy,svc,secret,pods", "-l", "app=shop", "-o", "name")
    await comes_to("", lambda: kubectl.ok(*left))  # pods go after what made them
    assert await kubectl.ok("get", "jobs", "-o", "name") == "job.batch/shop-migrate\n"
    assert await helm.ok("list", "-q") == ""


@pytest.mark.parametrize(("cluster", "helm"), [("embedded", "helm")], indirect=True)
async def test_what_fails_leaves_what_runs(helm: Program, kubectl: Program) -> None:
    await helm.ok("install", "shop", CHART, *WAIT)
    said = await helm.fails("upgrade", "shop", CHART, "--set=image=shop/web:v2,migration=exit 3", *WAIT)
    assert "pre-upgrade hooks failed" in said
    await comes_to("shop/web:v1 2", lambda: kubectl.ok(*IMAGE))
    said = await helm.fails("upgrade", "shop", CHART, "--set=image=shop/web:missing", "--no-hooks", "--wait", "--timeout=3s")
    assert "UPGRADE FAILED" in said
    await comes_to("shop/web:missing 2", lambda: kubectl.ok(*IMAGE))
    history = json.loads(await helm.ok("history", "shop", "-o", "json"))
    assert [row["status"] for row in history] == ["deployed", "failed", "failed"]
