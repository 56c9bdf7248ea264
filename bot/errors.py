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
    │   ├── Incapable              no configured model or server can do this kind of thing
    │   │   ├── NoVision           the model takes no pictures
    │   │   ├── NoImages           none draws
    │   │   ├── NoTranscription    none hears
    │   │   ├── NoSubtitles        the one that hears gives no times
    │   │   └── NoSpeech           none speaks
    │   ├── WrongAddress           the base URL is not an OpenAI-style API (HTML, redirect, 404)
    │   └── Indigestible           what was sent cannot be used
    │       ├── TooLarge           more bytes than we take
    │       ├── TooManyPixels      a picture of an absurd size
    │       ├── TooMuch            it unpacks to more, or takes longer to read, than we allow
    │       ├── TooLong            a recording beyond the bound
    │       ├── Silent             a recording in which nothing can be heard
    │       ├── Wordless           a document without a word that can be read
    │       ├── Encrypted          a password protects it
    │       ├── Unreadable         damaged, or not what it says it is
    │       ├── Unsupported        a kind that we do not read
    │       ├── ForbiddenAddress   a link that leads into a private network
    │       └── NotFetched         what a link leads to does not come
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


class Incapable(Refused):
    """No configured model or server can do this kind of thing; for an hour it is not asked again."""

    user_key = "error.incapable"


class NoVision(Incapable):
    """The model takes no pictures."""

    user_key = "error.no_vision"


class NoImages(Incapable):
    """No model draws or changes pictures."""

    user_key = "error.no_images"


class NoTranscription(Incapable):
    """No model turns speech into text."""

    user_key = "error.no_transcription"


class NoSubtitles(Incapable):
    """The model that turns speech into text does not say when each word was spoken."""

    user_key = "error.no_subtitles"


class NoSpeech(Incapable):
    """No model turns text into speech."""

    user_key = "error.no_speech"


class WrongAddress(Refused):
    """The base URL does not lead to an OpenAI-style API."""

    user_key = "error.wrong_address"


class Indigestible(Refused):
    """What was sent cannot be used; it is for the person to send something else."""

    user_key = "error.indigestible"


class TooLarge(Indigestible):
    """More bytes than we take. Values: `limit`, in megabytes."""

    user_key = "error.too_large"


class TooManyPixels(Indigestible):
    """A picture of an absurd size. Values: `limit`, in millions of pixels."""

    user_key = "error.too_many_pixels"


class TooMuch(Indigestible):
    """It unpacks to more, or takes longer to read, than we allow."""

    user_key = "error.too_much"


class TooLong(Indigestible):
    """A recording beyond the bound. Values: `limit`, in minutes."""

    user_key = "error.too_long"


class Silent(Indigestible):
    """A recording in which nothing can be heard."""

    user_key = "error.silent"


class Wordless(Indigestible):
    """A document without a word that can be read, such as scanned pages."""

    user_key = "error.wordless"


class Encrypted(Indigestible):
    """A password protects it."""

    user_key = "error.encrypted"


class Unreadable(Indigestible):
    """Damaged, or not what it says it is. Values: `kind`, such as `PDF`."""

    user_key = "error.unreadable"


class Unsupported(Indigestible):
    """A kind that we do not read. Values: `kind`, such as `EPUB`."""

    user_key = "error.unsupported"


class ForbiddenAddress(Indigestible):
    """A link that leads into a private network, or is no web address."""

    user_key = "error.forbidden_address"


class NotFetched(Indigestible):
    """What a link leads to does not come: no connection, no answer in time, or an error."""

    user_key = "error.not_fetched"


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
