"""The `newRelic` metric: the rows of an NRQL query, asked through NerdGraph (docs.newrelic.com, "NerdGraph: NRQL").

One row is a map by the names of its columns (`result.successRate`, `result['average.duration']`), several are a list.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.measured import as_go, document, go_json, graphql_data, sealed, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

SECRET = "newrelic"  # the name of a Secret, not a secret
REGIONS = {
    "us": "https://api.newrelic.com/graphql",
    "eu": "https://api.eu.newrelic.com/graphql",
    "staging": "https://staging-api.newrelic.com/graphql",
}
DEFAULT_QUERY_TIMEOUT = 5
LEAST_TIMEOUT = 30.0
GRAPHQL = """query($accountId: Int!, $query: Nrql!, $timeout: Seconds) {
  actor { account(id: $accountId) { nrql(query: $query, timeout: $timeout) { results } } }
}"""


class Login(Struct, frozen=True):
    """Who asks, for which account, and where NerdGraph is."""

    api_key: str
    account: int
    address: str = REGIONS["us"]


def login_of(values: Mapping[str, str]) -> Login:
    """The login that a Secret (`personal-api-key`, `account-id`, `region`, `base-url-nerdgraph`) holds. Raises InvalidInput."""
    key, account, region, base = (
        (values.get(name) or "").strip() for name in ("personal-api-key", "account-id", "region", "base-url-nerdgraph")
    )
    if not key or not account:
        raise InvalidInput("account ID or personal API key not found", reason="NoLogin")
    if not account.isdecimal():
        raise InvalidInput("could not parse account ID: account-id is no number", reason="NoLogin")
    address = base or REGIONS.get(region.lower() or "us")
    if not address:
        raise InvalidInput(f"region {region} is not one of {', '.join(sorted(REGIONS))}", reason="NoLogin")
    return Login(key, int(account), address)


async def measure(fetch: Fetch, settings: Obj, login: Login) -> Sample:
    """One measurement. `settings` is the metric's `provider.newRelic`. Raises InvalidInput, Denied or Unavailable."""
    seconds = _query_timeout(settings)
    variables = {"accountId": login.account, "query": settings.get("query") or "", "timeout": seconds}
    server = f"New Relic at {shown_address(login.address)}"
    call = HttpCall(
        purpose=f"cannot query {server}",
        url=login.address,
        method="POST",
        headers={"Api-Key": login.api_key, "Content-Type": "application/json"},
        body=orjson.dumps({"query": GRAPHQL, "variables": variables}),
        timeout=max(LEAST_TIMEOUT, seconds + LEAST_TIMEOUT / 2),
        follows_redirects=False,
    )
    return read_answer(document(await sealed(fetch, login.api_key)(call), server), server)


def _query_timeout(settings: Obj) -> int:
    """Seconds that New Relic may work on the query."""
    given = settings.get("timeout")
    try:
        seconds = int(given or DEFAULT_QUERY_TIMEOUT)
    except (TypeError, ValueError):
        seconds = -1
    if seconds < 0:
        raise InvalidInput(f"newRelic metric: timeout {given!r} is no number of seconds")
    return seconds


def read_answer(answer: Any, server: str) -> Sample:
    """The rows. None, or one without columns, are an error, as in Argo Rollouts."""
    try:
        rows = graphql_data(answer, server)["actor"]["account"]["nrql"]["results"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise TypeError(rows)
        found = as_go(rows)
    except (KeyError, TypeError, RecursionError):
        raise wrong_shape(server) from None
    if not found or found == [{}]:
        raise Unavailable(f"{server}: no results returned from NRQL query: check what it selects, and SINCE when")
    value = found[0] if len(found) == 1 else found
    return Sample(value, go_json(value))
