"""The simulator as a process of its own; prints its base URL on a line of its own and serves until killed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.simulators.telegram.control import add_control
from tests.simulators.telegram.simulator import TOKEN, telegram_simulator


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.simulators.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--username", default="parley_bot")
    parser.add_argument("--no-privacy", action="store_true", help="the bot hears everything in groups")
    given = parser.parse_args(arguments)

    async def run() -> None:
        async with telegram_simulator(
            given.token, given.username, port=given.port, privacy=not given.no_privacy
        ) as simulator:
            add_control(simulator)
            sys.stdout.write(f"{simulator.base_url}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
