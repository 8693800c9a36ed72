"""What a metric provider is asked and what it answers.

Providers differ in how they are asked (an HTTP body, a PromQL query) and in what a condition then sees (`Sample.value`).
Secrets are named, not contained: whoever carries out the measurement reads them, and they never stand in a status.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct, field


class SecretRef(Struct, frozen=True, order=True):
    """The argument `arg` is the value of `key` in Secret `name` of the run's namespace."""

    arg: str
    name: str
    key: str


class MeasureRequest(Struct, frozen=True):
    """One measurement: `provider` is the metric's provider as canonical JSON, arguments filled in but for the secret ones.

    `began`: when the run was made, as RFC 3339. `op`: run, or what a measurement under way needs: resume or terminate; it is
    `measurement`, as JSON."""

    namespace: str
    provider: bytes
    secrets: tuple[SecretRef, ...] = ()
    began: str = ""
    op: str = "run"
    measurement: bytes = b""


class Sample(Struct, frozen=True):
    """`value`: what conditions see as `result`. `text`: how it stands in the measurement.

    `phase`: what the provider itself makes of it; conditions are asked where it says nothing. Running: to be resumed in
    `resume_after` seconds.
    """

    value: Any
    text: str
    metadata: dict[str, str] = field(default_factory=dict)
    phase: str = ""
    message: str = ""
    resume_after: float = 0.0


class HttpCall(Struct, frozen=True):
    """One request to a metric server. `purpose` begins the message when it fails; `oauth2`: client credentials to log in by;
    `sigv4`: how to sign it for AWS (`region`).
    """

    purpose: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes | None = None
    timeout: float = 10.0
    is_insecure: bool = False
    follows_redirects: bool = True
    oauth2: Mapping[str, Any] | None = None
    sigv4: Mapping[str, Any] | None = None


class HttpAnswer(Struct, frozen=True):
    """A whole answer, read within the bounds of time and size; names of `headers` in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def beginning(self) -> str:
        """Enough of the body to say what went wrong."""
        return self.body[:500].decode(errors="replace")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks for; its date form counts for nothing."""
        said = self.headers.get("retry-after", "")
        return float(said) if said.isdecimal() else None


def basic_auth(user: str, password: str) -> str:
    """The header `Authorization` of a user with a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


Fetch = Callable[[HttpCall], Awaitable[HttpAnswer]]
"""Carries out a call. Raises Unavailable: no answer, too late, too large."""
