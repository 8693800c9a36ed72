"""What lies in a working copy now, committed or not, as a commit in a repository of its own.

The working copy is only read: its index, its branches and its configuration stay as they are. What its `.gitignore` files leave
out is left out here.
"""

from pathlib import Path

from msgspec import Struct

from shipway.adapters.git.program import Git
from shipway.adapters.git.urls import place_of
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from shipway.base.ids import digest

BRANCH = "main"
_SECONDS = 60.0
_NOBODY = ("-c", "user.name=shipway", "-c", "user.email=shipway@localhost")


class WorkingCopy(Struct, frozen=True):
    """A working copy as a repository: `BRANCH` of `url` holds what lies in `root`. `remotes`: where those repositories lie that
    it was cloned from or pushes to (`urls.place_of`)."""

    root: Path
    url: str
    remotes: frozenset[str]


async def read_working_copy(folder: Path, home: Path) -> WorkingCopy:
    """The working copy around `folder`; its repository is kept below `home`, so that a second look costs what has changed.

    Raises `InvalidInput` where there is no working copy, `Unavailable` where it cannot be read."""
    git = Git(home / "git", timeout_seconds=_SECONDS)
    git.prepare()
    root = await _root(git, folder)
    return WorkingCopy(root, await _committed(git, root, home), await _remotes(git, root))


async def as_repository(folder: Path, home: Path) -> WorkingCopy:
    """Any folder, as if it were the root of a working copy that nobody has cloned."""
    git = Git(home / "git", timeout_seconds=_SECONDS)
    git.prepare()
    return WorkingCopy(folder, await _committed(git, folder, home), frozenset())


async def _committed(git: Git, root: Path, home: Path) -> str:
    """The URL of the repository whose `BRANCH` holds what lies in `root` now."""
    bare = home / f"{digest(str(root), length=24)}.git"
    if not (bare / "HEAD").exists():
        await git.run(("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(bare)), cwd=home)
    (bare / "index.lock").unlink(missing_ok=True)  # of a look that was killed
    there = ("--git-dir", str(bare), "--work-tree", str(root))
    await git.run((*there, "add", "--all", "."), cwd=root)
    tree = (await git.run((*there, "write-tree"), cwd=root)).decode().strip()
    commit = (await git.run((*there, *_NOBODY, "commit-tree", tree, "-m", f"What lies in {root}"), cwd=root)).decode().strip()
    await git.run((*there, "update-ref", f"refs/heads/{BRANCH}", commit), cwd=root)
    return f"file://{bare}"


async def _root(git: Git, folder: Path) -> Path:
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder: name a working copy of the application's repository")
    try:
        found = await git.run(("rev-parse", "--show-toplevel"), cwd=folder)
    except Unavailable as error:
        if error.reason != "GitFailed":
            raise
        raise InvalidInput(f"{folder} is no Git working copy: {error.message}") from None
    return Path(found.decode().rstrip("\n"))


async def _remotes(git: Git, root: Path) -> frozenset[str]:
    try:
        listed = await git.run(("config", "--get-regexp", r"^remote\..*url$"), cwd=root)
    except Unavailable:
        return frozenset()  # it has none
    return frozenset(filter(None, (_place(line.partition(" ")[2]) for line in listed.decode().splitlines())))


def _place(url: str) -> str:
    try:
        return place_of(url)
    except ShipwayError:
        return ""
