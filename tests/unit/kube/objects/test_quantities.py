"""Quantities: their value, and the one spelling of each."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kube.objects.quantities import canonical_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "canonical", "value"),
    [
        ("0", "0", "0"),
        ("0.5", "500m", "0.5"),
        ("1000m", "1", "1"),
        ("1500m", "1500m", "1.5"),
        ("100", "100", "100"),
        ("1000", "1k", "1000"),
        ("1k", "1k", "1000"),
        ("1024Mi", "1Gi", "1073741824"),
        ("1.5Gi", "1536Mi", "1610612736"),
        ("0.5Gi", "512Mi", "536870912"),
        ("0.5Ki", "512", "512"),
        ("0.1Ki", "102400m", "102.4"),
        ("1e3", "1e3", "1000"),
        ("12E6", "12e6", "12000000"),
        ("-5m", "-5m", "-0.005"),
        ("100M", "100M", "100000000"),
        ("0.0000000001", "1n", "0.0000000001"),
        (".5", "500m", "0.5"),
        (1, "1", "1"),
        (0.25, "250m", "0.25"),
    ],
)
def test_value_and_canonical_form(text: str | float, canonical: str, value: str) -> None:
    assert canonical_quantity(text) == canonical
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "1x", "1 Gi", "--1", "1.2.3", "1mi", "Gi", True])
def test_anything_else_is_refused(text: str) -> None:
    canonical_quantity(1)  # what is remembered of the number is no answer for True
    for rule in (parse_quantity, canonical_quantity):
        with pytest.raises(ValueError, match="quantities must match the regular expression"):
            rule(text)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", "m", "u", "n", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]))
def test_the_canonical_form_keeps_the_value_and_is_its_own(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical
