"""A team's own health scripts in the resource tree, with the worker that runs them."""

from shipway.api.kinds import CONFIG_MAPS
from shipway.assembly.resource_tree import resource_tree
from tests.unit.cli.conftest import Shop
from tests.unit.cli.test_app_tree import delivered, settings


async def test_a_script_judges_children_as_it_judges_what_is_managed(shop: Shop) -> None:
    await delivered(shop)
    script = "return {status = 'Suspended', message = obj.metadata.name}"
    await shop.create(CONFIG_MAPS, settings(**{"resource.customizations.health.Pod": script}))
    tree = (await resource_tree(shop.client, await shop.app("shop"), shop.session.clock, shop.client)).tree
    healths = [node.health for node in tree.nodes if node.ref.kind == "Pod"]
    assert [(one.status, one.message) for one in healths if one] == [("Suspended", "web-1-a"), ("Suspended", "web-1-b")]
