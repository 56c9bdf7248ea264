"""Lines from a person at a terminal: edited, remembered, completed."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import create_output

_HISTORY_LIMIT = 1_000_000  # bytes
_WHITE = re.compile(r"\s")


class Typed:
    """Lines from a person: edited, remembered, completed. `commands` gives the names for /completion."""

    def __init__(
        self,
        stdin: TextIO,
        stdout: TextIO,
        *,
        history: Path | None,
        commands: Callable[[], Sequence[tuple[str, str]]],
    ) -> None:
        self._input = create_input(stdin)
        self._session: PromptSession[str] = PromptSession(
            "> ",
            multiline=True,
            prompt_continuation="  ",
            key_bindings=_keys(),
            history=_history(history),
            completer=_Commands(commands),
            complete_while_typing=True,
            reserve_space_for_menu=6,
            input=self._input,
            output=create_output(stdout),
        )

    async def lines(self) -> AsyncGenerator[str, None]:
        """What was typed; Ctrl-C drops it, Ctrl-D on an empty line ends.

        The terminal stays raw from the first line to the last: a key that is pressed between two lines would
        otherwise be echoed, and be another one (termios(3): in canonical mode Ctrl-D is the end of a file).
        """
        with self._input.raw_mode():
            while True:
                try:
                    yield await self._session.prompt_async(handle_sigint=False)
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    return

    @contextmanager
    def interrupts(self, pressed: Callable[[], None]) -> Iterator[None]:
        """Ctrl-C calls `pressed`; what is typed meanwhile stands in the next prompt."""

        def read() -> None:
            keys = self._input.read_keys()
            for _ in (key for key in keys if key.key == Keys.ControlC):
                pressed()
            store_typeahead(self._input, [key for key in keys if key.key != Keys.ControlC])

        with self._input.attach(read):
            yield
            store_typeahead(self._input, self._input.flush_keys())


class _Commands(Completer):
    def __init__(self, commands: Callable[[], Sequence[tuple[str, str]]]) -> None:
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        typed = document.text
        if not typed.startswith("/") or _WHITE.search(typed):
            return
        for name, meaning in self._commands():
            if f"/{name}".startswith(typed):
                yield Completion(f"/{name}", -len(typed), display_meta=meaning)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def another_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(path: Path | None) -> History:
    """What was typed before, in a file that only its owner reads, and that does not grow without end."""
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.chmod(0o600)
        if path.stat().st_size > _HISTORY_LIMIT:
            kept = path.read_bytes()[-_HISTORY_LIMIT // 2 :]
            path.write_bytes(kept[kept.find(b"\n# ") :])  # an entry begins with a comment that holds its time
    except OSError:  # a home that cannot be written: remember until the end only
        return InMemoryHistory()
    return FileHistory(str(path))
