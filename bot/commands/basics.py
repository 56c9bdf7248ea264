"""Finding one's way: /help, /new, /retry, /continue, /stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from bot.api import Notice
from bot.commands import Admin, Call, Command, nearest, nobody
from bot.dialogue import Dialogue
from bot.i18n import listing
from bot.window import Windows

_NAMED = 40  # characters of what may be a command's name


class Basics:
    """The commands that every conversation needs. `clears` forget what else a fresh start leaves behind."""

    def __init__(
        self,
        windows: Windows,
        dialogue: Dialogue,
        *,
        clears: Sequence[Callable[[Collection[str]], Awaitable[None]]] = (),
    ) -> None:
        self._windows = windows
        self._dialogue = dialogue
        self._clears = clears

    def commands(self) -> list[Command]:
        """The family; /help is made by `help_for`, over all families."""
        return [
            Command("new", self.new, ("reset", "clear", "新对话", "新對話", "清空")),
            Command("retry", self.retry, ("again", "重试", "重試")),
            Command("continue", self.go_on, ("more", "继续", "繼續")),
            Command("stop", self.stop, ("cancel", "停止", "取消"), urgent=True),
        ]

    async def new(self, call: Call) -> None:
        """Forget the dialogue."""
        await self._windows.clear(call.delivery.window)
        for clear in self._clears:
            await clear((call.delivery.conversation,))
        await call.delivery.notice("new.done")

    async def retry(self, call: Call) -> None:
        """Ask the last question again; the new answer takes the old one's place."""
        question = await self._windows.last_asked(call.delivery.window)
        if question is None:
            await call.delivery.notice("retry.nothing")
        else:
            await self._dialogue.answer(call.delivery, question, again=True)

    async def go_on(self, call: Call) -> None:
        """Have the model continue its last answer."""
        delivery = call.delivery
        if not await self._windows.load(delivery.window):
            await delivery.notice("continue.nothing")
            return
        more = replace(delivery.message, text=delivery.say("continue.prompt"))
        await self._dialogue.answer(delivery, more, plain=True)

    async def stop(self, call: Call) -> None:
        """Reached only where nothing runs: a running answer has been interrupted by the inbox already."""
        await call.delivery.notice("stop.nothing")


def help_for(commands: Sequence[Command], admin: Admin = nobody) -> Command:
    """/help over `commands` and itself: what the person may use where they ask; with a name, that one's others.

    A name that is none, and near to none, gets the whole: a link to the bot may send any word behind /start.
    """

    async def show(call: Call) -> None:
        listed = [c for c in (*commands, command) if c.listed(call.delivery, admin)]
        wanted = call.argument.lstrip("/／").casefold()
        one = [c for c in listed if wanted in (c.name, *c.aliases)]
        if not one and len(wanted) <= _NAMED and (near := nearest(wanted, listed)):
            await call.delivery.notice("command.unknown_near", command=wanted, nearest=f"/{near}")
            return
        language = call.delivery.language
        lines = [f"/{c.name} – {call.delivery.say(f'command.help.{c.name}')}" for c in one or listed]
        if one and one[0].aliases:
            names = listing(language, (f"/{name}" for name in one[0].aliases))
            lines.append(call.delivery.say("command.help_names", names=names))
        chosen = listing(language, (f"/{c.name}" for c in one or listed if c.chooses))
        if chosen and call.common:
            key = "command.help_leads" if await call.leads() else "command.help_follows"
            lines += ["", call.delivery.say(key, commands=chosen)]
        head = () if one else (call.delivery.say("command.help.intro"), "")
        await call.delivery.send(Notice("command.help", text="\n".join((*head, *lines))))

    command = Command("help", show, ("start", "帮助", "幫助"))
    return command
