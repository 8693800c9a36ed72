"""What the answers of all services mean: taken, to be tried again, or refused for good."""

from shipway.api.measured import shown_address
from shipway.api.metrics import HttpAnswer
from shipway.base.errors import InvalidInput, Unavailable

_LATER = (408, 425, 429)
_MOST_WORDS = 200


def check_taken(answer: HttpAnswer, service: str, url: str) -> None:
    """Raises Unavailable for what may go better later, InvalidInput for what will not."""
    if answer.is_good:
        return
    told = f"{service}: {shown_address(url)} answered {answer.status} {answer.beginning[:_MOST_WORDS].strip()}".rstrip()
    if answer.status in _LATER or answer.status >= 500:
        raise Unavailable(told, after=answer.retry_after)
    if 300 <= answer.status < 400:
        told = f"{told}: a redirect is not followed, for it would take the login along; give the address it leads to"
    raise InvalidInput(told, reason="NotificationRefused")
