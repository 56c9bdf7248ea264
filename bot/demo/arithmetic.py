"""Arithmetic as people type it: `2+2*3`, `(1 + 2) × 3`, `2^10`; exact, bounded, and nothing is executed.

sum      = product { ("+" | "-") product }
product  = signed { ("*" | "/") signed }
signed   = { "+" | "-" } power
power    = atom [ "^" signed ]
atom     = number | "(" sum ")"
"""

from __future__ import annotations

import re
from fractions import Fraction

_LONGEST = 100  # characters
_LARGEST_EXPONENT = 64
_LARGEST = 10**60
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|\*\*|[-+*/^()])")
_SPELLINGS = str.maketrans({"×": "*", "÷": "/", "−": "-", "（": "(", "）": ")", "＋": "+", "－": "-"})


def calculate(text: str) -> Fraction | None:
    """The value of `text`, or None where it is no arithmetic (or only a number).

    Raises `ZeroDivisionError`, and `OverflowError` where the value is too large to be worth it.
    """
    text = text.translate(_SPELLINGS).strip()
    if len(text) > _LONGEST:
        return None
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        tokens.append("^" if match[1] == "**" else match[1])
        position = match.end()
    if not any(word in "+-*/^" for word in tokens) or len(tokens) < 3:
        return None
    parser = _Parser(tokens)
    try:
        value = parser.sum()
    except ValueError:
        return None
    return value if parser.finished else None


def shown(value: Fraction) -> str:
    """A whole number as it is, any other with up to ten digits."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def finished(self) -> bool:
        return self._next == len(self._tokens)

    def sum(self) -> Fraction:
        value = self._product()
        while operator := self._take("+-"):
            value = value + self._product() if operator == "+" else value - self._product()
        return _bounded(value)

    def _product(self) -> Fraction:
        value = self._signed()
        while operator := self._take("*/"):
            value = _bounded(value * self._signed() if operator == "*" else value / self._signed())
        return value

    def _signed(self) -> Fraction:
        sign = 1
        while operator := self._take("+-"):
            sign = -sign if operator == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        value = self._atom()
        if self._take("^"):
            exponent = self._signed()
            if exponent.denominator != 1:
                raise ValueError("a root")
            if abs(exponent) > _LARGEST_EXPONENT:
                raise OverflowError("too large a power")
            value = Fraction(value ** int(exponent))
        return _bounded(value)

    def _atom(self) -> Fraction:
        if self._take("("):
            value = self.sum()
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
            return value
        if self.finished or not self._tokens[self._next][-1].isdigit():
            raise ValueError("a number is missing")
        self._next += 1
        return Fraction(self._tokens[self._next - 1])

    def _take(self, wanted: str) -> str:
        if not self.finished and self._tokens[self._next] in wanted:
            self._next += 1
            return self._tokens[self._next - 1]
        return ""


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator) > _LARGEST:
        raise OverflowError("too large a number")
    return value
