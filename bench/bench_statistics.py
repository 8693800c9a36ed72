"""A million samples of two versions compared by rank: no two alike, and with many ties."""

import random
import time

from shipway.rollouts.analysis.comparison import judged, read_comparison

HALF = 500_000


async def run() -> dict[str, float]:
    chance = random.Random(1)
    ask = {"prometheus": {"query": "latency"}}
    sides = {side: {"name": name, "samples": ask} for side, name in (("baseline", "stable"), ("candidate", "canary"))}
    wanted = read_comparison({"better": "lower", **sides})
    unlike = [[chance.gauss(1, 0.2) for _ in range(HALF)] for _ in range(2)]
    tied = [[chance.randrange(1000) / 1000 for _ in range(HALF)] for _ in range(2)]
    begun = time.perf_counter()
    judged(wanted, unlike)
    middle = time.perf_counter()
    judged(wanted, tied)
    return {"million_ranks_s": middle - begun, "million_ranks_with_ties_s": time.perf_counter() - middle}
