"""What a Secret holds, decoded."""

import base64

from shipway.kube.objects.resource import Obj


def secret_values(secret: Obj) -> dict[str, str]:
    """Text by key; a value that is not UTF-8 is read with replacement characters."""
    data: dict[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
