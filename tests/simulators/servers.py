"""How the servers that call themselves OpenAI-compatible differ from OpenAI, in answers and in refusals.

`ANSWERS` gives, for a text, the stream in which that server would say it; `REFUSALS` the refusals that were
seen, each with its status. Sources: the vendors' own pages, and the issues of their clients.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulators.endpoint import DONE, Reply, Step, event, fail, pieces, raw

THOUGHT = "Let me think."
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def frame(delta: Mapping[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """A chunk that nobody checked."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
    return event(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | more
    )


def _said(text: str) -> list[Step]:
    return [frame({"content": piece}) for piece in pieces(text)]


def openai(text: str) -> Reply:
    """Fields to obscure the length of what is said, and a usage chunk without choices."""
    said = [frame({"content": piece}, obfuscation="x" * 7, usage=None) for piece in pieces(text)]
    head = frame({"role": "assistant", "content": "", "refusal": None})
    return raw(head, *said, frame({}, "stop"), frame(usage=USAGE, obfuscation=""), DONE)


def azure(text: str) -> Reply:
    """A first chunk without choices, annotation frames, a burst of all tokens at once."""
    head = frame(prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}])
    notes = event(
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}
    )
    burst = b"".join(step for step in _said(text) if isinstance(step, bytes))
    return raw(head, burst, notes, frame({}, "stop"), frame(usage=USAGE), DONE)


def openrouter(text: str) -> Reply:
    """Comments while it waits, the thoughts twice, usage in the last chunk."""
    comment = b": OPENROUTER PROCESSING\n\n"
    details = [{"type": "reasoning.text", "text": THOUGHT}]
    thought = frame({"content": "", "reasoning": THOUGHT, "reasoning_details": details})
    return raw(
        comment, comment, thought, comment, *_said(text), frame({"content": ""}, "stop", usage=USAGE), DONE
    )


def deepseek(text: str) -> Reply:
    """Keep-alive comments, thoughts with null content, usage in the chunk that finishes."""
    head = frame({"role": "assistant", "content": None, "reasoning_content": ""})
    thoughts = [frame({"content": None, "reasoning_content": piece}) for piece in pieces(THOUGHT)]
    said = [frame({"content": piece, "reasoning_content": None}) for piece in pieces(text)]
    keep = b": keep-alive\n\n"
    return raw(keep, keep, head, *thoughts, *said, frame({"content": ""}, "stop", usage=USAGE), DONE)


def qwen(text: str) -> Reply:
    """`data:` without a blank; `delta` null in the last chunk."""
    last = {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}], "usage": None}
    steps = [
        frame({"content": None, "reasoning_content": THOUGHT}),
        *_said(text),
        event(last),
        frame(usage=USAGE),
        DONE,
    ]
    return raw(*(step.replace(b"data: ", b"data:") for step in steps if isinstance(step, bytes)))


def kimi(text: str) -> Reply:
    """Usage inside of the last choice."""
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}
    return raw(frame({"reasoning_content": THOUGHT}), *_said(text), event(last), DONE)


def glm(text: str) -> Reply:
    """A finish reason of its own, CRLF, no `object`."""
    steps = [frame({"role": "assistant", "reasoning_content": THOUGHT}), *_said(text)]
    steps += [frame({"content": ""}, "model_context_window_exceeded", usage=USAGE), DONE]
    return raw(*(step.replace(b"\n", b"\r\n") for step in steps if isinstance(step, bytes)))


def anthropic(text: str) -> Reply:
    """Finishes with `end_turn`; details of usage are empty."""
    usage = USAGE | {"prompt_tokens_details": None, "completion_tokens_details": {}}
    return raw(*_said(text), frame({}, "end_turn"), frame(usage=usage), DONE)


def gemini(text: str) -> Reply:
    """Cumulative usage in every chunk; no index; content in parts."""
    steps: list[Step] = []
    for number, piece in enumerate(pieces(text), 1):
        delta = {"content": [{"type": "text", "text": piece}], "extra_content": {"google": {}}}
        usage = {"prompt_tokens": 7, "completion_tokens": number, "total_tokens": 7 + number}
        steps.append(event({"choices": [{"delta": delta}], "usage": usage}))
    return raw(*steps, event({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE}), DONE)


def ollama(text: str) -> Reply:
    """The thoughts in `reasoning`; no usage at all."""
    return raw(
        frame({"content": "", "reasoning": THOUGHT}), *_said(text), frame({"content": ""}, "stop"), DONE
    )


def vllm(text: str) -> Reply:
    """Usage with every chunk, a stop reason beside the finish reason."""
    said = [frame({"content": piece}, usage={**USAGE, "completion_tokens": 1}) for piece in pieces(text)]
    last = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}]}
    return raw(frame({"reasoning": THOUGHT}), *said, event(last | {"usage": None}), frame(usage=USAGE), DONE)


def llamacpp(text: str) -> Reply:
    """Timings; a null finish reason; no `[DONE]`."""
    last = frame({}, "stop", usage=USAGE, timings={"prompt_n": 1})
    return raw(frame({"role": "assistant", "content": None}), *_said(text), last)


def lmstudio(text: str) -> Reply:
    """The thoughts in the text itself, cut in the middle of the tags."""
    whole = f"<think>\n{THOUGHT}\n</think>\n\n{text}"
    return raw(
        *(frame({"content": whole[n : n + 3]}) for n in range(0, len(whole), 3)), frame({}, "eos"), DONE
    )


def litellm(text: str) -> Reply:
    """A whole reply although a stream was asked for, and a list for a first choice that is not ours."""
    message = {"role": "assistant", "content": text, "tool_calls": None, "reasoning_content": THOUGHT}
    choices = [
        {"index": 1, "message": {"content": "not this one"}},
        {"message": message, "finish_reason": "stop"},
    ]
    body = json.dumps({"id": "1", "object": "chat.completion", "choices": choices, "usage": USAGE})
    return raw(b"\n\n" + body.encode(), media_type="application/json")


def proxy(text: str) -> Reply:
    """A BOM, bare CRs, a Latin charset, and a last event without its blank line or `[DONE]`."""
    steps = [*_said(text), frame({}, "stop", usage=USAGE)]
    body = b"".join(step for step in steps if isinstance(step, bytes)).replace(b"\n", b"\r").rstrip(b"\r")
    cut = [body[n : n + 5] for n in range(0, len(body), 5)]
    return raw(b"\xef\xbb\xbf", *cut, media_type="text/event-stream; charset=iso-8859-1")


ANSWERS: Mapping[str, Callable[[str], Reply]] = {
    made.__name__: made
    for made in (
        openai, azure, openrouter, deepseek, qwen, kimi, glm, anthropic, gemini, ollama, vllm, llamacpp,
        lmstudio, litellm, proxy,
    )
}  # fmt: skip


def _error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def _sse(*steps: Step) -> Reply:
    return raw(*steps)


REFUSALS: Mapping[str, Reply] = {
    # --- the account
    "openai: no quota": fail(
        429, "You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota"
    ),
    "openai: credit used up": fail(429, type="insufficient_quota", code="credit_balance_exhausted"),
    "openrouter: no credit": fail(402, body=_error("This request requires more credits", code=402)),
    "deepseek: no balance": fail(402, "Insufficient Balance", type="unknown_error"),
    "glm: in debt": fail(
        429, body={"error": {"code": "1113", "message": "Insufficient balance or no resource"}}
    ),
    "kimi: no quota": fail(429, "Your account is suspended", type="exceeded_current_quota_error"),
    "qwen: in arrears": fail(400, body={"error": {"code": "Arrearage", "message": "Access denied."}}),
    "anthropic: low balance": fail(400, "Your credit balance is too low to access the API."),
    # --- the key
    "openai: bad key": fail(401, "Incorrect API key provided: sk-abc***xyz.", code="invalid_api_key"),
    "gemini: bad key": fail(
        400,
        body=[_error("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT")],
    ),
    "openai: region": fail(403, "Country not supported", code="unsupported_country_region_territory"),
    # --- the model
    "openai: no model": fail(404, "The model `x` does not exist", code="model_not_found"),
    "deepseek: no model": fail(400, "Model Not Exist"),
    "openrouter: no model": fail(400, body=_error("x is not a valid model ID", code=400)),
    "glm: no model": fail(400, body={"error": {"code": "1211", "message": "模型不存在"}}),
    "ollama: no model": fail(404, 'model "x" not found, try pulling it first', type="api_error"),
    "vllm: no model": fail(404, body=_error("The model `x` does not exist.", type="NotFoundError", code=404)),
    "litellm: no model": fail(
        400, body={"error": {"message": "Invalid model name passed in model=x", "code": "400"}}
    ),
    "gemini: no model": fail(404, body=[_error("models/x is not found for API version v1", code=404)]),
    # --- the length
    "openai: too long": fail(
        400,
        "This model's maximum context length is 128,000 tokens. However, you sent 130001.",
        code="context_length_exceeded",
        param="messages",
    ),
    "llamacpp: too long": fail(
        500,
        body=_error(
            "the request exceeds the context", type="exceed_context_size_error", n_ctx=4096, code=500
        ),
    ),
    "vllm: too long": fail(
        400, body=_error("This model's maximum context length is 4096 tokens. Please reduce it.", code=400)
    ),
    "anthropic: too long": fail(400, "prompt is too long: 214315 tokens > 200000 maximum"),
    "gemini: too long": fail(
        400,
        body=[
            _error(
                "The input token count (9) exceeds the maximum number of tokens allowed (1048576).", code=400
            )
        ],
    ),
    "kimi: too long": fail(400, "Invalid request: Your request exceeded model token limit: 131072"),
    "qwen: too long": fail(400, "Range of input length should be [1, 98304]"),
    "openai: too large for the minute": fail(
        429,
        "Request too large for x on tokens per min (TPM): Limit 30000, Requested 45000.",
        code="rate_limit_exceeded",
        type="tokens",
    ),
    "nginx: too large": fail(
        413, body=b"<html><h1>413 Request Entity Too Large</h1></html>", media_type="text/html"
    ),
    # --- the filter
    "azure: filtered": fail(
        400,
        body={
            "error": {
                "message": "The response was filtered: the prompt triggered content management policy.",
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
    ),
    "openrouter: flagged": fail(
        403,
        body=_error("Your input was flagged", code=403, metadata={"reasons": ["x"], "flagged_input": "y"}),
    ),
    "qwen: inspected": fail(
        400, body={"error": {"code": "data_inspection_failed", "message": "Input data may …"}}
    ),
    "deepseek: risk": fail(400, "Content Exists Risk"),
    "glm: sensitive": fail(400, body={"error": {"code": "1301", "message": "系统检测到"}}),
    # --- too much at once
    "openai: rate": fail(429, "Rate limit reached", code="rate_limit_exceeded", headers={"retry-after": "7"}),
    "openai: slow down": fail(429, "Slow down", type="rate_limit_error", code="slow_down"),
    "anthropic: overloaded": fail(529, "Overloaded", type="overloaded_error"),
    "llamacpp: loading": fail(503, body=_error("Loading model", type="unavailable_error", code=503)),
    "glm: concurrency": fail(429, body={"error": {"code": "1302", "message": "并发数过高"}}),
    "gemini: exhausted": fail(
        429, body=[_error("You exceeded your current quota", code=429, status="RESOURCE_EXHAUSTED")]
    ),
    "openrouter: rate, in the stream": _sse(
        event(
            {
                "id": "1",
                "error": {"code": 429, "message": "Rate limited"},
                "choices": [{"finish_reason": "error"}],
            }
        )
    ),
    # --- the server itself
    "openai: broken": fail(500, "The server had an error", type="server_error"),
    "nginx: bad gateway": fail(502, body=b"<html><h1>502 Bad Gateway</h1></html>", media_type="text/html"),
    "vllm: broken, in the stream": _sse(event({"error": {"message": "died", "code": 500}}), DONE),
    "vllm: broken, in the stream, of old": _sse(
        event({"object": "error", "message": "died", "code": 500}), DONE
    ),
    "llamacpp: broken, in a field error": _sse(
        b'error: {"code":500,"message":"died","type":"server_error"}\n\n'
    ),
    "an event called error": _sse(b'event: error\ndata: {"message":"died"}\n\n'),
    "deepseek: out of resources": _sse(frame({"content": ""}, "insufficient_system_resource"), DONE),
    "glm: network": _sse(frame({"content": ""}, "network_error"), DONE),
    "no JSON in an event": _sse(b"data: {oops}\n\n"),
    "a JSON number": raw(b"5", media_type="application/json"),
    "nothing at all": raw(),
    # --- the request
    "fastapi: extra field": fail(
        422,
        body={
            "detail": [{"loc": ["body", "user"], "msg": "Extra inputs are not permitted", "type": "extra"}]
        },
    ),
    "fastapi: a sentence": fail(422, body={"detail": "That cannot be done."}),
    # --- the address
    "openai: wrong path": fail(404, "Invalid URL (POST /v1/v1/chat/completions)"),
    "fastapi: wrong path": fail(404, body={"detail": "Not Found"}),
    "nginx: not found": fail(404, body=b"<html>404</html>", media_type="text/html"),
    "method not allowed": fail(405, body=b"Method Not Allowed", media_type="text/plain"),
    "moved": fail(301, body=b"", headers={"location": "https://elsewhere.example/v1?key=secret"}),
    "a sign-in page": fail(200, body=b"<!DOCTYPE html><p>Sign in</p>", media_type="text/html"),
    # --- an answer without words
    "lmstudio: overflow": _sse(frame({}, "stop"), DONE),
    "only blanks": _sse(frame({"content": " \n"}), frame({}, "stop"), DONE),
    "only a tool call": _sse(frame({"tool_calls": [{"index": 0, "id": "1"}]}), frame({}, "tool_calls"), DONE),
    "only thoughts": _sse(frame({"reasoning_content": THOUGHT}), frame({}, "length"), DONE),
    "filtered at once": _sse(frame({}, "content_filter"), DONE),
}
