"""The functions that a model calls, put together out of the pieces in which servers send them.

Servers differ: arguments come in pieces or whole, as text or as an object; the index is missing (Gemini,
ollama/ollama#7881), or 0 for each of several calls (ollama/ollama#15457); the id is empty behind the first piece; an
older form is `function_call`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST = 16
"""Calls of one answer that are heard."""

LONGEST = 64_000
"""Characters of one call's arguments."""

_REPLAYED = ("reasoning_content", "reasoning")
_OWN = ("index", "id", "type", "function")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call: its `arguments` as the model wrote them, and what else its server wants to see again with it."""

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Growing:
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class Calls:
    """Takes the deltas of one answer, in order."""

    def __init__(self) -> None:
        self._calls: list[_Growing] = []
        self._at: dict[int, _Growing] = {}
        self._thoughts: dict[str, list[str]] = {}

    def add(self, delta: Mapping[str, Any]) -> int:
        """Take what a delta holds of calls, and of the thoughts that some servers want to see again with them.

        How many characters these are: whoever reads on bounds them.
        """
        size = 0
        for name in _REPLAYED:
            if isinstance(thought := delta.get(name), str):
                self._thoughts.setdefault(name, []).append(thought)
                size += len(thought)
        pieces = delta.get("tool_calls")
        if isinstance(function := delta.get("function_call"), dict):
            pieces = [{"index": 0, "function": function}]
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                size += self._take(piece)
        return size

    def closed(self) -> tuple[ToolCall, ...]:
        """The calls; what has no name is none."""
        return tuple(
            ToolCall(call.id or f"call_{number}", call.name, call.arguments, call.extra)
            for number, call in enumerate(self._calls, 1)
            if call.name
        )

    @property
    def thoughts(self) -> Mapping[str, str]:
        """What was thought before them, under the names that the server gave it."""
        return {name: "".join(pieces) for name, pieces in self._thoughts.items()}

    def _take(self, piece: Mapping[str, Any]) -> int:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        call = self._meant(piece, function)
        if call is None:
            return len(json.dumps(piece))
        known = len(call.id) + len(call.name)
        call.id = call.id or _text(piece.get("id"))
        call.name = call.name or _text(function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            call.arguments, arguments = "", json.dumps(arguments, ensure_ascii=False)
        text = _text(arguments)
        call.arguments = (call.arguments + text)[:LONGEST]
        extra = {name: value for name, value in piece.items() if name not in _OWN}
        call.extra |= extra
        named = len(call.id) + len(call.name) - known
        return named + len(text) + (len(json.dumps(extra)) if extra else 0)

    def _meant(self, piece: Mapping[str, Any], function: Mapping[str, Any]) -> _Growing | None:
        """The call that a piece belongs to: by its index, else by its id, else the last, unless it begins anew."""
        index, id = piece.get("index"), _text(piece.get("id"))
        call: _Growing | None
        if isinstance(index, int):
            call = self._at.get(index)
            if call is not None and id and call.id and call.id != id:
                call = None
        elif id:
            call = next((known for known in self._calls if known.id == id), None)
        else:
            call = self._calls[-1] if self._calls else None
            if call is not None and call.arguments and function.get("name"):
                call = None
        if call is None and len(self._calls) < MOST:
            call = _Growing()
            self._calls.append(call)
        if call is not None and isinstance(index, int):
            self._at[index] = call
        return call


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
