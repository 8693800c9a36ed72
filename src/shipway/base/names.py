"""Names of objects: what may be one, and how to make one of any text."""

import re

LONGEST_NAME = 253
_OTHERS = re.compile(r"[^-a-z0-9.]")
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_PART}(\.{_PART})*")


def safe_name(text: str) -> str:
    """Lower case, every character that no name has a dash, not too long (Argo CD's `normalize`)."""
    return _OTHERS.sub("-", text.lower())[:LONGEST_NAME].strip("-.")


def is_object_name(name: str) -> bool:
    """Whether most kinds of objects may have this name (RFC 1123 subdomain)."""
    return len(name) <= LONGEST_NAME and _SUBDOMAIN.fullmatch(name) is not None
