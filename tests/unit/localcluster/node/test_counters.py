"""The proxy's counters: totals, windows, percentiles, and the two forms they are served in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.localcluster.node.echo import is_failing
from shipway.localcluster.node.proxy.counters import BOUNDS, Counters, quantile
from shipway.localcluster.node.proxy.pages import is_own_host, own_page

WEB = ("shop", "web")


def counters(*requests):
    """Each request is (now, status, version)."""
    made = Counters()
    for now, status, version in requests:
        made.add(WEB, status, 0.004, version=version, now=now)
    return made


def test_a_window_holds_only_what_is_recent():
    bad = [(10 + n / 10, 500 if is_failing(n, 3) else 200, "v3") for n in range(50)]
    made = counters(*[(n / 10, 200, "v2") for n in range(100)], *bad)
    report = made.report(*WEB, window_seconds=5, now=15.0)
    assert (report["requests"], report["failed"]) == (150, 15)
    assert report["window"]["total"] == pytest.approx(50, abs=3)
    assert report["window"]["failure_ratio"] == pytest.approx(0.3, abs=0.02)
    assert report["by_version"] == {"v2": {"total": 100, "failed": 0}, "v3": {"total": 50, "failed": 15}}
    assert made.report(*WEB, window_seconds=5, now=100.0)["window"]["total"] == 0


def test_a_service_without_requests_has_failed_none():
    report = Counters().report(*WEB, window_seconds=5, now=0.0)
    assert (report["window"]["total"], report["window"]["failure_ratio"], report["success_rate"]) == (0, 0.0, 1.0)


def test_memory_is_bounded():
    made = counters(*[(n, 200, f"v{n}") for n in range(5000)])
    counter = made._services[WEB]
    assert len(counter.ticks) <= 2401
    assert len(counter.all.versions) == 50


@given(st.lists(st.integers(0, 50), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1))
def test_quantiles_rise(latencies):
    values = [quantile(latencies, q / 10) for q in range(11)]
    assert values == sorted(values)


def test_prometheus_text():
    text = counters((0.0, 200, "v1"), (0.1, 503, "v1")).prometheus()
    assert 'shipway_proxy_requests_total{namespace="shop",service="web",code="503"} 1' in text
    assert 'shipway_proxy_request_duration_seconds_bucket{namespace="shop",service="web",le="+Inf"} 2' in text
    assert 'shipway_proxy_request_duration_seconds_count{namespace="shop",service="web"} 2' in text


@pytest.mark.parametrize(
    ("target", "status", "part"),
    [
        ("/-/healthz", 200, "ok"),
        ("/-/metrics", 200, "# TYPE"),
        ("/-/services/shop/web", 200, '"seconds": 10.0'),
        ("/-/services/shop/web?window=5s", 200, '"seconds": 5.0'),
        ("/-/services/shop/web?window=soon", 400, "soon"),
        ("/-/services/shop/web?window=-1s", 400, "up to 600s"),
        ("/-/services/shop/web?window=1h", 400, "up to 600s"),
        ("/-/nothing", 404, "/-/metrics"),
    ],
)
def test_pages(target, status, part):
    page = own_page(target, Counters(), 0.0)
    assert page.status == status
    assert part in page.text


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("web.shop.localhost", False), ("example.com", False)],
)
def test_only_addresses_are_the_proxys_own(host, own):
    assert is_own_host(host) is own
