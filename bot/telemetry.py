"""What the process says about itself: structured log lines from which every secret has been removed.

Call `configure` once, early. Then `structlog.get_logger()` is all that a module needs; lines of the standard
library's loggers (uvicorn, redis, …) take the same way out. Logging never raises.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO
from urllib.parse import quote, unquote, urlsplit

import structlog

from bot.api import Incoming

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_KNOWN = (*_LEVELS.values(), logging.CRITICAL)  # structlog knows no levels between them
_QUIET = ("httpx", "httpcore", "uvicorn.access")  # they would log every request, with its URL
_LONGEST_VALUE = 4000
_LONGEST_TRACEBACK = 16_000
_LONGEST_READ = 65_536  # what is cut off beyond it could not have been shown anyway
_MOST_ITEMS = 50
_DEEPEST = 5

# --- redaction ----------------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"(^|_)(api_?key|token|secret|password|passwd|authorization|cookie)$", re.IGNORECASE
)

_NAMED = (
    r"(?i)((?:\b|_)(?:api[-_]?key|access_token|refresh_token|client_secret|appsecret|corpsecret|password)"
    r"\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)[^\s\"'\\&,;}]+"
)

_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"(data:[\w/+.-]{1,100}[^,\s]{0,100},)([\w+/=%-]{64,})"),
        lambda m: f"{m[1]}…({len(m[2])} characters)",
    ),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{0,200}:[^\s/@]{1,500}@", re.IGNORECASE), r"\1***@"),
    (re.compile(r"\bbot\d{4,}:[\w-]{6,}"), "bot***"),  # Telegram's token stands in the path of each request
    (re.compile(r"\b\d{6,12}:[\w-]{30,}"), "***"),
    (re.compile(r"\b(sk|pk|rk)-[\w*.-]{4,}"), r"\1-***"),
    (re.compile(r"\b(xox[a-z]|xapp)-[\w-]+"), r"\1-***"),
    (re.compile(r"\b(AIza|gsk_|hf_|xai-)[\w-]{16,}"), r"\1***"),
    (re.compile(r"\b(Bearer)(\s+)[^\s\"',}]+", re.IGNORECASE), r"\1\2***"),
    (re.compile(r"\b(Basic)(\s+)[\w+/=-]{8,}", re.IGNORECASE), r"\1\2***"),
    (re.compile(_NAMED), r"\1***"),
    (re.compile(r"((?i:[?&]key|\btoken|\bsecret|\bsig|\bsignature)=)[^&\s\"'#]+"), r"\1***"),
)

# Each pattern above needs one of these; most texts have none and are done after one search.
_SUSPICIOUS = re.compile(
    r"data:|://|\d:|[spr]k-|xox|xapp|aiza|gsk_|hf_|xai-|bearer|basic|key|token|secret|password|sig=|signature",
    re.IGNORECASE,
)


class Redaction:
    """Takes the given secrets, and whatever has the looks of one, out of a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._literals = re.compile("|".join(map(_literal, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """`text` without secrets. Applying it twice is the same as once."""
        if self._literals is not None:
            text = self._literals.sub("***", text)
        for pattern, replacement in _PATTERNS if _SUSPICIOUS.search(text) else ():
            text = pattern.sub(replacement, text)
        return text

    def __repr__(self) -> str:
        return "Redaction(***)"


def _forms(secret: str) -> set[str]:
    """A secret as it may turn up: as it is, percent-encoded, escaped in JSON."""
    secret = secret.strip()
    if re.match(r"(rediss?|unix)://", secret):  # the address helps the operator; only the password is secret
        try:
            secret = urlsplit(secret).password or ""
        except ValueError:
            return {secret}
        return {secret, unquote(secret)} - {""}
    printable = secret.encode("utf-8", "backslashreplace").decode()
    return {secret, quote(printable, safe=""), json.dumps(secret, ensure_ascii=False)[1:-1]} - {""}


def _literal(form: str) -> str:
    if len(form) >= 4:
        return re.escape(form)
    return rf"(?<!\w){re.escape(form)}(?!\w)"  # a tiny one inside of words would leave no line readable


class _Process:
    """The one thing that belongs to the whole process: what `redact` uses; set by `configure`."""

    redaction = Redaction()


def redact(text: str) -> str:
    """`text` without the secrets given to `configure`, and without anything that has the looks of one."""
    return _Process.redaction(text)


# --- lines --------------------------------------------------------------------------------------------------


class Lines:
    """The last processor of structlog: makes one redacted line of an event."""

    def __init__(
        self,
        redaction: Redaction,
        render: Callable[[float, str, dict[str, Any], str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redact = redaction
        self._render = render
        self._clock = clock

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        """The line for `event`; `method` is its level unless the event names one."""
        try:
            level = str(event.pop("level", method))
            trace = self._trace(event.pop("exc_info", None))
            values = {str(name): self._value(str(name), value) for name, value in event.items()}
            return self._render(self._clock(), level, values, trace)
        except Exception as error:  # noqa: BLE001 - an object may do anything in its __str__ or __iter__
            lost = {"event": "a log line was lost", "why": type(error).__name__}
            return self._render(self._clock(), "error", lost, "")

    def _value(self, name: str, value: Any, depth: int = 0) -> Any:
        match value:
            case None | bool() | int():
                shown: Any = value
            case float():
                shown = value if math.isfinite(value) else str(value)
            case str():
                shown = "***" if value and _SECRET_NAME.search(name) else self._text(value)
            case bytes() | bytearray():
                shown = self._text(bytes(value[:_LONGEST_READ]).decode("utf-8", "backslashreplace"))
            case Mapping() if depth < _DEEPEST:
                items = list(value.items())[:_MOST_ITEMS]
                shown = {self._text(str(k)): self._value(str(k), v, depth + 1) for k, v in items}
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                shown = [self._value(name, item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
            case BaseException():
                shown = self._text(f"{type(value).__name__}: {value}".removesuffix(": "))
            case _:
                shown = self._text(_shown(value))
        return shown

    def _text(self, text: str) -> str:
        text = self._redact(text[:_LONGEST_READ])
        if len(text) > _LONGEST_VALUE:
            text = f"{text[:_LONGEST_VALUE]}…"
        return text.encode("utf-8", "backslashreplace").decode()

    def _trace(self, exc_info: Any) -> str:
        if exc_info is True:
            exc_info = sys.exc_info()
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        if not isinstance(error, BaseException):
            return ""
        text = self._redact("".join(traceback.format_exception(error))[-_LONGEST_READ:]).rstrip()
        return text[-_LONGEST_TRACEBACK:].encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - somebody else's __repr__
        return f"<{type(value).__name__}, whose repr fails: {type(error).__name__}>"


def _json(now: float, level: str, values: dict[str, Any], trace: str) -> str:
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": stamp, "level": level, "event": values.pop("event", ""), **values}
    if trace:
        line["exception"] = trace
    return json.dumps(line, ensure_ascii=False)


class _Terminal:
    """Renders for people: local time, level, event, key=value; in colours where `colours`."""

    _SHADES = ("debug", "2"), ("info", "32"), ("warning", "33"), ("error", "31"), ("critical", "31")

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, now: float, level: str, values: dict[str, Any], trace: str) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        event = _plain(str(values.pop("event", "")))
        parts = [
            self._paint("2", clock),
            self._paint(dict(self._SHADES).get(level, "0"), f"{level:<7}"),
            event,
        ]
        parts += [self._paint("2", f"{name}={_bare(value)}") for name, value in values.items()]
        head = " ".join(parts)
        # Each line of a traceback is indented, so that what it quotes cannot pass for a line of ours.
        return head + "".join(f"\n  {_plain(line)}" for line in trace.splitlines())

    def _paint(self, shade: str, text: str) -> str:
        return f"\x1b[{shade}m{text}\x1b[0m" if self._colours else text


def _plain(text: str) -> str:
    """Without control characters: what a stranger wrote must not steer the operator's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bare(value: Any) -> str:
    if isinstance(value, str):
        text = _plain(value)
        return text if re.fullmatch(r"[^\s\"=]+", text) else '"' + text.replace('"', '\\"') + '"'
    return _plain(json.dumps(value, ensure_ascii=False))


class _Sink:
    """Writes each line at once to a text stream; structlog's innermost logger."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        text = line.encode(self._encoding, "backslashreplace").decode(self._encoding)
        # A full disk, a closed pipe or a closed stream: there is nowhere left to say so.
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(f"{text}\n")
            self._stream.flush()

    debug = info = warning = warn = error = critical = fatal = exception = failure = log = msg


class _Bridge(logging.Handler):
    """Brings the lines of the standard library's loggers to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - arguments that do not fit their format, or fail in __str__
            message = f"{record.msg!s} (its arguments do not fit: {type(error).__name__})"
        level = max((known for known in _KNOWN if known <= record.levelno), default=logging.DEBUG)
        structlog.get_logger().log(level, message, logger=record.name, exc_info=record.exc_info)


# --- set-up -------------------------------------------------------------------------------------------------


def configure(
    level: Literal["debug", "info", "warning", "error"] | str = "info",
    format: Literal["text", "json"] = "text",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Redaction:
    """Send all log lines of the process to `stream` (standard error), without `secrets`.

    Other people's packages are heard from `warning` on; with `level` `debug` from `info` on.
    Can be called again.
    """
    stream = sys.stderr if stream is None else stream
    redaction = Redaction(secrets)
    _Process.redaction = redaction
    render = _json if format == "json" else _Terminal(colours=_in_colours(stream))
    threshold = _LEVELS.get(level, logging.INFO)
    sink = _Sink(stream)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, Lines(redaction, render, clock)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]  # any other would let secrets out
    root.setLevel(logging.INFO if threshold == logging.DEBUG else max(threshold, logging.WARNING))
    logging.getLogger("adapters").setLevel(
        threshold
    )  # they are ours, though they know only the standard library
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return redaction


def _in_colours(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        return False
    with suppress(AttributeError, ValueError):
        return stream.isatty()
    return False


# --- which message it is about ------------------------------------------------------------------------------

_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"  # no vowels, so no words; no 0, 1, I, L, O, which are misread


def reference(message: Incoming) -> str:
    """The reference id of a message: 8 characters, the same in every process and after every crash."""
    number = int.from_bytes(hashlib.sha256(message.key.encode("utf-8", "surrogatepass")).digest())
    characters = []
    for _ in range(8):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)


def about(ref: str, **more: object) -> AbstractContextManager[None]:
    """Every line logged inside carries `ref` and `more`, also in tasks that are started inside."""
    return structlog.contextvars.bound_contextvars(ref=ref, **more)
