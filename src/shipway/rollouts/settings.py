"""What the rollouts engine is told when it is assembled."""

from msgspec import Struct


class RolloutSettings(Struct, frozen=True):
    """`instance_id`: only Rollouts that carry it as label are ours; "" means only those without the label."""

    instance_id: str = ""
