"""What plugins print: what it means, and which lies are told apart, each with a sentence."""

import orjson
import pytest

from shipway.adapters.plugins.answers import read_metric_answer, read_step_answer
from shipway.api.metrics import Sample
from shipway.api.plugins import StepReply
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput
from shipway.kube.runtime.decision import Answer
from shipway.rollouts.analysis.measuring import read_answer, with_reading
from shipway.rollouts.analysis.metric import read_metrics


def printed(**answer: object) -> bytes:
    return orjson.dumps(answer)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"phase": "Successful"}, StepReply("Successful")),
        (
            {"phase": "Running", "message": "waits", "requeueAfter": "1m", "status": {"id": 7}},
            StepReply("Running", "waits", 60.0, {"id": 7}),
        ),
        ({"phase": "Running", "requeueAfter": None, "message": None, "status": None}, StepReply("Running")),
        ({"phase": "Failed", "message": "no"}, StepReply("Failed", "no")),
        ({"phase": "Error", "message": "x" * 5000}, StepReply("Error", "x" * 4096 + "… (904 characters more)")),
    ],
)
def test_what_a_step_plugin_says(answer: dict[str, object], reply: StepReply) -> None:
    assert read_step_answer(orjson.dumps(answer), "run") == reply


@pytest.mark.parametrize("op", ["terminate", "abort"])
def test_an_end_is_successful_where_nothing_is_said_and_has_no_second_time(op: str) -> None:
    assert read_step_answer(printed(), op) == StepReply("Successful")
    late = read_step_answer(printed(phase="Running", message="soon"), op)
    assert (late.phase, late.message) == ("Failed", f"{op} answered Running, and is not called a second time: soon")


NO_DOCUMENT = "is not one JSON document"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "printed nothing: print one JSON document"),
        (b"  \n", "printed nothing"),
        (b"done!", NO_DOCUMENT),
        (b'{"phase":"Failed"}\n{"phase":"Successful"}', NO_DOCUMENT),
        (b"\xff\xfe", NO_DOCUMENT),
        (b"[" * 100_000, NO_DOCUMENT),
        (b'["Successful"]', "is not a JSON object"),
        (printed(), "phase is missing: say Running, Successful, Failed or Error"),
        (printed(phase="Done"), "phase 'Done' is unknown: say Running"),
        (printed(phase=["Successful"]), "is unknown"),
        (printed(phase="Successful", requeAfter="3s"), "requeAfter is unknown: there are phase, message, requeueAfter, status"),
        (printed(phase="Successful", message=7), "message is not a text"),
        (printed(phase="Running", requeueAfter=7), "requeueAfter is not a text"),
        (printed(phase="Running", requeueAfter="soon"), "requeueAfter: time: invalid duration"),
        (printed(phase="Running", requeueAfter="-3s"), "requeueAfter is -3s: between 0s and 24h0m0s"),
        (printed(phase="Running", requeueAfter="900h"), "requeueAfter is 900h: between"),
        (printed(phase="Successful", requeueAfter="3s"), "requeueAfter goes with Running only"),
        (printed(phase="Running", status="x"), "status is not an object"),
        (printed(phase="Running", status={"x": "y" * 20_000}), "status has 20008 bytes: at most 16384 are kept"),
    ],
)
def test_lies_of_step_plugins(said: bytes, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_step_answer(said, "run")
    assert told in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("answer", "sample"),
    [
        ({"value": 0.25}, Sample(0.25, "0.25")),
        ({"value": [1, 2.5]}, Sample([1, 2.5], "[1,2.5]")),
        ({"value": "ok"}, Sample("ok", "ok")),
        ({"value": None}, Sample(None, "null")),
        (
            {"value": 3, "phase": "Inconclusive", "message": "hm", "metadata": {"k": "v"}},
            Sample(3, "3", {"k": "v"}, "Inconclusive", "hm"),
        ),
        ({"phase": "Successful"}, Sample(None, "", {}, "Successful")),
        ({"phase": "Running", "resumeAfter": "15s"}, Sample(None, "", {}, "Running", resume_after=15.0)),
        ({"phase": "Running"}, Sample(None, "", {}, "Running", resume_after=10.0)),
    ],
)
def test_what_a_metric_plugin_says(answer: dict[str, object], sample: Sample) -> None:
    assert read_metric_answer(orjson.dumps(answer), "run") == sample


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (printed(), "neither value nor phase"),
        (printed(phase="Pending"), "phase 'Pending' is unknown: say Running, Successful, Failed, Inconclusive or Error"),
        (printed(value=1, metadata={"a": 1}), "metadata is not a map of texts"),
        (printed(value=1, metadata=["a"]), "metadata is not a map of texts"),
        (printed(value=1, metadata={str(n): "" for n in range(40)}), "metadata has 40 entries: at most 32"),
        (printed(value=1, resumeAfter="3s"), "resumeAfter goes with Running only"),
        (printed(phase="Running", resumeAfter="-3s"), "resumeAfter is -3s: between"),
        (b"NaN", NO_DOCUMENT),
    ],
)
def test_lies_of_metric_plugins(said: bytes, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_metric_answer(said, "run")
    assert told in caught.value.message


def test_a_measurement_that_is_ended_ends() -> None:
    assert read_metric_answer(printed(), "terminate") == Sample(None, "", {}, "Successful")
    late = read_metric_answer(printed(phase="Running"), "terminate")
    assert (late.phase, late.message) == ("Error", "terminate answered Running, and is not called a second time")


def test_a_long_measurement_is_cut_once_and_says_how_long_it_was() -> None:
    """By who writes it down: cut twice, it would tell of the length of the first cut."""
    sample = read_metric_answer(orjson.dumps({"value": "x" * 5000, "phase": "Successful"}), "run")
    (metric,) = read_metrics({"spec": {"metrics": [{"name": "long", "provider": {"plugin": {"acme/long": {}}}}]}}, plugins=None)
    reading = read_answer(metric, Answer(value=sample, error=None, at=Instant(0.0)))
    (measurement,) = with_reading(metric, {"name": "long"}, reading, Instant(0.0), Instant(0.0))["measurements"]
    assert measurement["value"] == "x" * 4096 + "… (904 characters more)"
