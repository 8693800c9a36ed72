"""Laws of the ground floor: what is written can be read back, names depend on all their parts and only on them."""

from hypothesis import given
from hypothesis import strategies as st

from shipway.base.clock import parse_rfc3339, rfc3339, rfc3339_micro
from shipway.base.durations import format_age, format_duration, parse_duration
from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound, NotYet, ShipwayError, Unavailable, verdict
from shipway.base.ids import SAFE_ALPHABET, derived_suffix, digest
from tests.effort import CHARACTERS

NANOSECONDS = st.integers(min_value=-(10**15), max_value=10**15)
INSTANTS = st.integers(min_value=0, max_value=4102444800)
PARTS = st.lists(st.text(CHARACTERS, max_size=8), min_size=1, max_size=4)


@given(NANOSECONDS)
def test_a_printed_duration_reads_as_itself(nanoseconds: int) -> None:
    assert round(parse_duration(format_duration(nanoseconds / 1e9)) * 1e9) == nanoseconds


@given(st.text(CHARACTERS))
def test_reading_a_duration_gives_a_number_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert text in str(error)
    else:
        assert abs(seconds) < 2**63 / 1e9


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=10**9))
def test_ages_are_short_and_never_lie_upwards(one: int, two: int) -> None:
    def seconds(age: str) -> float:
        days, _, rest = age.partition("y") if "y" in age else ("0", "", age)
        more, _, rest = rest.partition("d") if "d" in rest else ("0", "", rest)
        return int(days) * 31536000 + int(more or 0) * 86400 + (parse_duration(rest) if rest else 0)

    older, younger = max(one, two), min(one, two)
    assert len(format_age(older)) <= 7
    assert seconds(format_age(younger)) <= seconds(format_age(older)) <= older


@given(INSTANTS, st.integers(min_value=0, max_value=999_999))
def test_times_read_back(seconds: int, micros: int) -> None:
    assert parse_rfc3339(rfc3339(seconds)) == seconds
    assert abs(parse_rfc3339(rfc3339_micro(seconds + micros / 1e6)) - (seconds + micros / 1e6)) <= 1e-6


@given(PARTS, PARTS)
def test_equal_names_come_from_equal_parts(one: list[str], two: list[str]) -> None:
    assert (digest(*one, length=32) == digest(*two, length=32)) == (one == two)
    assert (derived_suffix(*one) == derived_suffix(*two)) == (one == two)
    assert set(derived_suffix(*one)) <= set(SAFE_ALPHABET) and len(derived_suffix(*one)) == 10


@given(
    st.sampled_from([InvalidInput, Denied, NotYet, Conflict, NotFound, Unavailable, ValueError, OSError]), st.text(CHARACTERS)
)
def test_every_exception_has_a_verdict(kind: type[Exception], message: str) -> None:
    found = verdict(kind(message))
    assert found.message.endswith(message)
    assert (found.exit_code == 70) == (not issubclass(kind, ShipwayError))
