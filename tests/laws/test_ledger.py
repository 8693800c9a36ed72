"""Laws of the ledger's chain: whatever is done to its rows afterwards is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shipway.api.ledger import START, Entry, Place, Row, first_break, hash_of, row_after

ENTRIES = st.builds(
    Entry,
    id=st.text(min_size=1, max_size=8),
    verb=st.sampled_from(["sync", "rollback", "set"]),
    by=st.text(max_size=8),
    reason=st.text(max_size=12),
    counts=st.dictionaries(st.sampled_from(["created", "pruned"]), st.integers(0, 9)),
    prior=st.lists(st.text(max_size=4), max_size=2).map(tuple),
)


def chained(entries: list[Entry], place: Place = START, chain: str = "uid") -> list[Row]:
    rows: list[Row] = []
    for number, entry in enumerate(entries):
        rows.append(row_after(place, chain, "argocd/shop", replace(entry, id=f"{number}"), "2026-01-01T00:00:00Z"))
        place = end_of(rows)
    return rows


def end_of(rows: list[Row]) -> Place:
    return Place(rows[-1].sequence, rows[-1].hash)


CHAINS = st.lists(ENTRIES, min_size=1, max_size=8).map(chained)


@given(CHAINS)
def test_what_nobody_touched_fits(rows: list[Row]) -> None:
    assert first_break(rows, end_of(rows), rows[-1].entry) is None
    assert all(one.told.id == one.entry for one in rows)


@given(CHAINS, st.data())
@pytest.mark.proves("000-21")
def test_an_edit_of_any_field_is_found(rows: list[Row], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(["chain", "entry", "subject", "previous", "hash", "body"]))
    value = data.draw(st.text(max_size=80).filter(lambda text: text != getattr(rows[number], field)))
    found = first_break([*rows[:number], replace(rows[number], **{field: value}), *rows[number + 1 :]], end_of(rows))
    assert found is not None and found.sequence in (number + 1, number + 2)


@given(CHAINS, st.data())
@pytest.mark.proves("000-21")
def test_a_row_that_is_taken_out_is_found(rows: list[Row], data: st.DataObject) -> None:
    """Also at the end, by what the Application remembers of the chain or by its last operation."""
    number = data.draw(st.integers(0, len(rows) - 1))
    left = [*rows[:number], *rows[number + 1 :]]
    assert first_break(left, end_of(rows)) is not None
    assert first_break(left, START, rows[-1].entry) is not None


@given(CHAINS.filter(lambda rows: len(rows) > 1), st.data())
@pytest.mark.proves("000-21")
def test_two_rows_that_change_places_are_found(rows: list[Row], data: st.DataObject) -> None:
    """Whether with their numbers or without them."""
    one, other = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2, unique=True)))
    moved = list(rows)
    moved[one], moved[other] = rows[other], rows[one]
    assert first_break(moved, end_of(rows)) is not None
    moved[one], moved[other] = replace(rows[other], sequence=one + 1), replace(rows[one], sequence=other + 1)
    assert first_break(moved, end_of(rows)) is not None


@given(CHAINS, ENTRIES, st.data())
@pytest.mark.proves("000-21")
def test_a_chain_that_was_made_anew_is_found_by_what_the_application_remembers(
    rows: list[Row], other: Entry, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(rows) - 1))
    entries = [one.told for one in rows]
    entries[number] = replace(other, message="another one")
    anew = chained(entries)
    assert first_break(anew) is None, "it fits by itself"
    assert first_break(anew, end_of(rows)) is not None


@given(CHAINS, ENTRIES)
def test_a_chain_goes_on_where_that_of_an_earlier_application_ended(rows: list[Row], entry: Entry) -> None:
    after = chained([entry], end_of(rows), "another uid")
    assert first_break(after, end_of(after), earlier={one.hash for one in rows}) is None
    lost = first_break(after, end_of(after))
    assert lost is not None and "is missing" in lost.what


@given(CHAINS)
def test_the_hash_is_over_the_row_before_as_well(rows: list[Row]) -> None:
    assert len({one.hash for one in rows}) == len(rows)
    assert all(one.hash == hash_of(one.previous, one.body) for one in rows)


@given(CHAINS.filter(lambda rows: len(rows) > 1), st.data())
@pytest.mark.proves("000-21")
def test_what_was_cut_off_is_no_hole_and_nothing_else_is_taken_for_it(rows: list[Row], data: st.DataObject) -> None:
    through = rows[data.draw(st.integers(0, len(rows) - 2))]
    cut = Entry("the cut", "cut", cut=Place(through.sequence, through.hash))
    told = [*rows, row_after(end_of(rows), "uid", "argocd/shop", cut, "2026-01-01T00:00:00Z")]
    left = told[through.sequence :]
    assert first_break(told, end_of(rows)) is None, "written down, not carried out yet"
    assert first_break(left, end_of(rows)) is None
    assert first_break(left, Place(through.sequence, through.hash)) is not None, "it was still remembered"
    assert first_break(left[1:], end_of(told)) is not None, "one more is gone"
    assert first_break(left[:-1], end_of(rows)) is not None, "nobody says that it was cut off"
    number = data.draw(st.integers(0, len(left) - 1))
    assert first_break([*left[:number], *left[number + 1 :]], end_of(told)) is not None
    forged = replace(left[-1], body=left[-1].body.replace(through.hash, "0" * 64))
    assert first_break([*left[:-1], forged], end_of(rows)) is not None
