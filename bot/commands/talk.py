"""The dialogue itself: /undo, /summary, /export, /sessions."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import time

from bot.api import Choices, Media, Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.profile import Profiles
from bot.roles.own import NAME_LIMIT, name_of
from bot.sessions import SESSIONS_LIMIT, Session, Sessions
from bot.window import Exchange, Windows

_NEW = frozenset({"new", "add", "新建", "新增"})
_NAME = frozenset({"name", "rename", "改名", "命名"})
_DELETE = frozenset({"delete", "remove", "删除", "刪除"})


class Talk:
    """The commands about what has been said. `clock` is the time of day."""

    def __init__(
        self,
        windows: Windows,
        dialogue: Dialogue,
        sessions: Sessions,
        profiles: Profiles,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        self._windows = windows
        self._dialogue = dialogue
        self._sessions = sessions
        self._profiles = profiles
        self._clock = clock

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("undo", self.undo, ("back", "撤销", "撤銷", "復原")),
            Command("summary", self.summary, ("summarize", "summarise", "tldr", "总结", "總結", "摘要")),
            Command("export", self.export, ("save", "导出", "匯出", "導出")),
            Command("sessions", self.sessions, ("session", "会话", "會話", "對話"), chooses=True),
        ]

    async def undo(self, call: Call) -> None:
        """Take the last exchange out. Which one that is stands in the journal, so that it is done once only."""
        delivery = call.delivery
        gone = delivery.hold.kept
        if gone is None:
            exchanges = await self._windows.load(delivery.window)
            if not exchanges:
                await delivery.notice("undo.nothing")
                return
            gone = exchanges[-1].id
            await delivery.hold.keep(gone)
        await self._windows.undo(delivery.window, gone)
        await delivery.notice("undo.done")

    async def summary(self, call: Call) -> None:
        """Have the model summarise the dialogue so far."""
        delivery = call.delivery
        if not await self._windows.load(delivery.window):
            await delivery.notice("summary.nothing")
            return
        prompt = delivery.say("summary.prompt")
        asked = replace(delivery.message, text=prompt, quoted=None, attachments=())
        await self._dialogue.answer(delivery, asked, plain=True)

    async def export(self, call: Call) -> None:
        """The dialogue as a file."""
        delivery, kind = call.delivery, call.argument.lower() or "markdown"
        if kind not in ("markdown", "md", "json"):
            await delivery.notice("export.unknown", kind=kind[:20])
            return
        exchanges = await self._windows.load(delivery.window)
        if not exchanges:
            await delivery.notice("export.nothing")
            return
        mime, ending = ("application/json", "json") if kind == "json" else ("text/markdown", "md")
        text = _json(exchanges) if kind == "json" else _markdown(delivery, exchanges)
        caption = delivery.say("export.caption", count=len(exchanges))
        name = f"dialogue-{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%d}.{ending}"
        await delivery.send(Media("file", mime, text.encode("utf-8", "replace"), caption, name))

    # --- sessions --------------------------------------------------------------------------------------------

    async def sessions(self, call: Call) -> None:
        """Show the sessions; or begin, name, delete one, or go to the named one."""
        delivery = call.delivery
        word, _, rest = call.argument.partition(" ")
        listed = await self._sessions.listed(delivery.conversation)
        if not call.argument:
            await self._show(delivery, listed)
        elif not await call.may_choose("/sessions"):
            return
        elif word.lower() in _NEW | _NAME:
            await self._named(delivery, listed, rest, new=word.lower() in _NEW)
        elif word.lower() in _DELETE:
            await self._delete(delivery, listed, rest)
        elif (found := self._find(delivery, listed, call.argument)) is not None:
            await self._switch(delivery, found)
        else:
            await self._unknown(delivery, listed, call.argument)

    async def _show(self, delivery: Delivery, listed: Sequence[Session]) -> None:
        sizes = await self._windows.sizes([_window(delivery, session) for session in listed])
        current = next((s for s in listed if s.id == delivery.profile.session), listed[0])
        options = [
            Option(f"{_title(delivery, session)} ({size})", f"/sessions {_title(delivery, session)}")
            for session, size in zip(listed, sizes, strict=True)
        ]
        text = delivery.say("sessions.current", name=_title(delivery, current))
        await delivery.send(Choices(f"{text}\n{delivery.say('sessions.how')}", tuple(options)))

    async def _named(self, delivery: Delivery, listed: Sequence[Session], text: str, *, new: bool) -> None:
        try:
            name = name_of(text) if text.strip() else delivery.say("sessions.unnamed", number=len(listed) + 1)
        except ValueError:
            await delivery.notice("sessions.bad_name", limit=NAME_LIMIT)
            return
        found = self._find(delivery, listed, name)
        if found is not None and new:
            await self._switch(delivery, found)
        elif found is not None and found.id != delivery.profile.session:
            await delivery.notice("sessions.taken", name=name)
        elif not new:
            await self._sessions.rename(delivery.conversation, Session(delivery.profile.session, name))
            await delivery.notice("sessions.named", name=name)
        elif (added := await self._sessions.add(delivery.conversation, name)) is None:
            await delivery.notice("sessions.full", limit=SESSIONS_LIMIT)
        else:
            await self._switch(delivery, added)

    async def _delete(self, delivery: Delivery, listed: Sequence[Session], name: str) -> None:
        session = self._find(delivery, listed, name)
        if session is None:
            await self._unknown(delivery, listed, name)
            return
        await self._windows.clear(_window(delivery, session))
        await self._sessions.drop(delivery.conversation, session)
        if session.id == delivery.profile.session:
            await self._profiles.change(delivery.conversation, session="")
        await delivery.notice("sessions.deleted", name=_title(delivery, session))

    async def _switch(self, delivery: Delivery, session: Session) -> None:
        await self._profiles.change(delivery.conversation, session=session.id)
        await delivery.notice("sessions.switched", name=_title(delivery, session))

    async def _unknown(self, delivery: Delivery, listed: Sequence[Session], name: str) -> None:
        titles = [_title(delivery, session) for session in listed]
        near = difflib.get_close_matches(name[:100], titles, 3, 0.4) or titles
        text = delivery.say("sessions.unknown", name=name[:60])
        await delivery.send(Choices(text, tuple(Option(title, f"/sessions {title}") for title in near)))

    def _find(self, delivery: Delivery, listed: Sequence[Session], name: str) -> Session | None:
        wanted = " ".join(name.split()).casefold()
        return next((s for s in listed if wanted and _title(delivery, s).casefold() == wanted), None)


def _title(delivery: Delivery, session: Session) -> str:
    return session.name or delivery.say("sessions.first")


def _window(delivery: Delivery, session: Session) -> str:
    return f"{delivery.conversation}#{session.id}" if session.id else delivery.conversation


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _markdown(delivery: Delivery, exchanges: Sequence[Exchange]) -> str:
    speakers = {"user": delivery.say("export.person"), "assistant": delivery.say("export.bot")}
    parts = [f"# {delivery.say('export.title')}"]
    for exchange in exchanges:
        parts.append(f"---\n\n*{_when(exchange.at)}*")
        parts += [
            f"**{speakers[turn.role]}**\n\n{turn.content}" for turn in exchange.turns if not turn.context
        ]
    return "\n\n".join(parts) + "\n"


def _json(exchanges: Sequence[Exchange]) -> str:
    said = [
        {
            "at": datetime.fromtimestamp(exchange.at, UTC).isoformat(timespec="seconds"),
            "messages": [
                {"role": turn.role, "content": turn.content} for turn in exchange.turns if not turn.context
            ],
        }
        for exchange in exchanges
    ]
    return json.dumps({"exchanges": said}, ensure_ascii=False, indent=2) + "\n"
