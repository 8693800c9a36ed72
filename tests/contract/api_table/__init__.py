"""Requests to an API server, by the group of the contract table that they count in.

A case is a list of steps against one namespace (`{ns}` in paths); the status code and body of each answer, with what
differs from run to run masked, are recorded. The real server runs without controllers, so nobody else writes.
"""

from tests.contract.api_table.bad_input import BAD_INPUT
from tests.contract.api_table.kinds import CUSTOM, DISCOVERY, SUBRESOURCES, TABLES
from tests.contract.api_table.objects import DEFAULTS, VALIDATION
from tests.contract.api_table.reads import DELETES, LISTS
from tests.contract.api_table.rules import RULES
from tests.contract.api_table.served import DEFAULTS_OF_STORED, MORE_DISCOVERY, NAMESPACES, REVIEWS, TABLES_OF_STORED
from tests.contract.api_table.steps import Case
from tests.contract.api_table.writes import APPLIES, CREATE, ERRORS, PATCHES, UPDATE

GROUPS: dict[str, list[Case]] = {
    "errors": ERRORS + BAD_INPUT,
    "create": CREATE + VALIDATION,
    "conflicts": UPDATE,
    "patches": PATCHES,
    "delete": DELETES,
    "watch": LISTS,
    "apply": APPLIES,
    "crds": CUSTOM + RULES,
    "namespaces": NAMESPACES,
    "discovery": DISCOVERY + MORE_DISCOVERY,
    "defaults": DEFAULTS + DEFAULTS_OF_STORED,
    "tables": TABLES + TABLES_OF_STORED,
    "subresources": SUBRESOURCES + REVIEWS,
}
