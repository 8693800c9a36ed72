"""JSON values as Go prints them, because an API server's messages quote them that way and people search for those messages."""

import orjson

from shipway.kube.objects.resource import Json


def go_text(value: Json) -> str:
    """`%v`: map[a:1 b:[x y]], strings bare, null as <nil>."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    return "<nil>" if value is None else value if isinstance(value, str) else go_scalar(value)


def go_syntax(value: Json) -> str:
    """`%#v`: map[string]interface {}{"a":1}, strings quoted."""
    if isinstance(value, dict):
        inside = ", ".join(f"{go_syntax(key)}:{go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inside}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(go_syntax(item) for item in value) + "}"
    return "interface {}(nil)" if value is None else go_scalar(value)


def go_scalar(value: Json) -> str:
    """A scalar with strings quoted: "x", 5, 1.5, true."""
    if isinstance(value, float) and float.is_integer(value):
        value = int(value)
    return orjson.dumps(value).decode()
