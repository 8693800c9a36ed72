"""`shipway rollout rehearse`."""

from pathlib import Path

import orjson
import pytest

from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.rollout_rehearse import FiguresFlags, PlayFlags, rehearse_command
from shipway.kube.objects.yaml import dump
from tests.unit.rehearsal.plays import BACKGROUND, STEPS, template
from tests.unit.rollouts.rollout.sandbox import rollout


def manifests(folder: Path) -> list[Path]:
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    files = [folder / "rollout.yaml", folder / "templates.yaml"]
    files[0].write_text(dump({**head, **rollout(*STEPS, routed=True, canary=BACKGROUND)}))
    files[1].write_text(dump(template()))
    return files


def figures(folder: Path, series: object) -> FiguresFlags:
    file = folder / "recorded.json"
    file.write_bytes(orjson.dumps({"series": {"errors": series}}))
    return FiguresFlags(metrics=file, requests_per_second=10)


async def test_a_timeline_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await rehearse_command(filename=manifests(tmp_path), figures=figures(tmp_path, {"fault": 0.3})) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TIME", "WEIGHT", "NEW", "OLD", "STEP", "WHAT"]
    assert lines[-1].startswith("web: aborted after 10s at step 2: pause: 1m, 20 % of the traffic; 10 requests went to the new")
    assert any("errors Failed: [0.3]" in line for line in lines)


async def test_a_timeline_for_programs_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = PlayFlags(svg=tmp_path / "seen.svg")
    given = figures(tmp_path, 0.01)
    assert await rehearse_command(filename=manifests(tmp_path), figures=given, flags=flags, output="json") == 0
    document = orjson.loads(capsys.readouterr().out)
    assert (document["kind"], document["ending"]["outcome"], document["exposed"]) == ("RolloutRehearsal", "promoted", 520.0)
    assert flags.svg is not None
    assert flags.svg.read_text().startswith("<svg")
    asked = PlayFlags(what_if="errors=0..1")
    assert await rehearse_command(filename=manifests(tmp_path), figures=given, flags=asked, output="json") == 1
    assert orjson.loads(capsys.readouterr().out)["whatIf"]["smallest"] == pytest.approx(0.05, abs=0.001)


async def test_requests_are_told_only_where_their_rate_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rate = FiguresFlags(metrics=figures(tmp_path, 0.01).metrics)
    assert await rehearse_command(filename=manifests(tmp_path), figures=rate) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "web: promoted after 2m15s"


async def test_what_cannot_be_rehearsed(tmp_path: Path) -> None:
    files = manifests(tmp_path)
    with pytest.raises(NotFound, match="no Rollout other in"):
        await rehearse_command("other", filename=files)
    with pytest.raises(InvalidInput, match="not both"):
        await rehearse_command(filename=files, figures=FiguresFlags(metrics=files[0], from_prometheus="http://x"))
    with pytest.raises(InvalidInput, match=r"--start: .*RFC 3339"):
        await rehearse_command(filename=files, figures=FiguresFlags(from_prometheus="http://x", start="noon"))
    with pytest.raises(InvalidInput, match=r"recorded\.json: series errors: point 1 is at 0s"):
        await rehearse_command(filename=files, figures=figures(tmp_path, [[5, 1], [0, 1]]))
