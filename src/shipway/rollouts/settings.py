"""What the rollouts engine is told when it is assembled."""

from msgspec import Struct

from shipway.api.plugins import NO_PLUGINS, DeclaredPlugins


class RolloutSettings(Struct, frozen=True):
    """`instance_id`: only Rollouts that carry it as label are ours; "" means only those without the label.

    `plugins`: which may stand in steps. `namespace`: where the ConfigMap of the notifications lies; without one none is sent.
    """

    instance_id: str = ""
    plugins: DeclaredPlugins = NO_PLUGINS
    namespace: str = ""
