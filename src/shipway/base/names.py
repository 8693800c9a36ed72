"""Names of objects: what may be one, and how to make one of any text."""

import re
import unicodedata

LONGEST_NAME = 253
SLUG = 50
"""Characters of a slug, unless somebody wants another number."""
_NO_SLUG = re.compile(r"[^-a-z0-9_]+")
_SIGNS = {"&": "and", "@": "at"}
_OTHERS = re.compile(r"[^-a-z0-9.]")
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_PART}(\.{_PART})*")


def safe_name(text: str) -> str:
    """Lower case, every character that no name has a dash, not too long (Argo CD's `normalize`)."""
    return _OTHERS.sub("-", text.lower())[:LONGEST_NAME].strip("-.")


def is_object_name(name: str) -> bool:
    """Whether most kinds of objects may have this name (RFC 1123 subdomain)."""
    return len(name) <= LONGEST_NAME and _SUBDOMAIN.fullmatch(name) is not None


def slug(text: str, length: int = SLUG, *, between_words: bool = False) -> str:
    """A short name for use in URLs, of plain letters; `between_words`: cut where a word ends."""
    text = text.casefold()
    for sign, word in _SIGNS.items():
        text = text.replace(sign, f"-{word}-")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    whole = re.sub(r"-{2,}", "-", _NO_SLUG.sub("-", plain)).strip("-_")
    if len(whole) <= length:
        return whole
    short = whole[:length]
    if between_words and whole[length] not in "-_" and "-" in short:
        short = short.rpartition("-")[0]
    return short.strip("-_")
