"""Whose an Application is, and in which environment: `web-production` and `web-staging` are one service that moves as one.

Labels say it where flags name them. Otherwise the name does: SERVICE-ENVIRONMENT or ENVIRONMENT-SERVICE, where the environment
is a word that everybody knows (`staging`, `prod-eu`), or one that the Application says elsewhere as well: a folder of its path
or of its value files, its revision, its namespace or its cluster. An Application whose name says no environment is a service
with one environment, `default`.
"""

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.gitops.pinned import spec_sources
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, name_of, spec_of

ONLY = "default"
KNOWN = frozenset({
    "dev", "develop", "development", "test", "testing", "tst", "qa", "uat", "int", "integration", "ci", "sandbox", "demo",
    "stage", "staging", "stg", "pre", "preprod", "preview", "canary", "prod", "production", "prd", "live",
})  # fmt: skip
"""Words that every reader takes for an environment."""
_WORD = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?", re.IGNORECASE)


class Labels(Struct, frozen=True):
    """The labels that say it; "" where the name does."""

    service: str = ""
    environment: str = ""


class Belongs(Struct, frozen=True, order=True):
    """Both are single names of folders."""

    service: str
    environment: str


def belongs(app: Obj, by: Labels) -> Belongs:
    """Raises InvalidInput where a label is missing, or says what no folder can be called."""
    if by.service or by.environment:
        service = _labelled(app, by.service) if by.service else ""
        environment = _labelled(app, by.environment) if by.environment else ""
        found = Belongs(service or _without(name_of(app), environment), environment or _without(name_of(app), service))
    else:
        found = _named(app)
    for word in (found.service, found.environment):
        if not _WORD.fullmatch(word):
            raise InvalidInput(f"{name_of(app)}: {word!r} cannot be the name of a folder: correct the label")
    return found


def _labelled(app: Obj, label: str) -> str:
    value = labels_of(app).get(label) or ""
    if not value:
        raise InvalidInput(f"{name_of(app)} has no label {label}: give it one, or leave it out")
    return value


def _without(name: str, word: str) -> str:
    """What a name says besides a word at one of its ends; `default` where it says nothing else."""
    if name == word:
        return ONLY
    return name.removesuffix(f"-{word}").removeprefix(f"{word}-")


def _named(app: Obj) -> Belongs:
    name, words = name_of(app), tuple(dict.fromkeys(_words(app)))
    for is_one in (_is_known, lambda environment: _is_said(environment, name, words)):
        for environment in _ends(name):
            if is_one(environment):
                return Belongs(_without(name, environment), environment)
    return Belongs(name, ONLY)


def _ends(name: str) -> Iterator[str]:
    """What may be the environment: the ends of a name from the longest, then its beginnings."""
    parts = name.split("-")
    for at in range(1, len(parts)):
        yield "-".join(parts[at:])
    for at in range(len(parts) - 1, 0, -1):
        yield "-".join(parts[:at])


def _is_known(environment: str) -> bool:
    return environment.partition("-")[0].lower() in KNOWN and environment.count("-") < 2


def _is_said(environment: str, name: str, words: tuple[str, ...]) -> bool:
    return any(word == environment or (word != name and word.endswith(f"-{environment}")) for word in words)


def _words(app: Obj) -> Iterator[str]:
    """What the Application says besides its name: folders, value files without their ending, revision, namespace, cluster."""
    destination = spec_of(app).get("destination") or {}
    yield from filter(None, (destination.get("namespace"), destination.get("name")))
    for source in spec_sources(app)[0]:
        yield str(source.get("targetRevision") or "")
        files = (source.get("helm") or {}).get("valueFiles") or ()
        for path in (str(source.get("path") or ""), *(str(file) for file in files)):
            folder, _, file = path.rpartition("/")
            yield from folder.split("/")
            stem = posixpath.splitext(file)[0]
            yield stem.removeprefix("values-").removeprefix("values.").removesuffix("-values").removesuffix(".values")
