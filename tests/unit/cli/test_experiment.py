"""The cores of `shipway experiment` against an embedded API server."""

import pytest

from shipway.api.kinds import EXPERIMENTS
from shipway.base.clock import rfc3339
from shipway.base.errors import NotFound
from shipway.cli.experiment import list_experiments, show_experiment, terminate_experiment
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop


async def running(shop: Shop) -> Obj:
    status = {
        "phase": "Running",
        "availableAt": rfc3339(shop.session.clock.now()),
        "templateStatuses": [{"name": "old", "status": "Running", "availableReplicas": 2}],
        "analysisRuns": [{"name": "compare", "phase": "Pending", "analysisRun": "ab-compare"}],
    }
    made = {"apiVersion": EXPERIMENTS.api_version, "kind": EXPERIMENTS.kind, "metadata": {"name": "ab", "namespace": "shop"}}
    return await shop.create(EXPERIMENTS, {**made, "spec": {"templates": [], "duration": "1h"}, "status": status})


async def test_list_and_get_tell_how_it_goes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await running(shop)
    assert await list_experiments(shop.session) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "STATUS", "DURATION", "REMAINING", "AGE"]
    assert row.split()[:3] == ["ab", "Running", "1h"]
    assert row.split()[3] in ("60m", "59m")
    assert await show_experiment(shop.session, "ab") == 0
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines()[-2:]] == [
        ["template", "old", "Running", "2", "available"],
        ["analysis", "compare", "Pending", "ab-compare"],
    ]


async def test_terminate_says_so_in_the_spec(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await running(shop)
    assert await terminate_experiment(shop.session, "ab") == 0
    assert "ab terminated" in capsys.readouterr().out
    assert (await shop.client.get(EXPERIMENTS, "shop", "ab"))["spec"]["terminate"] is True
    with pytest.raises(NotFound, match="Experiment nope not found in namespace shop"):
        await terminate_experiment(shop.session, "nope")
