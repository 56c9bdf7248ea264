"""A call that the simulated Slack does not carry out, with the error code that Slack gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """`error` is Slack's code; `fields` stand beside it in the answer. 200 is the status of most refusals."""

    def __init__(
        self,
        error: str,
        *messages: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.status = status
        self.headers = dict(headers or {})
        self.fields = dict(fields)
        if messages:
            self.fields["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"ok": False, "error": self.error, **self.fields}
