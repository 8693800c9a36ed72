"""What value files are called that lay in many folders and are to lie in one.

`values-staging.yaml` is the strongest of those that only staging reads. All others are called after where they lay, as
shortly as tells them apart: `values/global.yaml` becomes `values-global.yaml`, `staging/global.yaml` becomes
`values-global-staging.yaml`.
"""

import posixpath
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

_SAYS_NOTHING = ("", "value", "values")
_ENDINGS = (".yaml", ".yml", ".json")


class Reader(Struct, frozen=True):
    """An environment and the files that it reads, the strongest last."""

    environment: str
    files: tuple[str, ...]


def value_names(readers: Sequence[Reader], taken: Collection[str]) -> dict[str, str]:
    """Path -> name of its file, no two alike and none of `taken`."""
    used, names = set(taken), dict[str, str]()
    by_file: dict[str, set[str]] = {}
    for reader in readers:
        for file in reader.files:
            by_file.setdefault(file, set()).add(reader.environment)
    for reader in readers:
        own = [file for file in reader.files if by_file[file] == {reader.environment}]
        name = f"values-{reader.environment}{_ending(own[-1])}" if own else ""
        if own and own[-1] not in names and name not in used:
            names[own[-1]] = name
            used.add(name)
    is_one = len({reader.environment for reader in readers}) == 1
    for file, environments in by_file.items():
        if file not in names:
            only = next(iter(environments)) if len(environments) == 1 and not is_one else ""
            names[file] = next(name for name in _candidates(file, only) if name not in used)
            used.add(names[file])
    return names


def _candidates(file: str, environment: str) -> Iterator[str]:
    """Longer and longer, and then with numbers."""
    words = [word for word in _words(file) if word != environment]
    end = f"-{environment}" if environment and not any(word.endswith(f"-{environment}") for word in words[-1:]) else ""
    for count in range(1, len(words) + 1):
        yield f"values-{'-'.join(words[-count:])}{end}{_ending(file)}"
    for number in range(2, 1 << 20):
        yield f"values-{'-'.join(words) or environment}-{number}{_ending(file)}"


def _words(file: str) -> list[str]:
    """The folders and the file, without what says nothing."""
    stem = posixpath.splitext(file)[0]
    parts = [part.removeprefix("values-").removesuffix("-values").removeprefix("values.") for part in stem.split("/")]
    return [part for part in parts if part not in _SAYS_NOTHING]


def _ending(file: str) -> str:
    ending = posixpath.splitext(file)[1]
    return ending if ending in _ENDINGS else ".yaml"
