"""Requests that a real API server answered: the table behind `test_api_oracle`.

A case is a list of steps against one namespace (`{ns}` in paths); the status code and body of each answer, with what
differs from run to run masked, are recorded in `tests/golden/api_oracle.json`. The embedded server must answer the same. The
real one runs without controllers, so nobody else writes.
"""

from tests.contract.api_table.kinds import CUSTOM, DISCOVERY, SUBRESOURCES, TABLES
from tests.contract.api_table.objects import DEFAULTS, VALIDATION
from tests.contract.api_table.reads import DELETES, LISTS
from tests.contract.api_table.steps import Case
from tests.contract.api_table.writes import APPLIES, CREATE, ERRORS, PATCHES, UPDATE

CASES: list[Case] = [
    *(ERRORS + CREATE + UPDATE + PATCHES + APPLIES),
    *(DELETES + LISTS),
    *(DEFAULTS + VALIDATION),
    *(SUBRESOURCES + CUSTOM + DISCOVERY + TABLES),
]
