"""Value files that lie on a web server."""

import pytest

from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.assembly.far_files import LARGEST, FarFiles
from shipway.base.errors import InvalidInput, Unavailable
from shipway.gitops.asks import TextAsk

URL = "https://robot:secret@files.test/values.yaml"


def far_files(answer: HttpAnswer) -> FarFiles:
    async def fetch(call: HttpCall) -> HttpAnswer:
        assert call.url == URL
        return answer

    return FarFiles(fetch)


@pytest.mark.compat("argocd:helm.valueFiles")
async def test_a_file_is_its_text() -> None:
    assert await far_files(HttpAnswer(200, "\ufeffa: ü\n".encode())).text(TextAsk(URL)) == "a: ü\n"


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (HttpAnswer(404, b"secret"), Unavailable, "failed to fetch https://.*files.test/values.yaml: 404"),
        (HttpAnswer(200, b"a" * (LARGEST + 1)), InvalidInput, "larger than 1 MiB"),
        (HttpAnswer(200, b"\xff\xfe\xff"), InvalidInput, "not UTF-8"),
    ],
)
async def test_what_is_no_file_is_told_without_the_login(answer: HttpAnswer, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        await far_files(answer).text(TextAsk(URL))
    assert "secret" not in str(caught.value)
