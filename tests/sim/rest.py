"""How the small worlds wait until nothing happens any more."""

from collections.abc import Callable

from shipway.base.clock import Clock
from shipway.kube.runtime.runtime import Runtime

LOOKS, APART = 2000, 0.05


async def come_to_rest(runtime: Callable[[], Runtime], clock: Clock, seconds: float) -> None:
    """Lets `seconds` go by, and more until the runtime (after a crash another one) is idle. AssertionError if never."""
    await clock.sleep(seconds)
    for _ in range(LOOKS):
        if runtime().is_idle:
            return
        await clock.sleep(APART)
    raise AssertionError("it does not come to rest")
