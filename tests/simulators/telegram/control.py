"""The simulator driven from other processes: people act by POST /_control, GET /_control/state tells all."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.simulators.telegram.flood import Flood
from tests.simulators.telegram.person import Person
from tests.simulators.telegram.simulator import TelegramSimulator
from tests.simulators.telegram.world import Chat, Shown

_MEDIA = frozenset({"photo", "voice", "audio", "document", "video", "video_note"})
_STANDING = frozenset({"blocks", "unblocks"})
_IN_GROUPS = frozenset({"kicks", "mutes", "unmutes", "promotes", "adds", "migrates", "joins", "leaves"})


def add_control(sim: TelegramSimulator) -> None:
    """Add the two addresses to the simulator's application.

    `{"act": "says", "person": 1, "text": "hello"}` makes person 1 where there is none, and writes into the
    private chat unless `chat` names another. Further acts: edits, presses, photo/voice/... (with `content` in
    base64), group, blocks, kicks ..., fail, cut, heal, flood. The answer is `{"message_id", "update_id"}`.
    """
    control = _Control(sim)
    sim.app.router.routes += [
        Route("/_control", control.act, methods=["POST"]),
        Route("/_control/state", control.state),
    ]


class _Control:
    def __init__(self, sim: TelegramSimulator) -> None:
        self._sim = sim

    async def act(self, request: Request) -> Response:
        given: dict[str, Any] = await request.json()
        try:
            done = await self._act(given.pop("act", ""), given)
        except (LookupError, TypeError, ValueError, AssertionError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(done)

    async def _act(self, act: str, given: dict[str, Any]) -> dict[str, Any]:
        match act:
            case "fail" | "cut":
                getattr(self._sim, act)(**given)
            case "heal":
                self._sim.heal()
            case "flood":
                self._sim.flood = Flood(**given) if given else None
            case "group":
                members = [self._person(id) for id in given.pop("members", [])]
                return {"chat": self._sim.group(given.pop("title", "Group"), members, **given).id}
            case _:
                return await self._personal(act, given)
        return {}

    async def _personal(self, act: str, given: dict[str, Any]) -> dict[str, Any]:
        person = self._person(given.pop("person"))
        chat = self._chat(person, given.pop("chat", None))
        message = chat.find(given.pop("message", None))
        if act == "says":
            return _told(await person.says(chat, **given))
        if act in _MEDIA:
            content = base64.b64decode(given.pop("content"))
            return _told(await getattr(person, f"sends_{act}")(chat, content, **given))
        if act in _STANDING:
            return {"update_id": await getattr(person, act)()}
        if act in _IN_GROUPS:
            return _told(await getattr(person, act)(chat))
        if message is None:
            raise LookupError(f"no act {act!r}, or no such message")
        if act == "edits":
            return {"update_id": await person.edits(message, **given)}
        if act == "presses":
            press = await person.presses(message, **given)
            return {"update_id": press.update_id, "callback_query_id": press.id}
        raise LookupError(f"no act {act!r}")

    async def state(self, request: Request) -> Response:
        sim = self._sim
        presses = {
            press.id: press.answered.result().text if press.answered.done() else None
            for press in sim.presses.values()
        }
        return JSONResponse(
            {
                "chats": {str(chat.id): _chat_state(chat) for chat in sim.chats.values()},
                "counts": dict(sim.counts),
                "refused": sim.refused(),
                "pending": [update.id for update in sim.updates.pending],
                "webhook": sim.updates.info(),
                "presses": presses,
            }
        )

    def _person(self, id: int | Mapping[str, Any]) -> Person:
        if not isinstance(id, int):
            return self._sim.people.get(id["id"]) or self._sim.person(**id)
        return self._sim.people.get(id) or self._sim.person(id, f"Person {id}")

    def _chat(self, person: Person, id: int | None) -> Chat:
        if id is None or id == person.id:
            return self._sim.private(person)
        return self._sim.chats[id]


def _told(done: Any) -> dict[str, Any]:
    if isinstance(done, Shown):
        return {"message_id": done.id, "chat": done.chat.id, "update_id": done.update_id}
    return {"chat": done.id} if isinstance(done, Chat) else {"update_id": done}


def _chat_state(chat: Chat) -> dict[str, Any]:
    messages = [
        {
            "id": shown.id,
            "from": shown.sender["id"],
            "by_bot": shown.by_bot,
            "text": shown.text,
            "deleted": shown.deleted,
            "edits": len(shown.edits),
            "reply_to": shown.reply_to,
            "buttons": shown.buttons,
            "media": shown.media.kind if shown.media else None,
        }
        for shown in chat.messages
    ]
    drafts = [{"id": draft.id, "text": draft.text, "time": draft.time} for draft in chat.drafts]
    return {"kind": chat.kind, "messages": messages, "drafts": drafts[-20:], "actions": len(chat.actions)}
