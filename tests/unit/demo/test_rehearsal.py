"""The demo's bad release, told beforehand."""

from shipway.demo.rehearsal import rehearse_demo


def test_v3_is_thrown_out_at_five_percent_once_v2_has_left_the_window() -> None:
    seen = rehearse_demo()
    report = seen.report()
    assert (report["ok"], report["promoted"], report["aborted"]) == (True, ["v2"], ["v3"])
    assert (report["bad_step_weight_pct"], report["bad_caught_after_s"], report["bad_exposed_requests"]) == (5.0, 6.0, 27.5)
    thin = [float(one.value) for one in seen.bad.measurements if one.phase == "Successful"]
    assert 0 < thin[0] < thin[-1] < 0.05
