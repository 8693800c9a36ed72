"""Drawing in place."""

import io

import pytest

from shipway.cli.terminal import Live, bounded, cut


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("much too long", 8, "much to…"),
        ("\x1b[32mgreen\x1b[0m", 5, "\x1b[32mgreen\x1b[0m"),
        ("\x1b[32mgreen and more\x1b[0m", 6, "\x1b[32mgreen\x1b[0m…"),
        ("plain \x1b[32mgreen\x1b[0m plain", 8, "plain \x1b[32mg\x1b[0m…"),
    ],
)
def test_a_line_is_cut_to_the_width_and_its_colours_end(line: str, width: int, shown: str) -> None:
    assert cut(line, width) == shown


@pytest.mark.parametrize(
    ("count", "height", "shown"),
    [(3, 3, ["0", "1", "2"]), (5, 3, ["0", "1", "… 3 more lines"]), (5, 1, ["0"]), (5, 0, [])],
)
def test_lines_are_bounded_by_the_height(count: int, height: int, shown: list[str]) -> None:
    assert list(bounded([str(number) for number in range(count)], height)) == shown


def test_each_drawing_takes_the_place_of_the_one_before() -> None:
    out = io.StringIO()
    with Live(out, lambda: (80, 24)) as live:
        live.draw(["one", "two"])
        live.draw(["three"])
        live.draw([])
    assert out.getvalue() == ("\x1b[?25lone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[2Fthree\x1b[K\n\x1b[J\x1b[1F\x1b[J\x1b[?25h")


def test_the_cursor_comes_back_after_an_error() -> None:
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Live(out, lambda: (80, 24)):
        raise KeyboardInterrupt
    assert out.getvalue().endswith("\x1b[?25h")
