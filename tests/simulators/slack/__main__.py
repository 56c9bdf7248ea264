"""The simulator as a process of its own; prints what an app needs as one line of JSON and serves until killed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from tests.simulators.slack.control import add_control
from tests.simulators.slack.simulator import SlackSimulator, slack_simulator


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.simulators.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--rates", action="store_true", help="the real rate limits hold")
    parser.add_argument("--no-streaming", action="store_true", help="chat.startStream is refused")
    given = parser.parse_args(arguments)

    def prepare(simulator: SlackSimulator) -> None:
        simulator.rates, simulator.streaming = given.rates, not given.no_streaming
        add_control(simulator)

    async def run() -> None:
        async with slack_simulator(port=given.port, prepare=prepare) as simulator:
            sys.stdout.write(json.dumps(simulator.environment) + "\n")
            sys.stdout.flush()
            await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
