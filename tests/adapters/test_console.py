"""The terminal: pipes and a real pseudo-terminal, against a core that answers from a script."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TextIO

import pytest

from adapters._shelf import LIMIT
from adapters.console import Console, ConsoleSettings
from adapters.console.parse import attached, language, parse
from adapters.console.reading import LINE_LIMIT
from adapters.console.typed import Typed
from bot.api import (
    Accepted,
    Attachment,
    Busy,
    Choices,
    End,
    Gone,
    Host,
    Ignored,
    Incoming,
    Media,
    MenuEntry,
    Notice,
    Option,
    Outcome,
    ReplyPart,
    Status,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore

Script = Callable[[Incoming], Sequence[ReplyPart]]
BOUND = 30  # seconds after which a test gives up waiting


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not holds():  # noqa: ASYNC110 - what is written by a thread to a file has no event
            await asyncio.sleep(0)


def text_of(path: Path) -> str:
    return path.read_text()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def echo(message: Incoming) -> Sequence[ReplyPart]:
    return [Text(f"You said {message.text}."), End()]


class Core:
    """Answers each message from `script`, in its own task, as a worker does; `stopped` is set by /stop."""

    def __init__(self, script: Script = echo) -> None:
        self.script = script
        self.console: Console
        self.heard: list[Incoming] = []
        self.refusals: list[Outcome | Exception] = []
        self.stopped = asyncio.Event()
        self.go_on = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, message: Incoming) -> Outcome:
        self.heard.append(message)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        if message.text == "/stop":
            self.stopped.set()
        else:
            self._tasks.add(asyncio.create_task(self.answer(message)))
        return Accepted("ref")

    async def answer(self, message: Incoming, attempt: int = 1) -> None:
        reply = self.console.reply(message, MemoryJournal(attempt))
        for part in self.script(message):
            await reply.send(part)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.heard]


class Lost(MemoryStore):
    """Once away, it is away for good."""

    async def come(self) -> None:
        await asyncio.sleep(0)


class Waiting(Core):
    """Says the first piece, then waits until it is stopped or told to go on."""

    async def answer(self, message: Incoming, attempt: int = 1) -> None:
        reply = self.console.reply(message, MemoryJournal(attempt))
        await reply.send(Text("One, two"))
        waits = [asyncio.create_task(event.wait()) for event in (self.stopped, self.go_on)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await reply.send(Text(", three") if self.go_on.is_set() else Notice("stop.done", text="Stopped."))
        await reply.send(End())


class Halting(Core):
    """Says `first`, and `then` when it is told to go on."""

    def __init__(self, first: Sequence[ReplyPart], then: Sequence[ReplyPart]) -> None:
        super().__init__()
        self.first, self.then = first, then

    async def answer(self, message: Incoming, attempt: int = 1) -> None:
        reply = self.console.reply(message, MemoryJournal(attempt))
        for part in self.first:
            await reply.send(part)
        await self.go_on.wait()
        for part in self.then:
            await reply.send(part)


def console(
    core: Core, store: MemoryStore, state: Path, streams: tuple[TextIO, TextIO, TextIO], tag: str = ""
) -> Console:
    numbers = itertools.count(1)

    async def sleep(seconds: float) -> None:
        await store.come()

    core.console = Console(
        store,
        user="ann",
        state=state,
        language=tag,
        streams=streams,
        clock=lambda: 1000.0,
        ids=lambda: f"m{next(numbers)}",
        sleep=sleep,
    )
    return core.console


# --- from a pipe --------------------------------------------------------------------------------------------


class Piping:
    """One run of the console with its input in a pipe and its outputs in files."""

    def __init__(self, folder: Path, core: Core, store: MemoryStore | None = None, tag: str = "") -> None:
        self.folder, self.core, self.tag = folder, core, tag
        self.store = store or MemoryStore()
        self.exit_code = -1

    async def run(self, given: bytes | Path) -> tuple[str, str]:
        """What stood on stdout and stderr."""
        out, err = self.folder / "out", self.folder / "err"
        with self._stdin(given) as stdin, out.open("w") as stdout, err.open("w") as stderr:
            desk = console(self.core, self.store, self.folder / "state", (stdin, stdout, stderr), self.tag)
            async with asyncio.timeout(BOUND):
                await desk.run(self.core.submit)
        self.exit_code = desk.exit_code
        return out.read_text(), err.read_text()

    def _stdin(self, given: bytes | Path) -> TextIO:
        if isinstance(given, Path):
            return given.open()
        inner, outer = os.pipe()
        os.write(outer, given)
        os.close(outer)
        return os.fdopen(inner)


async def test_each_line_of_a_pipe_is_answered_in_order_with_a_blank_line_between(tmp_path: Path) -> None:
    piping = Piping(tmp_path, Core())
    out, err = await piping.run(b"one\ntwo\n\n   \nthree")
    assert out == "You said one.\n\nYou said two.\n\nYou said three.\n"
    assert err == ""
    assert piping.exit_code == 0
    assert [m.id for m in piping.core.heard] == sorted({m.id for m in piping.core.heard})


async def test_a_file_serves_as_input_as_a_pipe_does(tmp_path: Path) -> None:
    (tmp_path / "questions").write_text("one\r\ntwo\r\n")
    out, _ = await Piping(tmp_path, Core()).run(tmp_path / "questions")
    assert out == "You said one.\n\nYou said two.\n"


async def test_no_input_at_all_gives_no_output(tmp_path: Path) -> None:
    assert await Piping(tmp_path, Core()).run(Path(os.devnull)) == ("", "")


async def test_a_pipes_output_has_no_colours_no_status_and_no_control_characters(tmp_path: Path) -> None:
    parts = [
        Status("thinking"),
        Text("\x1b]0;title\x07red\x1b[31m\tA\nB\x9b2J"),
        Notice("role.set", text="Role: x"),
        End(),
    ]
    out, err = await Piping(tmp_path, Core(lambda m: parts)).run(b"hi\n")
    assert out == "]0;titlered[31m\tA\nB2J\nRole: x\n"
    assert err == ""


async def test_a_fault_goes_to_stderr_and_into_the_exit_code(tmp_path: Path) -> None:
    piping = Piping(
        tmp_path, Core(lambda m: [Text("Half"), Notice("error.interrupted", text="It broke off."), End()])
    )
    assert await piping.run(b"hi\n") == ("Half\n", "It broke off.\n")
    assert piping.exit_code == 1


async def test_a_busy_lane_is_told_and_the_next_line_still_answered(tmp_path: Path) -> None:
    core = Core()
    core.refusals = [Busy("Too much waits.")]
    piping = Piping(tmp_path, core)
    assert await piping.run(b"one\ntwo\n") == ("You said two.\n", "Too much waits.\n")
    assert piping.exit_code == 1


async def test_while_the_store_is_away_the_same_message_is_handed_in_again(tmp_path: Path) -> None:
    core = Core()
    core.refusals = [Unavailable("away"), Unavailable("away")]
    piping = Piping(tmp_path, core)
    out, err = await piping.run(b"one\n")
    assert out == "You said one.\n"
    assert err.count("cannot reach its memory") == 1
    assert len({m.id for m in core.heard}) == 1
    assert len(core.heard) == 3
    assert piping.exit_code == 0


async def test_a_store_that_goes_away_amid_an_answer_is_followed_again_from_there(tmp_path: Path) -> None:
    store = MemoryStore()

    class Leaving(Core):
        async def answer(self, message: Incoming, attempt: int = 1) -> None:
            reply = self.console.reply(message, MemoryJournal())
            await reply.send(Text("One"))
            await until(lambda: text_of(tmp_path / "out") != "")
            await store.go()
            await until(lambda: not store.away)  # the console's pause ends it
            await reply.send(Text(" and two."))
            await reply.send(End())

    out, err = await Piping(tmp_path, Leaving(), store).run(b"hi\n")
    assert out == "One and two.\n"
    assert "cannot reach its memory" in err


async def test_what_was_said_before_is_not_shown_again(tmp_path: Path) -> None:
    store = MemoryStore()
    await Piping(tmp_path, Core(), store).run(b"one\n")
    out, _ = await Piping(tmp_path, Core(), store).run(b"two\n")
    assert out == "You said two.\n"


async def test_the_answers_of_another_terminal_of_the_same_person_stay_there(tmp_path: Path) -> None:
    store = MemoryStore()

    class Crossed(Core):
        async def answer(self, message: Incoming, attempt: int = 1) -> None:
            theirs = parse("hello", id="theirs", user="ann")
            assert theirs is not None
            await super().answer(theirs)
            await super().answer(message)

    out, _ = await Piping(tmp_path, Crossed(), store).run(b"mine\n")
    assert out == "You said mine.\n"


class Twice(Core):
    """Its first attempt says `first` and dies; the second says `second` and ends."""

    def __init__(self, first: Sequence[ReplyPart], second: Sequence[ReplyPart], out: Path) -> None:
        super().__init__()
        self.attempts, self.out = (first, second), out

    async def answer(self, message: Incoming, attempt: int = 1) -> None:
        for number, parts in enumerate(self.attempts, 1):
            reply = self.console.reply(message, MemoryJournal(number))
            for part in parts:
                await reply.send(part)
            if number == 1:
                await until(lambda: text_of(self.out) != "")  # the console has printed it


async def test_a_second_attempt_that_says_the_same_goes_on_where_the_first_broke_off(tmp_path: Path) -> None:
    core = Twice([Text("One, two")], [Text("One"), Text(", two, three."), End()], tmp_path / "out")
    assert (await Piping(tmp_path, core).run(b"hi\n"))[0] == "One, two, three.\n"


async def test_a_second_attempt_that_says_something_else_follows_whole_on_a_line_of_its_own(
    tmp_path: Path,
) -> None:
    core = Twice([Text("One, two")], [Text("Uno, "), Text("due."), End()], tmp_path / "out")
    out, _ = await Piping(tmp_path, core).run(b"hi\n")
    assert out == "One, two\n(the answer begins again)\nUno, due.\n"


async def test_a_finished_answer_that_is_delivered_twice_stands_there_once(tmp_path: Path) -> None:
    whole = [Text("A."), Notice("role.set", text="Done."), Media("image", "image/png", b"png", "A cat")]
    core = Twice(whole, [*whole, End()], tmp_path / "out")
    out, _ = await Piping(tmp_path, core).run(b"hi\n")
    assert re.sub(r"\[image: .*\.png\]", "[image]", out) == "A.\nDone.\n[image]\nA cat\n"


async def test_a_picture_is_kept_in_a_folder_of_ones_own_and_its_path_printed(tmp_path: Path) -> None:
    parts = [Media("image", "image/png", b"\x89PNG", "A cat"), End()]
    out, _ = await Piping(tmp_path, Core(lambda m: parts)).run(b"/image a cat\n")
    found = re.fullmatch(r"\[image: (.*)\]\nA cat\n", out)
    assert found is not None
    media = tmp_path / "state" / "media"
    assert {path: path.read_bytes() for path in media.iterdir()} == {Path(found[1]): b"\x89PNG"}
    assert mode_of(media) == 0o700


async def test_a_file_keeps_its_name_and_cannot_leave_its_folder(tmp_path: Path) -> None:
    names = ("dialogue.md", "../../.bashrc", "..", "a b.md")
    parts = [*(Media("file", "text/markdown", name.encode(), "", name) for name in names), End()]
    await Piping(tmp_path, Core(lambda message: parts)).run(b"Export\n")
    media = tmp_path / "state" / "media"
    found = {path.read_bytes().decode(): path.name for path in media.iterdir()}
    assert set(found) == set(names)
    for name, pattern in (
        ("dialogue.md", r"dialogue-\w{8}\.md"),
        ("a b.md", r"a_b-\w{8}\.md"),
        ("..", r"\w{16}\.md"),
    ):
        assert re.fullmatch(pattern, found[name])


async def test_only_the_newest_pictures_are_kept(tmp_path: Path) -> None:
    parts = [*(Media("image", "image/png", bytes([n])) for n in range(60)), End()]
    await Piping(tmp_path, Core(lambda m: parts)).run(b"/image cats\n")
    assert len(list((tmp_path / "state" / "media").iterdir())) == 50


async def test_where_nothing_can_be_saved_the_words_still_come(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    parts = [Text("Look:"), Media("image", "image/png", b"png"), End()]
    out, _ = await Piping(tmp_path, Core(lambda m: parts)).run(b"hi\n")
    assert out.startswith("Look:\n[image: could not be saved in ")


async def test_a_number_takes_an_option_only_while_the_question_is_the_last_thing_said(
    tmp_path: Path,
) -> None:
    def script(message: Incoming) -> Sequence[ReplyPart]:
        if message.text != "/role":
            return echo(message)
        return [Choices("Which role?", (Option("Poet", "/role poet"), Option("Chef", "/role chef"))), End()]

    piping = Piping(tmp_path, Core(script))
    out, _ = await piping.run(b"/role\n2\n2\n")
    assert out.startswith("Which role?\n1. Poet\n2. Chef\n\n")
    assert piping.core.texts == ["/role", "/role chef", "2"]
    assert [m.addressed for m in piping.core.heard] == ["command", "command", "private"]


async def test_what_is_not_utf_8_is_replaced_and_an_endless_line_is_cut(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(b"caf\xe9\n" + b"x" * (2 * LINE_LIMIT) + b"\nlast\n")
    core = Core(lambda m: [Text(str(len(m.text))), End()])
    out, _ = await Piping(tmp_path, core).run(tmp_path / "given")
    assert core.texts[0] == "caf\ufffd"
    assert LINE_LIMIT <= len(core.texts[1]) < LINE_LIMIT + 65536
    assert core.texts[2] == "last"
    assert out.count("\n\n") == 2


async def test_its_own_words_are_chinese_for_those_who_read_chinese(tmp_path: Path) -> None:
    core = Core()
    core.refusals = [Unavailable("away")]
    _, err = await Piping(tmp_path, core, tag="zh-CN").run("你好\n".encode())
    assert "正在重试" in err


async def test_a_reader_who_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    inner, outer = os.pipe()
    os.write(outer, b"one\ntwo\n")
    os.close(outer)
    unread, closed = os.pipe()
    os.close(unread)
    core = Core()
    with os.fdopen(inner) as stdin, os.fdopen(closed, "w") as stdout, (tmp_path / "err").open("w") as stderr:
        desk = console(core, MemoryStore(), tmp_path, (stdin, stdout, stderr))
        async with asyncio.timeout(BOUND):
            await desk.run(core.submit)
        stdout.write("what the interpreter flushes last goes nowhere")
    assert core.texts == ["one"]
    assert (tmp_path / "err").read_text() == ""


# --- at a terminal ------------------------------------------------------------------------------------------


class Screen:
    """The far side of a pseudo-terminal: what is shown there, and the keys."""

    def __init__(self, far: int) -> None:
        self._far = far
        self.shown = ""
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(far, self._read)

    def press(self, keys: str) -> None:
        os.write(self._far, keys.encode())

    async def sees(self, text: str) -> str:
        """Wait until `text` has come, and forget everything up to it; returns that."""
        async with asyncio.timeout(BOUND):
            while text not in self.shown:
                self._news.clear()
                await self._news.wait()
        seen, _, self.shown = self.shown.partition(text)
        return seen + text

    def _read(self) -> None:
        try:
            self.shown += os.read(self._far, 65536).decode("utf-8", "replace")
        except OSError:  # Linux's way to say that the near side is closed
            asyncio.get_running_loop().remove_reader(self._far)
        self._news.set()


def terminal() -> tuple[int, int]:
    far, near = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return far, near


PROMPT = "\x1b[?2004h"  # it begins by asking for pasted text in brackets
DOWN, ALT_ENTER, CTRL_C, CTRL_D = "\x1b[B", "\x1b\r", "\x03", "\x04"


@asynccontextmanager
async def sitting(core: Core, folder: Path, store: MemoryStore | None = None) -> AsyncIterator[Screen]:
    """A console at a terminal that has shown its prompt; afterwards it ends by Ctrl-D."""
    far, near = terminal()
    screen = Screen(far)
    with os.fdopen(near, closefd=False) as stdin, os.fdopen(near, "w") as stdout:
        desk = console(core, store or MemoryStore(), folder / "state", (stdin, stdout, stdout))
        await desk.menu([MenuEntry("help", {"en": "What I can do"}), MenuEntry("image", {"en": "Draw"})])
        running = asyncio.create_task(desk.run(core.submit))
        await screen.sees("/help tells more")
        await screen.sees(PROMPT)
        try:
            yield screen
            screen.press(CTRL_D)
            async with asyncio.timeout(BOUND):
                await running
        finally:
            running.cancel()
            asyncio.get_running_loop().remove_reader(far)
            os.close(far)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")  # our screen does not say where its cursor is
    monkeypatch.setenv("TERM", "xterm")


async def test_a_typed_line_is_answered_as_the_words_come(tmp_path: Path) -> None:
    core = Waiting()
    async with sitting(core, tmp_path) as screen:
        screen.press("hello\r")
        await screen.sees("One, two")
        assert "three" not in screen.shown
        core.go_on.set()
        await screen.sees(", three")
        await screen.sees(PROMPT)
    assert core.texts == ["hello"]


async def test_the_status_is_shown_until_the_first_word_only(tmp_path: Path) -> None:
    core = Halting([Status("thinking")], [Text("Yes."), End()])
    async with sitting(core, tmp_path) as screen:
        screen.press("hello\r")
        await screen.sees("thinking…\x1b[0m")
        core.go_on.set()
        await screen.sees("\r\x1b[2KYes.")


async def test_a_line_that_waits_behind_another_windows_says_so_until_its_turn(tmp_path: Path) -> None:
    class Queued(Halting):
        async def submit(self, message: Incoming) -> Outcome:
            await super().submit(message)
            return Accepted("ref", behind=1)

    core = Queued([], [Text("Yes."), End()])
    async with sitting(core, tmp_path) as screen:
        screen.press("hello\r")
        await screen.sees("waiting for its turn…")
        core.go_on.set()
        await screen.sees("\r\x1b[2KYes.")


async def test_files_are_attached_to_the_next_line_and_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "a cat.png").write_bytes(b"\x89PNG")
    core = Core()
    async with sitting(core, tmp_path) as screen:
        screen.press(f"/attach '{tmp_path}/a cat.png'\r")
        await screen.sees("[attached: a cat.png")
        screen.press("What is it?\r")
        await screen.sees("You said What is it?.")
        screen.press("And now?\r")
        await screen.sees("You said And now?.")
    assert core.texts == ["What is it?", "And now?"]
    (cat,) = core.heard[0].attachments
    assert (cat.kind, cat.mime, cat.name, cat.size) == ("image", "image/png", "a cat.png", 4)
    assert await core.console.fetch(cat) == b"\x89PNG"
    assert core.heard[1].attachments == ()


async def test_a_file_that_cannot_go_along_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "film.mp4").open("wb") as film:
        film.truncate(LIMIT + 1)
    core = Core()
    async with sitting(core, tmp_path) as screen:
        for typed, told in (
            ("", "Which file?"),
            (f" {tmp_path}/none", "none cannot be read."),
            (" /dev/zero", "/dev/zero cannot be read."),
            (f" {tmp_path}/empty", "empty is empty."),
            (f" {tmp_path}/film.mp4", "film.mp4 is too large: at most 20 MB."),
        ):
            screen.press(f"/attach{typed}\r")
            await screen.sees(told)
            await screen.sees(PROMPT)
    assert core.heard == []


async def test_more_files_than_go_with_one_message_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    core = Core()
    async with sitting(core, tmp_path) as screen:
        screen.press(f"/attach {' '.join([f'{tmp_path}/a'] * 9)}\r")
        await screen.sees("at most 8 files and 40 MB go with one message")
        await screen.sees(PROMPT)
        screen.press("Look\r")
        await screen.sees("You said Look.")
    assert len(core.heard[0].attachments) == 8


async def test_a_line_of_a_pipe_attaches_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret")
    core = Core()
    await Piping(tmp_path, core).run(f"/attach {tmp_path}/secret\nHi\n".encode())
    assert [message.attachments for message in core.heard] == [(), ()]


def test_the_paths_of_attach_are_quoted_as_in_a_shell() -> None:
    assert attached("hello") is None
    assert attached("/attachment a") is None
    assert attached("/attach") == []
    assert attached("/attach 'a b.png' c\\ d.png") == ["a b.png", "c d.png"]
    assert attached("/attach it's.png") == ["it's.png"]


async def test_a_line_that_gets_no_answer_is_not_waited_for(tmp_path: Path) -> None:
    core = Core()
    core.refusals = [Ignored()]
    assert (await Piping(tmp_path, core).run(b"/stop\nhello\n"))[0] == "You said hello.\n"


async def test_ctrl_c_stops_the_answer_and_the_prompt_comes_back(tmp_path: Path) -> None:
    core = Waiting()
    async with sitting(core, tmp_path) as screen:
        screen.press("count\r")
        await screen.sees("One, two")
        screen.press(CTRL_C)
        await screen.sees("Stopped.")
        await screen.sees(PROMPT)
    assert core.texts == ["count", "/stop"]


async def test_a_second_ctrl_c_waits_no_longer(tmp_path: Path) -> None:
    class Deaf(Waiting):
        async def submit(self, message: Incoming) -> Outcome:
            outcome = await super().submit(message)
            self.stopped.clear()
            return outcome

    core = Deaf()
    async with sitting(core, tmp_path) as screen:
        screen.press("count\r")
        await screen.sees("One, two")
        screen.press(CTRL_C + CTRL_C)
        await screen.sees(PROMPT)
    core.go_on.set()


async def test_what_is_typed_during_an_answer_stands_in_the_next_prompt(tmp_path: Path) -> None:
    core = Waiting()
    async with sitting(core, tmp_path) as screen:
        screen.press("first\r")
        await screen.sees("One, two")
        screen.press("second")
        core.go_on.set()
        await screen.sees(PROMPT)
        screen.press("!\r")
        await screen.sees(", three")
    assert core.texts == ["first", "second!"]


async def test_ctrl_c_at_the_prompt_drops_the_line(tmp_path: Path) -> None:
    core = Core()
    async with sitting(core, tmp_path) as screen:
        screen.press("rubbish" + CTRL_C)
        await screen.sees(PROMPT)
        screen.press("gold\r")
        await screen.sees("You said gold.")
    assert core.texts == ["gold"]


@pytest.mark.parametrize("newline", [ALT_ENTER, "\\\r"], ids=["alt-enter", "backslash"])
async def test_a_message_may_have_several_lines(tmp_path: Path, newline: str) -> None:
    core = Core()
    async with sitting(core, tmp_path) as screen:
        screen.press(f"one{newline}two\r")
        await screen.sees("You said")
    assert core.texts == ["one\ntwo"]


async def test_what_is_pressed_between_two_lines_is_no_other_key_and_is_not_echoed() -> None:
    far, near = terminal()
    screen = Screen(far)
    with os.fdopen(near, closefd=False) as stdin, os.fdopen(near, "w") as stdout:
        typed = Typed(stdin, stdout, history=None, commands=list)

        async def press(keys: str) -> None:
            screen.press(keys)
            await until(lambda: bool(select.select([near], [], [], 0)[0]))

        async with asyncio.timeout(BOUND), aclosing(typed.lines()) as lines:
            reading = asyncio.create_task(anext(lines))
            await screen.sees(PROMPT)
            screen.press("one\r")
            assert await reading == "one"
            shown = screen.shown
            await press(f"two{ALT_ENTER}three\r")
            assert screen.shown == shown
            assert await anext(lines) == "two\nthree"
            with typed.interrupts(lambda: None):
                pass
            await press(CTRL_D)
            with pytest.raises(StopAsyncIteration):
                await anext(lines)
        asyncio.get_running_loop().remove_reader(far)
        assert termios.tcgetattr(near)[3] & termios.ICANON
    os.close(far)


async def test_ctrl_c_ends_the_attaching_of_a_file_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    store = Lost()
    async with sitting(Core(), tmp_path, store) as screen:
        await store.go()
        screen.press(f"/attach {tmp_path}/a\r")
        await screen.sees("keeps trying")
        screen.press(CTRL_C)
        await screen.sees(PROMPT)


async def test_the_tab_key_completes_a_command(tmp_path: Path) -> None:
    core = Core()
    async with sitting(core, tmp_path) as screen:
        screen.press("/im")
        await screen.sees("/image")  # in the menu
        screen.press("\t a cat\r")
        await screen.sees("You said")
    assert core.texts == ["/image a cat"]


async def test_a_status_amid_a_line_is_not_shown_for_it_could_not_be_wiped_alone(tmp_path: Path) -> None:
    core = Halting([Text("Wait."), Status("drawing"), Text("\n"), Status("thinking")], [Text("Done."), End()])
    async with sitting(core, tmp_path) as screen:
        screen.press("hello\r")
        assert "drawing" not in await screen.sees("thinking…")
        core.go_on.set()
        await screen.sees("\r\x1b[2KDone.")


async def test_what_may_be_done_next_is_named_and_a_number_stays_a_number(tmp_path: Path) -> None:
    core = Core(lambda m: [Text("Ok."), End(offers=(Option("Retry", "/retry"), Option("More", "/continue")))])
    async with sitting(core, tmp_path) as screen:
        screen.press("go\r")
        await screen.sees("Retry: /retry   More: /continue")
        await screen.sees(PROMPT)
        screen.press("2\r")
        await screen.sees("Ok.")
    assert core.texts == ["go", "2"]


async def test_a_fault_is_red_and_a_notice_yellow(tmp_path: Path) -> None:
    core = Core(lambda m: [Notice("role.set", text="Calm."), Notice("error.timed_out", text="Late."), End()])
    async with sitting(core, tmp_path) as screen:
        screen.press("go\r")
        seen = await screen.sees("Late.")
        assert "\x1b[33mCalm.\x1b[0m" in seen
        assert "\x1b[31mLate." in seen


async def test_the_history_is_for_its_owner_only_and_is_there_the_next_time(tmp_path: Path) -> None:
    core = Core()
    for _ in range(2):
        async with sitting(core, tmp_path) as screen:
            screen.press("remember me\r" if not core.texts else "\x1b[A\r")
            await screen.sees("You said")
    assert core.texts == ["remember me"] * 2
    assert mode_of(tmp_path / "state" / "history") == 0o600
    assert mode_of(tmp_path / "state") == 0o700


async def test_a_long_history_is_cut_to_its_newer_half_at_the_start_of_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    path.parent.mkdir()
    path.write_text("".join(f"\n# 2026-01-01 00:00:00\n+entry {n:06}\n" for n in range(40_000)))
    async with sitting(Core(), tmp_path):
        pass
    assert path.stat().st_size <= 500_000
    assert path.read_text().startswith("\n# 2026")
    assert path.read_text().endswith("+entry 039999\n")


@pytest.mark.parametrize("when", ["at the prompt", "during an answer"])
async def test_cancelled_it_leaves_the_terminal_as_it_was(tmp_path: Path, when: str) -> None:
    far, near = terminal()
    screen, core = Screen(far), Waiting()
    before = termios.tcgetattr(near)
    with os.fdopen(near, closefd=False) as stdin, os.fdopen(near, "w") as stdout:
        desk = console(core, MemoryStore(), tmp_path, (stdin, stdout, stdout))
        running = asyncio.create_task(desk.run(core.submit))
        await screen.sees(PROMPT)
        if when == "during an answer":
            screen.press("hi\r")
            await screen.sees("One, two")
        assert termios.tcgetattr(near) != before
        running.cancel()
        await asyncio.wait([running], timeout=BOUND)
        assert running.cancelled()
        assert termios.tcgetattr(near) == before
    core.go_on.set()
    asyncio.get_running_loop().remove_reader(far)
    os.close(far)


async def test_a_second_attempt_that_differs_is_announced(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.write_text("")
    core = Twice([Text("One, two")], [Text("Uno."), End()], shown)
    async with sitting(core, tmp_path) as screen:
        screen.press("hi\r")
        await screen.sees("One, two")
        shown.write_text("yes")
        await screen.sees("(the answer begins again)\x1b[0m\r\nUno.\r\n")


CHILD = """
import asyncio, fcntl, pathlib, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from tests.adapters.memory_store import MemoryStore
from tests.adapters.test_console import Waiting, console

async def main():
    core = Waiting()
    streams = (sys.stdin, sys.stdout, sys.stderr)
    await console(core, MemoryStore(), pathlib.Path(sys.argv[1]), streams).run(core.submit)
    print("ended with", core.texts)

import uvloop
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


async def test_in_a_process_of_its_own_ctrl_c_stops_the_answer_and_not_the_process(tmp_path: Path) -> None:
    far, near = terminal()
    screen = Screen(far)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        str(tmp_path),
        stdin=near,
        stdout=near,
        stderr=near,
        start_new_session=True,
    )
    os.close(near)
    try:
        await screen.sees(PROMPT)
        screen.press("count\r")
        await screen.sees("One, two")
        screen.press(CTRL_C)
        await screen.sees("Stopped.")
        await screen.sees(PROMPT)
        screen.press(CTRL_D)
        await screen.sees("ended with ['count', '/stop']")
        async with asyncio.timeout(BOUND):
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            await child.wait()
        asyncio.get_running_loop().remove_reader(far)
        os.close(far)


# --- its parts ----------------------------------------------------------------------------------------------


def test_a_blank_line_is_no_message() -> None:
    assert parse(" \t", id="1", user="ann") is None


@pytest.mark.parametrize(
    ("environment", "tag"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "de_DE@euro"}, "de-DE"),
        ({"LANG": "fr_FR", "LC_ALL": "", "LC_MESSAGES": "C.UTF-8"}, ""),
        ({"LANG": "POSIX"}, ""),
        ({}, ""),
    ],
)
def test_the_language_comes_from_the_locale(environment: dict[str, str], tag: str) -> None:
    assert language(environment) == tag


async def test_it_is_made_without_credentials_and_has_nothing_to_fetch_or_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    desk = Console.create(ConsoleSettings.load({}), Host(MemoryStore(), "127.0.0.1", 0, "", alone=True))
    assert desk.routes(Core().submit) == ()
    with pytest.raises(Gone):
        await desk.fetch(Attachment("image", "ref"))
    assert os.listdir(tmp_path) == []


async def test_its_replies_are_kept_in_the_chats_log_for_whichever_process_shows_them(tmp_path: Path) -> None:
    store = MemoryStore()
    message = parse("hi", id="m1", user="ann")
    assert message is not None
    reply = Console(store, user="bob", state=tmp_path).reply(message, MemoryJournal())
    await reply.send(Text("Hello."))
    await reply.send(End())
    kinds = [json.loads(entry.value)["kind"] for entry in store.shown("feed:ann")]
    assert kinds == ["end"]
