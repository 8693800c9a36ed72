"""Writes whose ownership a real API server judged: the table behind `test_apply_oracle`.

A case is a list of writes to one object; after each, the answer of a real server (status, object, managedFields) is recorded in
`tests/golden/apply_oracle.json` and our functions must come to the same. Bodies leave out apiVersion, kind and name.
Kinds without controllers are preferred (PodTemplate for everything about pods), because nobody else writes to them.
"""

from tests.contract import apply_cases_custom, apply_cases_maps, apply_cases_pods
from tests.contract.apply_writes import Case

CASES: list[Case] = [*apply_cases_maps.CASES, *apply_cases_pods.CASES, *apply_cases_custom.CASES]
