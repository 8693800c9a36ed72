"""`argocd-cmd-params-cm`: the flags of Argo CD's processes as users write them, each value a text.

Argo CD hands them to its processes as environment variables when they start. Here what is said of sets and of forges counts at
once; `application.namespaces` and `controller.*` count from the next start, as there.
"""

from collections.abc import Mapping

from shipway.api.repositories import FALSE, TRUE

CMD_PARAMS = "argocd-cmd-params-cm"


def flag(data: Mapping[str, str], key: str, *, default: bool, unreadable: bool | None = None) -> bool:
    """Yes or no, as Go reads it; `default` where nothing is said, and for what cannot be read unless `unreadable` is given."""
    text = data.get(key, "")
    if text in TRUE:
        return True
    if not text:
        return default
    if text in FALSE:
        return False
    return default if unreadable is None else unreadable


def texts(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    """The parts of a list with commas, trimmed; none where nothing is said."""
    return tuple(part.strip() for part in data.get(key, "").split(",") if part.strip())
