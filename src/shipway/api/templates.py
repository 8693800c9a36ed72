"""Templates of ApplicationSets and what becomes of them: the values that the engine and the template workers exchange."""

from msgspec import Struct


class Template(Struct, frozen=True):
    """`body`: any JSON value whose texts are templates. `patch`: a template whose YAML goes over the result."""

    body: bytes
    is_go: bool
    options: tuple[str, ...] = ()
    patch: str = ""


class Filled(Struct, frozen=True):
    """What became of one set of parameters: `body` is JSON, or `error` says why there is none."""

    body: bytes = b""
    error: str = ""
