"""A refusal, as WeCom answers it: HTTP 200 and an errcode."""

from __future__ import annotations


class Refused(Exception):
    """`code` is the errcode."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
