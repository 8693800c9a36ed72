"""A timeline as a picture (SVG): the weight as a stepped line, measurements as dots below it, the end as a line across."""

from html import escape

from shipway.base.durations import format_duration
from shipway.rehearsal.timeline import OUTCOMES, Timeline

WIDTH, PLOT_HEIGHT, LEFT, RIGHT, TOP, LANE = 920, 220, 150, 30, 56, 26
COLOURS = {"Successful": "#2e7d32", "Failed": "#c62828", "Inconclusive": "#ef6c00", "Error": "#6d4c41"}
TEXT = 'font-family="sans-serif" font-size="12" fill="#222"'


def draw(timeline: Timeline) -> str:
    """The same timeline is the same text."""
    end = max(timeline.ending.at, *(one.at for one in timeline.moments), 1.0)
    metrics = list(dict.fromkeys(one.metric for one in timeline.measurements))
    height = TOP + PLOT_HEIGHT + 40 + LANE * len(metrics) + 20

    def x(at: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * at / end:.1f}"

    def y(weight: float) -> str:
        return f"{TOP + PLOT_HEIGHT * (1 - weight / 100):.1f}"

    title = f"{timeline.namespace}/{timeline.rollout}: {OUTCOMES[timeline.ending.outcome]}"
    title += f" after {format_duration(timeline.ending.at)}, {timeline.exposed:g} requests to the new version"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-family="sans-serif" font-size="15" fill="#222">{escape(title)}</text>',
    ]
    for weight in (0, 25, 50, 75, 100):
        parts.append(f'<line x1="{LEFT}" y1="{y(weight)}" x2="{WIDTH - RIGHT}" y2="{y(weight)}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y(weight)) + 4:.1f}" text-anchor="end" {TEXT}>{weight} %</text>')
    for index in range(5):
        at = end * index / 4
        mark = format_duration(round(at))
        parts.append(f'<text x="{x(at)}" y="{TOP + PLOT_HEIGHT + 20}" text-anchor="middle" {TEXT}>{mark}</text>')
    points, last = [], 0.0
    for one in timeline.moments:
        points += [f"{x(one.at)},{y(last)}", f"{x(one.at)},{y(one.weight)}"]
        last = one.weight
    points.append(f"{x(end)},{y(last)}")
    parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="#1565c0" stroke-width="2.5"/>')
    for lane, metric in enumerate(metrics):
        middle = TOP + PLOT_HEIGHT + 46 + LANE * lane
        parts.append(f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end" {TEXT}>{escape(metric)}</text>')
        for one in timeline.measurements:
            if one.metric == metric:
                told = escape(f"{format_duration(one.at)} {one.metric} {one.phase} {one.value or one.message}")
                colour = COLOURS.get(one.phase, "#555")
                parts.append(f'<circle cx="{x(one.at)}" cy="{middle}" r="4" fill="{colour}"><title>{told}</title></circle>')
    if timeline.ending.outcome in ("aborted", "stuck"):
        at = x(timeline.ending.at)
        line = f'<line x1="{at}" y1="{TOP - 12}" x2="{at}" y2="{height - 20}" stroke="#c62828" stroke-dasharray="5 4"/>'
        parts.append(line)
        anchor = f'x="{float(at) - 6:.1f}" y="{TOP - 8}" text-anchor="end"'
        parts.append(f"<text {anchor} {TEXT}>{timeline.ending.outcome} at {timeline.ending.weight:g} %</text>")
    return "\n".join([*parts, "</svg>", ""])
