"""Keys that a JSON body gives twice: the last one counts, and `fieldValidation` says whether that is an error.

The parser does not tell, so keys are counted: only a body that seems to have more than its value is read again, slowly.
"""

import json
import re
from typing import Any

_KEY = re.compile(rb'"\s*:')


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


def duplicate_fields(body: bytes, value: Any) -> tuple[str, ...]:
    """Paths of the keys that `body` gives more than once; `value` is what it was read as."""
    if len(_KEY.findall(body)) <= _keys(value):
        return ()
    found: list[str] = []
    _walk(json.loads(body, object_pairs_hook=_Pairs), "", found)
    return tuple(dict.fromkeys(found))


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _walk(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, below in value:
            where = f"{path}.{key}" if path else key
            if key in seen:
                found.append(where)
            seen.add(key)
            _walk(below, where, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", found)
