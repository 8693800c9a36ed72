"""Templates of ApplicationSets and notifications, and what becomes of them: what engines and template workers exchange."""

from msgspec import Struct


class Template(Struct, frozen=True):
    """`body`: any JSON value whose texts are templates. `patch`: a template whose YAML goes over the result.

    `has_library`: they may `call` what expressions of notifications may, and `.repo.GetCommitMetadata` for what the parameter
    `commits` knows.
    """

    body: bytes
    is_go: bool
    options: tuple[str, ...] = ()
    patch: str = ""
    has_library: bool = False


class Filled(Struct, frozen=True):
    """What became of one set of parameters: `body` is JSON, or `error` says why there is none."""

    body: bytes = b""
    error: str = ""
