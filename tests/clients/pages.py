"""Pages of docs/ whose shell commands are followed by a test, as they stand there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def sections(page: str) -> dict[str, list[str]]:
    """The shell blocks of a page by the heading they stand under."""
    parts = re.split(r"^## (.+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.M)[1:]
    blocks = [re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for text in parts[1::2]]
    return dict(zip(parts[::2], blocks, strict=True))
