"""The terminal as a platform: a line is a message, and its answer is followed in the store and printed."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TextIO

from pydantic import Field

from adapters._feed import FeedReply, log_of
from adapters._shelf import Shelf
from adapters.console.paper import Ink
from adapters.console.parse import ATTACH, language
from adapters.console.reading import Piped, Reading
from adapters.console.talk import Talk
from adapters.console.words import say, spoken
from bot.api import (
    Attachment,
    Finding,
    Host,
    Incoming,
    Journal,
    MenuEntry,
    Person,
    Place,
    Reply,
    Said,
    Store,
    Submit,
    VoiceForm,
)
from bot.settings import Block, Switch

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


class ConsoleSettings(Block):
    """Console"""

    console_history: Switch = Field(
        True, description="Whether `parley chat` remembers what was typed into it."
    )


class Console:
    """`parley chat`: at a terminal with editing, history and colours; from a pipe a line is a message.

    Which of the two is decided when it runs: every process can make its replies, and few have a terminal. In
    a pipe only answers go to `stdout`; the notices that tell why there is none go to `stderr`. `exit_code` is
    1 once a message was refused. `state` is the folder, closed to others, of history and received files.
    """

    name: ClassVar[str] = "console"
    voice_form: ClassVar[VoiceForm] = "mp3"
    Settings: ClassVar[type[ConsoleSettings]] = ConsoleSettings
    interactive: ClassVar[bool] = True
    trusted: ClassVar[bool] = True

    def __init__(
        self,
        store: Store,
        *,
        user: str,
        state: Path,
        language: str = "",
        history: bool = True,
        colours: bool = True,
        streams: tuple[TextIO, TextIO, TextIO] | None = None,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = lambda: uuid.uuid4().hex,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._user = user
        self._state = state
        self._language = language
        self._history = history
        self._colours = colours
        self._streams = streams
        self._clock = clock
        self._ids = ids
        self._sleep = sleep
        self._menu: Sequence[MenuEntry] = ()
        self.exit_code = 0

    @classmethod
    def create(cls, settings: ConsoleSettings, host: Host) -> Self:
        """The terminal needs no credentials."""
        environment = os.environ
        home = environment.get("XDG_STATE_HOME") or "~/.local/state"
        return cls(
            host.store,
            user=_user(),
            state=Path(home).expanduser() / "parley",
            language=language(environment),
            history=settings.console_history,
            # https://no-color.org
            colours=not environment.get("NO_COLOR") and environment.get("TERM") != "dumb",
        )

    async def run(self, submit: Submit) -> None:
        """Talk until the input ends, or nobody reads the answers any more."""
        stdin, stdout, stderr = self._streams or (sys.stdin, sys.stdout, sys.stderr)
        typed = stdin.isatty() and stdout.isatty()
        out = Ink(stdout, styled=typed and self._colours)
        err = out if typed else Ink(stderr)
        talk = Talk(
            self._store,
            submit,
            self._typing(stdin, stdout) if typed else Piped(stdin),
            out,
            err,
            user=self._user,
            language=self._language,
            media=self._state / "media",
            offering=typed,
            clock=self._clock,
            ids=self._ids,
            sleep=self._sleep,
        )
        try:
            if typed:
                await out.write(out.dress(say(self._language, "hint"), "faint") + "\n")
            await talk.run()
        except BrokenPipeError:
            out.abandon()
        self.exit_code = int(talk.failed)

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """Append to the chat's log: the terminal may belong to another process than this."""
        return FeedReply(self._store, log_of(incoming.place.chat), incoming, journal)

    async def fetch(self, attachment: Attachment) -> bytes:
        """What was attached: it is in the store, for the file may be on another machine than this process."""
        return await Shelf(self._store).fetch(attachment)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """A terminal has no threads."""
        return ()

    async def administers(self, place: Place, person: Person) -> bool:
        """A terminal has no groups."""
        return False

    async def check(self) -> Sequence[Finding]:
        """There is nobody to ask."""
        return ()

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The terminal is not on the net."""
        return ()

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Complete these while they are typed."""
        self._menu = [entry for entry in commands if not entry.admin]

    async def close(self) -> None:
        """Nothing is open but the store, and that is the core's."""

    def _typing(self, stdin: TextIO, stdout: TextIO) -> Reading:
        # Only a terminal needs the editor, and it is heavy: not in every process that could answer one.
        from adapters.console.typed import Typed  # noqa: PLC0415

        history = self._state / "history" if self._history else None
        return Typed(stdin, stdout, history=history, commands=self._commands)

    def _commands(self) -> list[tuple[str, str]]:
        own = spoken(self._language)
        theirs = [
            (entry.name, entry.descriptions.get(own) or next(iter(entry.descriptions.values()), ""))
            for entry in self._menu
        ]
        return [*theirs, (ATTACH, say(self._language, "attach"))]


def _user() -> str:
    """The name of whoever is logged in; in a container there may be none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"
