"""What a metric provider is asked and what it answers.

Providers differ in how they are asked (an HTTP body, a PromQL query) and in what a condition then sees (`Sample.value`).
Secrets are named, not contained: whoever carries out the measurement reads them, and they never stand in a status.
"""

from typing import Any

from msgspec import Struct, field


class SecretRef(Struct, frozen=True, order=True):
    """The argument `arg` is the value of `key` in Secret `name` of the run's namespace."""

    arg: str
    name: str
    key: str


class MeasureRequest(Struct, frozen=True):
    """One measurement: `provider` is the metric's provider as canonical JSON, arguments filled in but for the secret ones."""

    namespace: str
    provider: bytes
    secrets: tuple[SecretRef, ...] = ()


class Sample(Struct, frozen=True):
    """`value`: what conditions see as `result`. `text`: how it stands in the measurement."""

    value: Any
    text: str
    metadata: dict[str, str] = field(default_factory=dict)
