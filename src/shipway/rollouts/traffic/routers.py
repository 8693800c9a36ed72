"""Which routers a Rollout's `trafficRouting` names: each key is read by its own file, in Argo Rollouts' order.

A plugin that no file reads is answered with the sentence that says so, and never skipped.
"""

from collections.abc import Iterator

from shipway.api.rollout import TrafficRouting
from shipway.rollouts.traffic import alb, ambassador, apisix, app_mesh, gateway_api, istio, nginx, smi, traefik
from shipway.rollouts.traffic.router import Router

READERS = {
    "istio": istio.read_config,
    "nginx": nginx.read_config,
    "alb": alb.read_config,
    "smi": smi.read_config,
    "ambassador": ambassador.read_config,
    "appMesh": app_mesh.read_config,
    "traefik": traefik.read_config,
    "apisix": apisix.read_config,
}
"""Readers of a router's block: the router, or what is wrong with it."""

HEADER_ROUTERS = ("istio", "alb", "apisix", "plugins")
MIRROR_ROUTERS = ("istio",)
PING_PONG_ROUTERS = ("istio", "alb", "plugins")
WEIGHT_ROUTERS = ("nginx", "plugins")
EXPERIMENT_ROUTERS = ("istio", "alb", "smi", "plugins")
"""Routers that know header routes, mirror routes, two services that take turns, another sum of weights than 100, and more
services than two."""

KEYS = {
    "istio": "istio",
    "nginx": "nginx",
    "alb": "alb",
    "smi": "smi",
    "ambassador": "ambassador",
    "appMesh": "app_mesh",
    "traefik": "traefik",
    "apisix": "apisix",
}
"""The keys as users write them, and the fields that hold them."""


def read_routers(routing: TrafficRouting) -> Iterator[tuple[str, Router | str]]:
    """(path below trafficRouting, router) for every key that is set; a string says why the router cannot be used."""
    for key, field in KEYS.items():
        block = getattr(routing, field)
        if block is not None:
            yield key, READERS[key](block)
    for plugin, block in routing.plugins.items():
        path = f"plugins.{plugin}"
        if plugin == gateway_api.PLUGIN:
            yield path, gateway_api.read_config(block)
        else:
            yield path, _foreign(plugin)


def has_router(routing: TrafficRouting, *keys: str) -> bool:
    """Whether one of `keys` is set; "plugins" counts when any plugin is."""
    return any(bool(routing.plugins) if key == "plugins" else getattr(routing, KEYS[key]) is not None for key in keys)


def has_only(routing: TrafficRouting, *keys: str) -> bool:
    """Whether no router but these is set; "plugins" allows any plugin."""
    return not any(has_router(routing, key) for key in (*KEYS, "plugins") if key not in keys)


def takes_turns(router: Router) -> bool:
    """Whether a router leads to ping and pong where a Rollout names stable and canary services beside them."""
    return isinstance(router, alb.Alb)


def needs_services(routing: TrafficRouting) -> bool:
    """Everybody does, but for Istio with subsets."""
    return routing.istio is None or not routing.istio.get("destinationRule")


def _foreign(plugin: str) -> str:
    others = ", ".join(READERS)
    return (
        f'Forbidden: the traffic router plugin "{plugin}" is a program for Argo Rollouts, which is not loaded here; '
        f'use one of {others} or plugins."{gateway_api.PLUGIN}", or leave this Rollout to Argo Rollouts'
    )
