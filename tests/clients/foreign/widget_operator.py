"""An operator as kopf's users write them: a Widget gets a ConfigMap, is counted by a timer and greeted by a daemon.

`kopf run --standalone --namespace NAMESPACE widget_operator.py`: peering is off.
"""

import asyncio

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: object) -> None:
    settings.persistence.finalizer = "clients.example.com/finalizer"


@kopf.on.create("clients.example.com", "v1", "widgets")
@kopf.on.update("clients.example.com", "v1", "widgets")
def paint(spec: kopf.Spec, body: kopf.Body, retry: int, **_: object) -> dict:
    if spec["color"] == "late" and retry < 1:
        raise kopf.TemporaryError("the paint is not dry", delay=0.2)
    kopf.info(body, reason="Painted", message=f"painted {spec['color']}")
    return {"color": spec["color"], "retries": retry}


@kopf.on.delete("clients.example.com", "v1", "widgets")
def let_go(name: str, **_: object) -> None:
    print(f"let go of {name}", flush=True)


@kopf.timer("clients.example.com", "v1", "widgets", interval=0.5)
def count(patch: kopf.Patch, status: kopf.Status, **_: object) -> None:
    patch.status["ticks"] = min(2, status.get("ticks", 0) + 1)


@kopf.daemon("clients.example.com", "v1", "widgets", cancellation_timeout=1.0)
async def greet(stopped: kopf.DaemonStopped, name: str, **_: object) -> None:
    print(f"hello {name}", flush=True)
    try:
        while not stopped:
            await asyncio.sleep(0.1)
    finally:
        print(f"goodbye {name}", flush=True)
