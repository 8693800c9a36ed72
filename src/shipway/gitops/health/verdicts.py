"""Health as a value, and how healths are compared: Healthy < Suspended < Progressing < Missing < Degraded < Unknown."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

HealthStatus = Literal["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]

SEVERITY: tuple[HealthStatus, ...] = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")


class Health(Struct, frozen=True):
    status: HealthStatus
    message: str = ""


def healthy(message: str = "") -> Health:
    return Health("Healthy", message)


def progressing(message: str = "") -> Health:
    return Health("Progressing", message)


def degraded(message: str = "") -> Health:
    return Health("Degraded", message)


def suspended(message: str = "") -> Health:
    return Health("Suspended", message)


def worst(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """The most severe; Healthy when there is none."""
    found = set(statuses)
    for status in reversed(SEVERITY):
        if status in found:
            return status
    return "Healthy"
