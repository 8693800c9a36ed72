"""The laws of the proxy's routing: only ready pods get requests, and every request finds the most specific rule or none."""

from hypothesis import given
from hypothesis import strategies as st

from shipway.localcluster.node.proxy.http1 import BadMessage, end_to_end, parse_request, write_head
from shipway.localcluster.node.proxy.routing import build
from shipway.localcluster.node.proxy.table import has_prefix
from tests.unit.localcluster.node.proxy_objects import ref, route, rule, service, slice_of

flags = st.sampled_from([True, False, None])
conditions = st.fixed_dictionaries({"ready": flags, "serving": flags, "terminating": flags})
prefixes = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(conditions, max_size=6))
def test_traffic_goes_to_ready_pods_and_to_leaving_ones_only_when_there_is_no_other(endpoints):
    pods = {f"10.244.0.{number + 2}": condition for number, condition in enumerate(endpoints)}
    table = build([service("web")], [slice_of("web", *pods.items())], []).table
    chosen = {e.ip for e in table.find("web.shop.localhost", "GET", "/", {}).rule.backends[0].endpoints}
    ready = {ip for ip, condition in pods.items() if condition["ready"] is not False}
    leaving = {ip for ip, c in pods.items() if c["ready"] is False and c["serving"] and c["terminating"]}
    assert chosen == (ready or leaving)


@given(st.lists(prefixes, min_size=1, max_size=6, unique=True), prefixes, st.randoms())
def test_the_longest_prefix_wins_whatever_the_order(paths, asked, random):
    services = [service(f"s{number}") for number in range(len(paths))]
    rules = [rule(ref(f"s{n}"), matches=[{"path": {"type": "PathPrefix", "value": path}}]) for n, path in enumerate(paths)]
    random.shuffle(rules)
    entry = build(services, [], [route("r", *rules)]).table.find("web.example", "GET", asked, {})
    fitting = [path for path in paths if has_prefix(asked, path)]
    assert (entry.match.path if entry else None) == max(fitting, key=len, default=None)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(raw):
    try:
        request = parse_request(raw)
    except BadMessage:
        return
    sent_on = write_head(f"{request.method} / HTTP/1.1", [*end_to_end(request.headers, request.fields), ("Host", "x")])
    headers = [line for line in sent_on.split(b"\r\n")[1:] if line]
    assert len(headers) <= len(request.headers) + 1  # no value can smuggle in another line
