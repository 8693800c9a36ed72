"""What `argocd-cmd-params-cm` says of the engines and our own flags leave open: read once, before the engines are built.

As in Argo CD, another value counts when the process starts again: which namespaces are watched is settled by then.
"""

import structlog
from msgspec.structs import replace

from shipway.api.cmd_params import CMD_PARAMS, texts
from shipway.api.kinds import CONFIG_MAPS
from shipway.assembly.settings import RunSettings, check_namespaces
from shipway.base.errors import InvalidInput
from shipway.gitops.timing import timing_of
from shipway.kube.client.client import Client

log = structlog.get_logger()

NAMESPACES = "application.namespaces"


async def cmd_params(client: Client, namespace: str) -> dict[str, str]:
    """What stands in the ConfigMap of the installation in `namespace`; nothing where there is none. Listed, for engines may not
    get single ones. Raises what the client raises."""
    found = (await client.list(CONFIG_MAPS, namespace, field_selector=f"metadata.name={CMD_PARAMS}")).items
    return (found[0].get("data") or {}) if found else {}


async def with_cmd_params(client: Client, settings: RunSettings) -> RunSettings:
    """The settings with what the ConfigMap adds; those of a process for rollouts alone stay as they are.
    Raises InvalidInput for a namespace that cannot be meant, and what the client raises."""
    if not {"gitops", "appsets"}.intersection(settings.engines):
        return settings
    data = await cmd_params(client, settings.namespace)
    timing, unreadable = timing_of(data)
    for key in unreadable:
        log.warning("setting_not_read", config_map=CMD_PARAMS, key=key, value=data[key])
    namespaces = settings.application_namespaces
    if namespaces is None:
        namespaces = texts(data, NAMESPACES)
        try:
            check_namespaces(namespaces)
        except InvalidInput as error:
            raise InvalidInput(f"ConfigMap {settings.namespace}/{CMD_PARAMS}: {NAMESPACES}: {error.message}") from None
    return replace(settings, application_namespaces=namespaces, timing=timing)
