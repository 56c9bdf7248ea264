"""An endpoint in a process of its own that says the same hundred words to everyone, at once or at a pace."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from tests.simulators.endpoint import Answer, Call, EndpointSimulator, say, serve

SLOWLY = "slowly"
"""A message with this word is answered at a pace."""

WORDS = 100
PACE = 0.02
"""Seconds before each word."""

_TEXT = " ".join(f"**word** {n}," if n % 10 == 5 else f"word{n}" for n in range(1, 91)) + "."


class Speech:
    """A reply that is put together once."""

    def __init__(self) -> None:
        self._made: dict[float, Answer] = {}

    def __call__(self, call: Call) -> Answer:
        pace = PACE if SLOWLY in call.text else 0.0
        if pace not in self._made:
            self._made[pace] = say(_TEXT, delay=pace)(call)
        return self._made[pace]


async def speak() -> None:
    """Serve until killed; writes the base URL on a line of its own."""
    simulator = EndpointSimulator()
    simulator.reply = Speech()
    async with serve(simulator.app) as port:
        sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(speak())
