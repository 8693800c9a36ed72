"""The smallest fault that would have been caught, and the picture."""

import xml.etree.ElementTree as ET

import pytest

from shipway.base.errors import InvalidInput
from shipway.rehearsal.drawing import draw
from shipway.rehearsal.what_if import read_what_if, smallest_caught
from tests.unit.rehearsal.plays import play, played

SHORT = ({"setWeight": 50}, {"pause": {"duration": "15s"}})


@pytest.mark.parametrize(
    ("asked", "smallest", "sentence"),
    [
        ("errors=0..1", 0.0500, "the smallest errors that would have been caught is 0.05"),
        ("errors=0..0.04", None, "no errors from 0 to 0.04 would have been caught: promoted"),
        ("errors=0.2..1", 0.2, "even errors = 0.2 is thrown out: begin the range at a value that is good"),
    ],
)
def test_the_threshold_is_found_from_outside(asked: str, smallest: float | None, sentence: str) -> None:
    found = smallest_caught(play(*SHORT), read_what_if(asked))
    assert sentence in found.sentence
    assert found.smallest == (pytest.approx(smallest, abs=1 / 4096) if smallest is not None else None)
    assert smallest is None or found.smallest is None or found.smallest > 0.05


@pytest.mark.parametrize("text", ["errors", "errors=1", "errors=a..b", "=0..1", "errors=1..1"])
def test_a_question_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"write METRIC=GOOD\.\.BAD"):
        read_what_if(text)


def test_the_picture_has_the_weights_the_measurements_and_the_abort() -> None:
    seen = played(*SHORT, series={"fault": 0.3})
    picture = ET.fromstring(draw(seen))
    kinds = [element.tag.rpartition("}")[2] for element in picture.iter()]
    assert kinds.count("circle") == len(seen.measurements) > 1
    texts = "".join(picture.itertext())
    assert "aborted at 50 %" in texts
    assert f"{seen.exposed:g} requests to the new version" in texts
    assert draw(seen) == draw(seen)
