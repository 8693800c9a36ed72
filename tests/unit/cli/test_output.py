"""Tables, formats and colours."""

import io

import orjson
import pytest

from shipway.base.clock import Instant
from shipway.cli.durations import read_duration
from shipway.cli.output import Column, Paint, age, kubectl_name, listing, object_text, paint_for, print_list, since, table
from shipway.kube.objects.views import name_of
from tests.unit.cli.objects import NOW

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "creationTimestamp": "2026-11-21T09:58:00Z", "managedFields": [{"manager": "x"}]},
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell_and_nothing_trails() -> None:
    assert table(["NAME", "SYNC"], [["a-long-name", "Synced"], ["b", ""]]) == [
        "NAME          SYNC",
        "a-long-name   Synced",
        "b",
    ]


def test_states_are_coloured_and_headings_are_not() -> None:
    assert table(["Synced", "NAME"], [["Synced", "x"]], Paint(True)) == ["Synced   NAME", "\x1b[32mSynced\x1b[0m   x"]


@pytest.mark.parametrize(
    ("stream", "environ", "is_on"),
    [
        (io.StringIO(), {}, False),
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
    ids=["pipe", "terminal", "NO_COLOR", "NO_COLOR empty", "dumb"],
)
def test_colours_only_where_a_person_looks(stream: io.StringIO, environ: dict[str, str], is_on: bool) -> None:
    assert paint_for(stream, environ).is_on is is_on


def test_formats_of_one_object_leave_managed_fields_out() -> None:
    slim = {**POD, "metadata": {"name": "web", "creationTimestamp": "2026-11-21T09:58:00Z"}}
    assert orjson.loads(object_text(POD, "json")) == slim
    assert object_text(POD, "yaml").startswith("apiVersion: v1\nkind: Pod\n")
    assert object_text(POD, "name") == "pod/web\n"
    assert listing([POD])["items"] == [slim]


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [("v1", "Pod", "pod/web"), ("argoproj.io/v1alpha1", "Rollout", "rollout.argoproj.io/web")],
)
def test_names_are_those_of_kubectl(api_version: str, kind: str, name: str) -> None:
    assert kubectl_name({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}}) == name


def test_a_list_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    print_list([POD, POD], (Column("NAME", name_of),), "name", empty="none")
    assert capsys.readouterr().out == "pod/web\npod/web\n"


def test_an_empty_list_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_list([], (), "json", empty="none")
    out, err = capsys.readouterr()
    assert (orjson.loads(out)["items"], err) == ([], "")


@pytest.mark.parametrize(
    ("timestamp", "text"), [("2026-11-21T09:58:00Z", "2m"), ("2026-11-18T10:00:00Z", "3d"), ("", ""), ("yesterday", "")]
)
def test_ages(timestamp: str, text: str) -> None:
    assert since(timestamp, NOW) == text


def test_age_of_an_object() -> None:
    assert (age(POD, NOW), age({"metadata": {}}, Instant(0))) == ("2m", "")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("1.5", 1.5), ("30s", 30.0), ("1h30m", 5400.0), ("0", 0.0)])
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "5x", "-5", "-3s", "1.2.3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)
