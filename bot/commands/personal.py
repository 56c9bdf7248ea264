"""A person and what is kept about them: /id, /about, /forget."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from hashlib import blake2b
from importlib.metadata import version
from time import time

from bot.api import Choices, Notice, Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.limits import span
from bot.profile import Profiles
from bot.sessions import Sessions
from bot.window import Windows

BUTTON_LIFE = 600
"""Seconds for which the question whether to forget everything may be answered."""

_PROOF = re.compile(r"[0-9a-f]{1,12}-[0-9a-f]{8}")

Forget = Callable[[Delivery, Collection[str]], Awaitable[None]]
"""Keep nothing any more about the person of a message, nor of these conversations, which were only theirs."""


class Personal:
    """The commands about the person. `forgets` are the other rooms in which something is kept about people."""

    def __init__(
        self,
        windows: Windows,
        profiles: Profiles,
        sessions: Sessions,
        dialogue: Dialogue,
        *,
        kept: float,
        link: str = "",
        forgets: Sequence[Forget] = (),
        clock: Callable[[], float] = time,
    ) -> None:
        """`kept` is for how many seconds a silent dialogue is kept; `link` is the bot's public address."""
        self._windows = windows
        self._profiles = profiles
        self._sessions = sessions
        self._dialogue = dialogue
        self._kept = kept
        self._link = link
        self._forgets = forgets
        self._clock = clock

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("forget", self.forget, ("forgetme", "忘记", "忘記")),
            Command("id", self.id, ("whoami", "编号", "編號")),
            Command("about", self.about, ("version", "info", "关于", "關於")),
        ]

    async def id(self, call: Call) -> None:
        """The names by which an operator knows the person and the place."""
        message = call.delivery.message
        place = message.place
        lines = [call.delivery.say("id.person", id=f"{place.platform}:{message.person.id}")]
        if place.kind == "group":
            lines.append(call.delivery.say("id.group", id=f"{place.platform}:{place.chat}"))
        if place.thread:
            lines.append(call.delivery.say("id.thread", id=place.thread))
        await call.delivery.send(Notice("id.shown", text="\n".join(lines)))

    async def about(self, call: Call) -> None:
        """What this bot is, and what it keeps."""
        say = call.delivery.say
        lines = [
            say("about.version", version=version("parley-bot")),
            say("model.current", model=await self._dialogue.model(call.delivery) or "?"),
            say("about.kept", time=span(say, self._kept)),
        ]
        if self._link:
            lines.append(say("about.link", link=self._link))
        await call.delivery.send(Notice("about.shown", text="\n".join(lines)))

    # --- forgetting ------------------------------------------------------------------------------------------

    async def forget(self, call: Call) -> None:
        """Ask, and when a button says yes, forget at once."""
        delivery = call.delivery
        word, _, proof = call.argument.partition(" ")
        if word.lower() == "no":
            await delivery.notice("forget.kept")
        elif word.lower() != "yes" or not proof:
            yes = Option(delivery.say("forget.yes"), f"/forget yes {self._proof(delivery)}")
            text = delivery.say("forget.ask_shared" if delivery.shared else "forget.ask")
            await delivery.send(Choices(text, (yes, Option(delivery.say("forget.no"), "/forget no"))))
        elif not self._proven(delivery, proof.strip()):
            await delivery.notice("forget.expired")
        else:
            await self._forget(delivery)

    async def _forget(self, delivery: Delivery) -> None:
        conversations: Collection[str] = ()
        if delivery.shared:
            # The dialogue is everybody's; who may talk here may also begin it afresh.
            await self._windows.clear(delivery.window)
        else:
            home = delivery.home
            members = await self._windows.members(home)
            await self._windows.forget(home, (delivery.conversation, *members))
            conversations = dict.fromkeys(
                (home, delivery.conversation, *(member.partition("#")[0] for member in members))
            )
            for conversation in conversations:
                await self._profiles.clear(conversation)
                await self._sessions.forget(conversation)
        for forget in self._forgets:
            await forget(delivery, conversations)
        await delivery.forget()
        await delivery.notice("forget.done_shared" if delivery.shared else "forget.done")

    def _proof(self, delivery: Delivery, at: int | None = None) -> str:
        """When the question was put, and to whom: another's button and an old one are not obeyed."""
        at = int(self._clock()) if at is None else at
        whom = f"{delivery.conversation}\n{delivery.message.person.id}"
        mark = blake2b(whom.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return f"{at:x}-{mark}"

    def _proven(self, delivery: Delivery, proof: str) -> bool:
        if not _PROOF.fullmatch(proof):
            return False
        at = int(proof.partition("-")[0], 16)
        return 0 <= self._clock() - at <= BUTTON_LIFE and proof == self._proof(delivery, at)
