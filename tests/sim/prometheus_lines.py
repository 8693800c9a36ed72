"""What a Prometheus server reads, one series at a time."""

import re


def value(lines: list[str], series: str, **labels: str) -> float | None:
    """The value of the one series with these labels; None when there is none."""
    for line in lines:
        found = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
        if found and found[1] == series and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found[2])).items():
            return float(found[3])
    return None
