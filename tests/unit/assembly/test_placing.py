"""Folders that are written whole or not at all."""

from pathlib import Path

import pytest

from shipway.assembly.placing import Draft
from shipway.base.errors import InvalidInput

FILES = {"charts/web/Chart.yaml": b"new", "charts/lib/Chart.yaml": b"lib", "applications/prod.yaml": b"kind: Application\n"}
FOLDERS = ("charts/lib", "charts/web", "applications")
MARKS = {"applications": b"kind: Application\n"}


def files(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_until_it_is_finished_nothing_is_there(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "web")
    draft.write({"charts/web/old.yaml": b"of a run that was killed"})
    assert [path.name for path in tmp_path.iterdir()] == [".web.unfinished"]
    draft.write(FILES)
    draft.check(FOLDERS, replaces=False, marks=MARKS)
    draft.finish(FOLDERS)
    assert files(tmp_path) == {f"web/{name}": content.decode() for name, content in FILES.items()}


def test_what_is_replaced_goes_whole_and_all_else_stays(tmp_path: Path) -> None:
    web = tmp_path / "web"
    for name in ("main.go", "charts/web/old.yaml", "charts/other/Chart.yaml"):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text("mine")
    draft = Draft(web)
    with pytest.raises(InvalidInput, match="charts/web is there already"):
        draft.check(FOLDERS, replaces=False)
    draft.check(FOLDERS, replaces=True, marks=MARKS)
    draft.write(FILES)
    draft.finish(FOLDERS)
    assert files(tmp_path) == {
        **{f"web/{name}": content.decode() for name, content in FILES.items()},
        "web/main.go": "mine",
        "web/charts/other/Chart.yaml": "mine",
    }


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "web" / "applications").mkdir(parents=True)
    (tmp_path / "web" / "applications" / "main.py").write_text("import this\n")
    with pytest.raises(InvalidInput, match=r"main\.py was not written by an import"):
        Draft(tmp_path / "web").check(FOLDERS, replaces=True, marks=MARKS)


@pytest.mark.parametrize("link", ["web", "web/charts", "web/charts/web", ".web.unfinished"])
def test_nothing_is_written_through_links(tmp_path: Path, link: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="is a link"):
        Draft(tmp_path / "web").check(FOLDERS, replaces=True)


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        Draft(tmp_path / "file" / "web").write(FILES)
