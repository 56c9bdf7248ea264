"""The error tree: `str(error)` is fit for a log, `error.user_key` and `error.values` for the user's language.

    ParleyError
    ├── SettingsError              the operator's configuration cannot be used
    ├── StoreAway                  Redis does not answer (also an `api.Unavailable`)
    ├── LeaseLost                  another worker has this message now; say nothing more
    ├── Refused                    asking the same again cannot help
    │   ├── MessageTooLong         more text than one message may have
    │   ├── NothingToAnswer        no text, and nothing we can read
    │   ├── ContextTooLong         the server says that the dialogue does not fit its window
    │   ├── Filtered               the server's content filter said no
    │   ├── RequestRefused         the server does not accept the request, and dropping parameters did not help
    │   ├── KeyRejected            401, 403: the operator's key is wrong
    │   ├── QuotaExhausted         the operator's account is out of credit
    │   ├── ModelUnknown           the server has no such model
    │   └── WrongAddress           the base URL is not an OpenAI-style API (HTML, redirect, 404)
    ├── EndpointBusy               429 or overload, still after the retries; may know for how long
    ├── Unreachable                refused, unresolvable, or no TLS
    ├── TimedOut                   connected, but no first word in time
    ├── ServerFailed               5xx, still after the retries, or an answer that is no answer
    ├── EmptyAnswer                a complete answer without a word
    └── Interrupted                the answer broke off after its first words; they are kept

A provider's own words go into `str(error)` only after `telemetry` has redacted them, and never to a person.
"""

from __future__ import annotations

from typing import ClassVar

from bot.api import Unavailable


class ParleyError(Exception):
    """Anything that Parley raises on purpose."""

    user_key: ClassVar[str] = "error.unexpected"

    def __init__(self, detail: str = "", **values: str | int) -> None:
        super().__init__(detail or self.user_key)
        self.values = values


class SettingsError(ParleyError):
    """The operator's configuration cannot be used; `str(error)` says each fault on a line of its own."""

    user_key = "error.not_configured"


class StoreAway(ParleyError, Unavailable):
    """Redis does not answer."""

    user_key = "error.store_away"


class LeaseLost(ParleyError):
    """Another worker has this message now."""


class Refused(ParleyError):
    """Asking the same again cannot help."""


class MessageTooLong(Refused):
    """Values: `limit`, in characters."""

    user_key = "error.message_too_long"


class NothingToAnswer(Refused):
    """No text, and nothing we can read."""

    user_key = "error.nothing_to_answer"


class ContextTooLong(Refused):
    """The dialogue does not fit. `limit` is the model's window in tokens where the server named it, else 0."""

    user_key = "error.context_too_long"

    def __init__(self, detail: str = "", *, limit: int = 0) -> None:
        super().__init__(detail)
        self.limit = limit


class Filtered(Refused):
    """The server's content filter said no."""

    user_key = "error.filtered"


class RequestRefused(Refused):
    """The server does not accept the request."""

    user_key = "error.request_refused"


class KeyRejected(Refused):
    """The operator's key is wrong or has no right."""

    user_key = "error.key_rejected"


class QuotaExhausted(Refused):
    """The operator's account is out of credit."""

    user_key = "error.quota_exhausted"


class ModelUnknown(Refused):
    """Values: `model`."""

    user_key = "error.model_unknown"


class WrongAddress(Refused):
    """The base URL does not lead to an OpenAI-style API."""

    user_key = "error.wrong_address"


class EndpointBusy(ParleyError):
    """Still busy after the retries. `retry_after` is in seconds, 0 where the server did not say."""

    user_key = "error.endpoint_busy"

    def __init__(self, detail: str = "", *, retry_after: float = 0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unreachable(ParleyError):
    """No connection to the server."""

    user_key = "error.unreachable"


class TimedOut(ParleyError):
    """Connected, but no first word in time."""

    user_key = "error.timed_out"


class ServerFailed(ParleyError):
    """The server failed, or sent an answer that is no answer."""

    user_key = "error.server_failed"


class EmptyAnswer(ParleyError):
    """A complete answer without a word."""

    user_key = "error.empty_answer"


class Interrupted(ParleyError):
    """The answer broke off after its first words."""

    user_key = "error.interrupted"
