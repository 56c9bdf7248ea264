"""What a server's refusal means: the codes and words of every vendor, and the error that each stands for."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.endpoints.report import Report
from bot.errors import (
    ContextTooLong,
    EndpointBusy,
    Filtered,
    KeyRejected,
    ModelUnknown,
    ParleyError,
    QuotaExhausted,
    RequestRefused,
    ServerFailed,
    WrongAddress,
)

_QUOTA_CODES = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",  # Moonshot
    "enforced_spend_limit_reached",  # Anthropic
    "arrearage",  # DashScope
    *("1110", "1111", "1112", "1113", "1308", "1309", "1310"),  # Z.ai: account locked, in debt, or used up
}
_QUOTA = re.compile(
    r"insufficient (?:balance|quota|credit|funds)|credit balance is too low|out of credits"
    r"|requires more credits|余额不足|欠费|in arrears|account is in good standing",
    re.IGNORECASE,
)
_FILTER_CODES = {
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "datainspectionfailed",
    "moderation_blocked",
    "1301",
}
_FILTER = re.compile(
    r"content management policy|content exists risk|considered high risk|inappropriate content"
    r"|flagged by moderation|requires moderation|(?:by|of) (?:our|the) safety (?:system|filter)"
    r"|violat\w+ (?:our|the|its) (?:usage|content) polic",
    re.IGNORECASE,
)
_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error", "1261", "string_above_max_length"}
_LONG = re.compile(
    r"(?:maximum|max|exceed\w*|overflow\w*|larger than|longer than|available|the) (?:\w+ )?"
    r"context[ _](?:length|window|size)|context[ _](?:length|window|size)\w* (?:exceeded|overflow|of only)"
    r"|context the overflows|prompt is too long|input is too long|input token count|model token limit"
    r"|range of input length"
    r"|too large for model with \d+ maximum context|maximum number of (?:input )?tokens|request too large",
    re.IGNORECASE,
)
_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"context (?:length|window|size)(?: is| of|:)?(?: only)? \(?(\d+)",
        r"> (\d+) maximum",
        r"tokens allowed \((\d+)",
        r"token limit:? (\d+)",
        r"\[\d+, ?(\d+)\]",
        r"model with (\d+) maximum",
        r"\blimit:? (\d+)",
    )
)
_LIMIT_FIELDS = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
_KEY = re.compile(
    r"(?:incorrect|invalid|expired) api[ _-]?key|api[ _-]?key (?:not valid|is invalid|expired|not found)",
    re.IGNORECASE,
)
_MODEL_CODES = {"model_not_found", "model_not_supported", "invalid_model", "1211", "modelnotfound"}
_MODEL = re.compile(
    r"models?\b.{0,120}?\b(?:not found|does ?n[o']t exist|not exist"
    r"|is not (?:a )?(?:valid|available|found)|has been (?:deprecated|shut ?down|retired))"
    r"|not a valid model|invalid model|unknown model|no such model"
    r"|not a chat model|模型不存在",
    re.IGNORECASE | re.DOTALL,
)
_MISSING = re.compile(
    r"(?:unknown|invalid) url|not allowed to (?:use|access|call) this (?:endpoint|api|resource)"
    r"|(?:endpoint|api|route|path|url)\b.{0,60}\b(?:not (?:supported|available|implemented|enabled|found)|disabled)",
    re.IGNORECASE,
)
_BLIND = re.compile(
    r"image input (?:is )?not supported|support (?:image|vision|multimodal) input", re.IGNORECASE
)
_TOOLLESS = re.compile(
    r"does not support (?:tool|function)|support (?:tool|function) (?:use|call)"
    r"|tools? (?:param|choice).{0,40}requires?|unsupported param\w*:? ['\"]?tools"
    r"|(?:tools?|functions?) (?:is|are) not supported",
    re.IGNORECASE,
)
_BUSY_CODES = {
    "rate_limit_exceeded", "rate_limit_error", "slow_down", "server_is_overloaded", "overloaded_error",
    "engine_overloaded_error", "1302", "1303", "1305",
}  # fmt: skip


class ParameterRefused(RequestRefused):
    """A request was refused, and `report` may say which of its parts was to blame."""

    def __init__(self, report: Report, where: str) -> None:
        super().__init__(f"{where}: {report}")
        self.report = report


class EndpointMissing(WrongAddress):
    """The server has no such endpoint, or not for us; where it is the one for chat, the base URL is wrong."""


def failure(given: Report, where: str, *, model: str = "", retry_after: float = 0) -> ParleyError:
    """The error that a report stands for. `where` is the server's host; `retry_after` in seconds."""
    detail = f"{where}: {given}"
    kind = next((kind for applies, kind in _KINDS if applies(given)), RequestRefused)
    if kind is ContextTooLong:
        return ContextTooLong(detail, limit=given.window or _limit(given.message))
    if kind is EndpointBusy:
        return EndpointBusy(detail, retry_after=retry_after)
    if kind is ModelUnknown:
        return ModelUnknown(detail, model=model)
    if kind in (WrongAddress, EndpointMissing):
        return kind(f"{detail}; is the base URL right, with /v1 exactly once?")
    return ParameterRefused(given, where) if kind is RequestRefused else kind(detail)


def _named(given: Report, codes: set[str]) -> bool:
    return bool({given.code.lower(), given.type.lower()} & codes)


def _quota(given: Report) -> bool:
    said = given.status < 500 and _QUOTA.search(given.message)
    return given.status == 402 or _named(given, _QUOTA_CODES) or bool(said)


def _too_long(given: Report) -> bool:
    if given.param in _LIMIT_FIELDS or re.search(r"max\w*_tokens'? .{0,40}too large", given.message):
        return False  # the room asked for is at fault, not the dialogue
    if given.status == 413 or _named(given, _LONG_CODES):
        return True
    return given.status in (400, 422, 429, 500) and bool(_LONG.search(given.message))


def _filtered(given: Report) -> bool:
    if _named(given, _FILTER_CODES):  # in a stream it may pass for a fault of the server
        return True
    return given.status < 500 and bool(_FILTER.search(given.message))


def _blind(given: Report) -> bool:
    return bool(_BLIND.search(given.message))  # OpenRouter: 404; llama.cpp: 400, earlier 500


def _toolless(given: Report) -> bool:
    return bool(_TOOLLESS.search(given.message))  # OpenRouter: 404; llama.cpp without --jinja: 500


def _model(given: Report) -> bool:
    if given.status >= 500 or given.status == 429 or given.param not in ("", "model"):
        return False
    return given.code.lower() in _MODEL_CODES or bool(_MODEL.search(given.message))


def _missing(given: Report) -> bool:
    if given.code.lower() == "unknown_url" or given.status in (404, 405, 501):
        return True
    return given.status in (400, 403) and bool(_MISSING.search(given.message))


def _key(given: Report) -> bool:
    return given.status in (401, 403) or (given.status == 400 and bool(_KEY.search(given.message)))


def _busy(given: Report) -> bool:
    return given.status in (429, 503, 529) or _named(given, _BUSY_CODES)


def _address(given: Report) -> bool:
    return given.status < 500 and given.html


def _server(given: Report) -> bool:
    return given.status >= 500 or given.status in (408, 409, 425)


_KINDS: tuple[tuple[Callable[[Report], bool], type[ParleyError]], ...] = (
    (_quota, QuotaExhausted),
    (_too_long, ContextTooLong),
    (_filtered, Filtered),
    (_blind, RequestRefused),
    (_toolless, RequestRefused),
    (_model, ModelUnknown),
    (_missing, EndpointMissing),
    (_key, KeyRejected),
    (_busy, EndpointBusy),
    (_address, WrongAddress),
    (_server, ServerFailed),
)
"""What a report stands for: the first that applies."""


def _limit(message: str) -> int:
    message = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", message)
    for pattern in _LIMITS:
        if match := pattern.search(message):
            return int(match[1][:9])
    return 0
