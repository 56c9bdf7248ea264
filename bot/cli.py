"""The operator's commands: run, worker, ingress, chat, check, allow, deny, people, env, and the platforms' own.

Imports of the application stand inside the commands, so that `parley env` and a faulty setting answer at once.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from bot import settings
from bot.api import Unavailable
from bot.errors import SettingsError, StoreAway

if TYPE_CHECKING:
    from bot.app import Duties


class _Commands(TyperGroup):
    """The commands of this module, and behind them `parley <platform> <command>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or the one that hands on to the platform of this name."""
        return super().get_command(ctx, cmd_name) or _platform(cmd_name)


cli = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Talk to any OpenAI-style model in the messaging apps you already use.",
)


@cli.command()
def run() -> None:
    """Run everything in one process: receive, answer, serve."""
    from bot.app import Duties

    _run(_serve(Duties()))


@cli.command()
def worker() -> None:
    """Only answer: empty the inbox that an ingress fills. Needs REDIS_URL."""
    from bot.app import Duties

    _run(_serve(Duties(receive=False)))


@cli.command()
def ingress() -> None:
    """Only receive: fill the inbox that workers empty. Needs REDIS_URL."""
    from bot.app import Duties

    _run(_serve(Duties(work=False)))


@cli.command()
def chat() -> None:
    """Talk to the bot in this terminal, or have it answer the lines of a pipe."""
    from bot.app import Duties

    _run(_serve(Duties(interactive=True)))


@cli.command()
def check() -> None:
    """Tell what is configured and reachable, and how to mend what is not; 1 where something must be mended."""
    from bot.check import examine

    _run(examine(settings.environment()))


@cli.command()
def allow(who: Annotated[str, typer.Argument(help="A pairing code, or an id: platform:123.")]) -> None:
    """Let a person or a group talk to the bot."""
    from bot.admission import admit

    _run(_told(admit(settings.environment(), who)))


@cli.command()
def deny(who: Annotated[str, typer.Argument(help="A pairing code, or an id: platform:123.")]) -> None:
    """Shut a person or a group out."""
    from bot.admission import refuse

    _run(_told(refuse(settings.environment(), who)))


@cli.command()
def people() -> None:
    """Tell who may talk to the bot and by what, and who waits to be let in."""
    from bot.admission import overview

    _run(_told(overview(settings.environment())))


@cli.command()
def env(
    write: Annotated[
        bool, typer.Option("--write", help="Write it to .env.example instead of printing it.")
    ] = False,
) -> None:
    """Every variable with its description and its default."""
    from bot.platforms import blocks

    text = settings.example(blocks())
    if write:
        Path(".env.example").write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def _platform(name: str) -> Any:
    if name not in {point.name for point in entry_points(group="parley.adapters")}:
        return None

    def use(command: Annotated[str, typer.Argument(help="Left out, it lists what there is.")] = "") -> None:
        _run(_use(name, command))

    app = typer.Typer(add_completion=False)
    app.command(name, help="A command of this platform's own.")(use)
    return get_command(app)


def main() -> None:
    """The command `parley`."""
    try:
        cli()
    except SettingsError as error:
        sys.stderr.write(f"parley: these settings need mending:\n{_indented(str(error))}\n")
        sys.exit(2)


async def _serve(duties: Duties) -> int:
    """Run the bot until it is told to stop; its exit status."""
    from bot.app import App, configure_logs

    environment = settings.environment()
    configure_logs(environment, quiet=duties.interactive)
    app = App(environment, duties, announce=_quietly if duties.interactive else _announce)
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))

    def interrupted() -> None:
        # The first signal lets running answers finish; the second does not wait, as whoever sends it does not.
        if stop.is_set():
            running.cancel()
        stop.set()

    # A terminal's adapter has its own meaning for Ctrl-C: it stops the answer, not the bot.
    for number in (signal.SIGTERM,) if duties.interactive else (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, interrupted)
    try:
        return await running
    except asyncio.CancelledError:
        return 130


async def _use(platform: str, command: str) -> int:
    from bot.app import App, Duties, configure_logs

    environment = settings.environment()
    configure_logs(environment, quiet=True)
    try:
        return await App(environment, Duties(interactive=True), _announce).use(platform, command)
    except Unavailable as error:
        sys.stderr.write(f"parley: {platform}: {error}\n")
        return 1


async def _told(work: Coroutine[Any, Any, tuple[str, int]]) -> int:
    """Print what came out, and no lines of the log among it; the exit status."""
    from bot.app import configure_logs

    configure_logs(settings.environment(), quiet=True)
    try:
        text, status = await work
    except StoreAway as error:
        text, status = f"Redis does not answer: {error}", 1
    sys.stdout.write(f"{text}\n")
    return status


def _run(work: Coroutine[Any, Any, int]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(work))


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _quietly(line: str) -> None:
    """What the bot announces does not belong among the answers."""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


if __name__ == "__main__":
    main()
