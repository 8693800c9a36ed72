"""Which other commit a commit refers to: `Argocd-reference-commit-*` lines of its message.

Whoever changes what is deployed for the sake of another change (a new image) says so in its commit, and the commit of the
rendered manifests passes it on. A line that does not say what it should stays an ordinary line of the message.
"""

import re
from email.utils import parseaddr
from urllib.parse import urlsplit

import orjson

from shipway.base.clock import parse_rfc3339
from shipway.kube.objects.resource import Obj

_LINE = re.compile(r"Argocd-reference-commit-([a-z]+): (.*)")
_SHA = re.compile(r"[0-9a-f]{5,40}")


def references_in(body: str) -> tuple[list[Obj], str]:
    """The references, as `hydrator.metadata` has them, and the body without the lines that said so. The last line of each
    kind counts, and there is one commit at most."""
    commit: Obj = {}
    rest: list[str] = []
    for line in body.splitlines():
        match = _LINE.fullmatch(line)
        read = _read(match[1], match[2]) if match else None
        if read is None:
            rest.append(line)
        else:
            commit |= read
    return ([{"commit": commit}] if commit else []), "".join(f"{line}\n" for line in rest)


def _read(field: str, value: str) -> Obj | None:
    """The field of the commit that a line gives; None when it gives none."""
    match field:
        case "author":
            name, address = parseaddr(value)
            said = f"<{address}>" if not name else f"{orjson.dumps(name).decode()} <{address}>"
            return {"author": said} if "@" in address else None
        case "sha":
            return {"sha": value} if _SHA.fullmatch(value) else None
        case "subject":
            return {"subject": value}
        case "body":
            text = _text(value)
            return None if text is None else {"body": text}
        case "repourl":
            return {"repoURL": value} if _is_url(value) else None
        case "date":
            return {"date": value} if _is_date(value) else None
        case _:
            return None


def _text(value: str) -> str | None:
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, str) else None


def _is_url(value: str) -> bool:
    try:
        return bool(urlsplit(value).path or urlsplit(value).netloc)
    except ValueError:
        return False


def _is_date(value: str) -> bool:
    try:
        parse_rfc3339(value)
    except ValueError:
        return False
    return True
