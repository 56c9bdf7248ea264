"""Reads a chat model's answer out of the JSON that it comes in, whichever server wrote it.

The allowances are for what servers were seen to do: Azure's frames without choices, OpenRouter's errors in
the stream, Moonshot's usage inside of the choice, `reasoning_content` and `reasoning`, `<think>` in the text
itself, content that is null or a list, finish reasons of other vendors' making.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from bot.api import Usage
from bot.endpoints.calls import Calls, ToolCall
from bot.endpoints.failures import failure
from bot.endpoints.report import in_stream
from bot.errors import EmptyAnswer, Filtered, ParleyError, ServerFailed

TEXT_LIMIT = 2_000_000
"""Characters of one reply: answers, what was thought, and calls."""

_REASONS: Mapping[str, Literal["stop", "length", "filtered", "failed"]] = {
    **dict.fromkeys(("stop", "end_turn", "eos", "stop_sequence"), "stop"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_context_window_exceeded", "model_length"), "length"),
    **dict.fromkeys(("content_filter", "sensitive", "safety", "refusal"), "filtered"),
    **dict.fromkeys(("error", "network_error", "insufficient_system_resource"), "failed"),
}
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_OPEN, _CLOSE = "<think>", "</think>"
_HELD = 1000  # characters: some models say nothing but blanks, without end

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks; never part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class AsideDelta:
    """The next piece of another answer to the same question, `number` 1 or more; behind its `last` it is whole."""

    number: int
    text: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer. `usage` is the server's own count; `model` is the one that was asked.

    `calls` are the functions that the model wants to be carried out, behind these `thoughts`.
    """

    reason: Literal["stop", "length", "filtered"]
    usage: Usage | None
    model: str
    calls: tuple[ToolCall, ...] = ()
    thoughts: Mapping[str, str] = field(default_factory=dict)


Delta = TextDelta | ReasoningDelta | AsideDelta | Finish


class Thoughts:
    """Parts a leading `<think>…</think>` from the answer, however the text is cut."""

    def __init__(self) -> None:
        self._state: Literal["before", "inside", "behind", "answer"] = "before"
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """(what is thought, what is answered) in the next piece of text; either may be empty."""
        if self._state == "answer":
            return "", text
        text, self._held = self._held + text, ""
        if self._state == "before":
            start = text.lstrip()
            if not start.startswith(_OPEN):
                if _OPEN.startswith(start):
                    self._held = text[-_HELD:]
                    return "", ""
                self._state = "answer"
                return "", text
            self._state, text = "inside", start.removeprefix(_OPEN)
        thought = ""
        if self._state == "inside":
            thought, closed, text = text.partition(_CLOSE)
            if not closed:
                self._held = _partial(thought, _CLOSE)
                return thought.removesuffix(self._held), ""
            self._state = "behind"
        text = text.lstrip()
        if text:
            self._state = "answer"
        return thought, text

    def close(self) -> tuple[str, str]:
        """What was still held when the text ended; blanks alone are no answer."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "inside" else ("", held if held.strip() else "")


def _partial(text: str, tag: str) -> str:
    """The longest end of `text` that `tag` begins with."""
    return next((tag[:n] for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), "")


class AnswerReader:
    """Takes the JSON objects of one reply, in order, and gives deltas; `hide` is applied to error texts.

    `answers` is how many were asked for. The others come mingled with the first, and none is given out before it.
    `tools`: the model may call functions, so that an answer without a word may be one.
    """

    def __init__(
        self,
        where: str,
        model: str,
        hide: Callable[[str], str],
        answers: int = 1,
        *,
        tools: bool = False,
    ) -> None:
        self.spoke = False
        """Whether a piece of the answer has been given out."""
        self.finished = False
        """Whether the server has said that the answer is complete."""
        self.full = False
        """Whether the reply has reached its limit, so that the rest need not be read."""
        self._where, self._model, self._hide = where, model, hide
        self._reason: Literal["stop", "length", "filtered"] = "stop"
        self._usage: Usage | None = None
        self._thoughts = Thoughts()
        self._half = ""
        self._size = 0
        self._tools = False  # whether the model called some
        self._calls = Calls() if tools else None
        self._failed = ""
        self._answers = answers
        self._beside: dict[int, AnswerReader] = {}
        self._early: list[Delta] = []  # of other answers, before the first one spoke

    @property
    def complete(self) -> bool:
        """Whether the first answer has been given out to its end."""
        return self.spoke and self.finished and not self._failed

    @property
    def done(self) -> bool:
        """Whether every answer that was begun is complete."""
        return self.finished and all(other.finished for other in self._beside.values())

    def read(self, document: Any) -> list[Delta]:
        """The deltas in one object. Raises the error that the object stands for, if it is one."""
        if isinstance(document, list) and document:
            document = document[0]
        if not isinstance(document, dict):
            raise ServerFailed(f"{self._where}: an answer of {type(document).__name__} instead of an object")
        error = in_stream(document, self._hide)
        if error is not None:
            raise failure(error, self._where, model=self._model)
        self._note_usage(document.get("usage"))
        choices = document.get("choices")
        found: list[Delta] = []
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            if not (index := choice.get("index")):  # missing and null are 0
                found += self._choice(choice)
            elif self._answers > 1:
                self._early += self._aside(index, choice)
        if self._early and self.spoke:
            found += self._early
            self._early = []
        return found

    def close(self, *, complete: bool) -> list[Delta]:
        """What remains at the end of the reply; `Finish` is last. `complete`: the server closed it properly.

        Raises `EmptyAnswer`, `Filtered`, and `ServerFailed` where the reply broke off.
        """
        thought, text = self._thoughts.close()
        found = self._deltas(thought, text + ("\ufffd" if self._half else ""))
        if self._failed:
            raise ServerFailed(f"{self._where}: finished with {self._hide(self._failed)}")
        if not complete and not self.finished and not self.full:
            raise ServerFailed(f"{self._where}: the answer broke off")
        calls = self._calls.closed() if self._calls else ()
        if not self.spoke and not calls:
            raise self._empty()
        thoughts = self._calls.thoughts if self._calls and calls else {}
        found += self._early
        for index, other in self._beside.items():
            found += self._last(index, other) if complete and not other.finished else []
        reason = self._reason if self.finished or not self.full else "length"
        return [*found, Finish(reason, self._usage, self._model, calls, thoughts)]

    def _choice(self, choice: Mapping[str, Any]) -> list[Delta]:
        if "usage" in choice:  # Moonshot
            self._note_usage(choice["usage"])
        delta = choice.get("delta")
        if not isinstance(delta, dict) or not delta:
            message = choice.get("message")
            delta = message if isinstance(message, dict) else {}
        if delta.get("tool_calls") or delta.get("function_call"):
            self._tools = True
        reasoning, words = _reasoning(delta), _text(delta.get("content"))
        if refusal := delta.get("refusal"):
            words += _text(refusal)
        self._grow(len(reasoning) + len(words) + (self._calls.add(delta) if self._calls is not None else 0))
        thought, text = self._thoughts.feed(self._whole(words))
        found = self._deltas(reasoning + thought, text)
        if choice.get("finish_reason"):
            self._finish(str(choice["finish_reason"]))
        return found

    def _aside(self, index: Any, choice: Mapping[str, Any]) -> list[Delta]:
        """The deltas in a piece of another answer."""
        if not isinstance(index, int) or not 0 < index < self._answers:
            return []
        if (other := self._beside.get(index)) is None:
            other = self._beside[index] = AnswerReader(self._where, self._model, self._hide)
        if other.finished:
            return []
        size = other._size
        found = [_beside(index, delta) for delta in other._choice(choice)]
        self._grow(other._size - size)
        return [*found, *self._last(index, other)] if other.finished else found

    def _grow(self, size: int) -> None:
        self._size += size
        self.full = self._size > TEXT_LIMIT

    def _last(self, index: int, other: AnswerReader) -> list[Delta]:
        """What remains of another answer at its end; nothing of one that is none."""
        try:
            *found, _ = other.close(complete=True)
        except ParleyError as error:
            _log.info("other answer failed", host=self._where, reason=str(error))
            return []
        return [*(_beside(index, delta) for delta in found), AsideDelta(index, "", last=True)]

    def _finish(self, given: str) -> None:
        reason = _REASONS.get(given.lower())
        if reason is None:
            _log.info("unknown finish reason", reason=self._hide(given[:60]), host=self._where)
        if reason == "failed":
            self._failed = given[:60]
        else:
            self._reason, self.finished = reason or "stop", True

    def _deltas(self, thought: str, text: str) -> list[Delta]:
        found: list[Delta] = []
        if thought:
            found.append(ReasoningDelta(thought))
        if text:
            found.append(TextDelta(text))
            self.spoke = True
        return found

    def _whole(self, text: str) -> str:
        """`text` with surrogate pairs that were cut in two made whole, and lone halves replaced."""
        if self._half or not _encodable(text):
            text, self._half = self._half + text, ""
            if text[-1:] and "\ud800" <= text[-1] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _note_usage(self, given: Any) -> None:
        if not isinstance(given, dict):
            return
        prompt = given.get("prompt_tokens", given.get("input_tokens"))
        completion = given.get("completion_tokens", given.get("output_tokens"))
        counts = [n if isinstance(n, int) and n >= 0 else 0 for n in (prompt, completion)]
        if any(counts):
            self._usage = Usage(counts[0], counts[1])

    def _empty(self) -> ParleyError:
        if self._reason == "filtered":
            return Filtered(f"{self._where}: the answer was filtered")
        if self._reason == "length":
            return EmptyAnswer(f"{self._where}: the room for the answer was used up by thinking", final=1)
        what = "a call of tools that were not offered" if self._tools else "an empty answer"
        return EmptyAnswer(f"{self._where}: {what}")


def _beside(index: int, delta: Delta) -> Delta:
    return AsideDelta(index, delta.text) if isinstance(delta, TextDelta) else delta


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return ""


def _reasoning(delta: Mapping[str, Any]) -> str:
    for name in _THOUGHTS:
        if (given := delta.get(name)) and (text := _text(given)):
            return text
    return ""
