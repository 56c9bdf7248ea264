"""A server's refusal in one form, whichever of the many kinds of error body it came in.

They are those of OpenAI, Azure, OpenRouter, DeepSeek, Z.ai, Gemini, Ollama, vLLM, llama.cpp, LiteLLM and
FastAPI, and the web pages of proxies. A report's text has been through the redaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from bot.telemetry import Redaction, redact

_SHOWN = 300  # characters of a server's own words


@dataclass(frozen=True, slots=True)
class Report:
    """A server's refusal in one form. `status` is what it amounts to in HTTP, for errors in a stream too."""

    status: int
    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    window: int = 0  # tokens, where the error names the window in a field of its own
    html: bool = False

    def __str__(self) -> str:
        words = " ".join(
            dict.fromkeys(w for w in (str(self.status), self.code or self.type) if w and w != "0")
        )
        return f"{words}: {self.message}" if self.message else words


def redaction(key: str) -> Callable[[str], str]:
    """Takes a server's key, all configured secrets and what looks like one out of a text."""
    own = Redaction((key,) if key else ())
    return lambda text: redact(own(text))


def report(
    status: int, body: bytes | Mapping[str, Any] | list[Any] | str, hide: Callable[[str], str]
) -> Report:
    """The report of an error body; `hide` is applied to every text in it."""
    parsed: Any = body
    if isinstance(body, bytes):
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            return _unstructured(status, body.decode("utf-8", "replace"), hide)
    if isinstance(parsed, list):
        parsed = parsed[0] if parsed else {}
    if not isinstance(parsed, Mapping):
        return Report(status, _short(str(parsed), hide))
    error = parsed.get("error") or parsed.get("detail") or parsed
    if isinstance(error, list):  # FastAPI's list of faults
        return _faults(status, error, hide)
    if not isinstance(error, Mapping):
        return Report(status, _short(str(error), hide), code=_short(str(parsed.get("code") or ""), hide))
    return _structured(status, error, hide)


def _structured(status: int, error: Mapping[str, Any], hide: Callable[[str], str]) -> Report:
    code = error.get("code")
    inner = error.get("innererror")
    message = error.get("message") or error.get("msg") or error.get("error_message") or ""
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(
        metadata.get("raw"), str
    ):  # OpenRouter: the provider's words
        message = f"{message}: {metadata['raw']}"
    if isinstance(inner, Mapping) and inner.get("code"):
        code = inner["code"]
    if isinstance(metadata, Mapping) and "flagged_input" in metadata:
        code = "content_filter"
    elif error.get("status") and isinstance(code, int):  # Gemini: the name is in `status`
        code = error["status"]
    numeric = error.get("code")
    if isinstance(numeric, str) and re.fullmatch(r"[45]\d\d", numeric):
        numeric = int(numeric)
    if not 400 <= status < 600:
        status = numeric if isinstance(numeric, int) and 400 <= numeric < 600 else 500
    window = error.get("n_ctx")
    return Report(
        status,
        _short(str(message), hide),
        code=_short("" if code is None else str(code), hide),
        type=_short(str(error.get("type") or error.get("error_type") or ""), hide),
        param=_short(str(error.get("param") or ""), hide),
        window=window if isinstance(window, int) else 0,
    )


def _faults(status: int, faults: list[Any], hide: Callable[[str], str]) -> Report:
    first = faults[0] if faults else ""
    if not isinstance(first, Mapping):
        return Report(status, _short(str(first), hide))
    place = first.get("loc")
    param = ".".join(str(p) for p in place if p != "body") if isinstance(place, list) else ""
    return Report(status, _short(f"{first.get('msg', '')} ({param})", hide), param=_short(param, hide))


def _unstructured(status: int, text: str, hide: Callable[[str], str]) -> Report:
    html = text.lstrip("\ufeff \t\r\n").startswith("<")
    if html:
        text = re.sub(r"<(script|style)\b.*?(</\1>|$)|<[^<>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return Report(status, _short(text, hide), html=html)


def _short(text: str, hide: Callable[[str], str]) -> str:
    text = " ".join(hide(text[:4096]).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def in_stream(document: Mapping[str, Any], hide: Callable[[str], str]) -> Report | None:
    """The report of an error object in a stream or in a reply with status 200; None where it is none."""
    choices = document.get("choices")
    if document.get("error"):
        given = report(200, document, hide)
    elif document.get("object") == "error" or "error_type" in document or "error_message" in document:
        given = report(200, {"error": dict(document)}, hide)
    elif not choices and any(name in document for name in ("detail", "msg", "message")):
        given = report(200, document, hide)
    else:
        return None
    return given if 400 <= given.status < 600 else replace(given, status=500)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that a server asks us to wait (`retry-after-ms`; RFC 9110 section 10.2.3), or 0."""
    try:
        if "retry-after-ms" in headers:
            wait = float(headers["retry-after-ms"]) / 1000
        elif re.fullmatch(r"\s*[\d.]+\s*", given := headers.get("retry-after", "")):
            wait = float(given)
        else:
            wait = parsedate_to_datetime(given).timestamp() - now if given else 0
    except (ValueError, OverflowError):
        return 0
    return max(0.0, wait) if wait < 10**7 else 0
