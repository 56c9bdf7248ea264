"""The simulator driven from other processes: people act by POST /_control, GET /_control/state tells all."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.simulators.slack.files import File
from tests.simulators.slack.interactions import Interaction
from tests.simulators.slack.person import Person
from tests.simulators.slack.simulator import SlackSimulator
from tests.simulators.slack.views import View
from tests.simulators.slack.world import Channel, Message

_OF_SLACK = frozenset({"limit", "fail", "refuse", "hang", "lose", "heal", "cut"})
_OF_CHANNELS = frozenset({"invites", "removes", "joins", "leaves"})
_OF_MESSAGES = frozenset({"rates", "shortcut", "edits", "deletes", "reacts"})
_WRITING = frozenset({"says", "slash", "speaks", "uploads"})
_PLAIN = frozenset({"opens_home", "opens_messages", "submits", "closes", "global_shortcut"})


def add_control(sim: SlackSimulator) -> None:
    """Add the two addresses to the simulator's application; before it is started.

    `{"act": "says", "person": "Ann", "text": "hello"}` makes Ann where there is none, and writes into her
    direct messages unless `channel` names another by id or name; `thread` is a ts. `{"act": "channel",
    "name": "general", "members": ["Ann", "Bob"]}` makes a channel. Further acts: uploads (with `content` in
    base64), speaks, edits, deletes, presses, rates, selects, slash, shortcut, opens_home, submits, stops,
    invites, removes, deliver_to, limit, fail, refuse, hang, heal, cut, disconnect.
    """
    control = _Control(sim)
    sim.app.add_routes([web.post("/_control", control.act), web.get("/_control/state", control.state)])


class _Control:
    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim

    async def act(self, request: web.Request) -> web.Response:
        given: dict[str, Any] = await request.json()
        try:
            done = await self._act(given.pop("act", ""), given)
        except (LookupError, TypeError, ValueError, AssertionError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(done)

    async def _act(self, act: str, given: dict[str, Any]) -> dict[str, Any]:
        if act in _OF_SLACK:
            getattr(self._sim, act)(**given)
        elif act == "deliver_to":
            await self._sim.deliver_to(**given)
        elif act == "disconnect":
            await self._sim.disconnect(**given)
        elif act == "channel":
            members = [self._person(name) for name in given.pop("members", [])]
            return {"channel": self._sim.channel(given.pop("name"), members, **given).id}
        else:
            return await self._personal(act, given)
        return {}

    async def _personal(self, act: str, given: dict[str, Any]) -> dict[str, Any]:
        person = self._person(given.pop("person"))
        if act in _PLAIN:
            return await _told(await getattr(person, act)(**given))
        channel = self._channel(person, given.pop("channel", None))
        if act in _OF_CHANNELS:
            await getattr(person, act)(channel)
            return {}
        if act == "stops":
            await person.stops(channel.thread(given["thread"]))
            return {}
        if act in _WRITING:
            return await self._writes(act, person, channel, given)
        return await self._touches(act, person, channel.find(given.pop("message", None)), given)

    async def _writes(
        self, act: str, person: Person, channel: Channel, given: dict[str, Any]
    ) -> dict[str, Any]:
        content = base64.b64decode(given.pop("content", ""))
        if act == "speaks":
            return await _told(await person.speaks(channel, content, **given))
        if act == "uploads":
            file = File(content, given.pop("name", "notes.txt"), given.pop("mime", ""))
            return await _told(await person.uploads(channel, file, **given))
        return await _told(await getattr(person, act)(channel, **given))

    async def _touches(
        self, act: str, person: Person, message: Message | None, given: dict[str, Any]
    ) -> dict[str, Any]:
        view = person.modal or person.home
        if act in {"presses", "selects"} and (message or view) is not None:
            return await _told(await getattr(person, act)(message or view, **given))
        if act not in _OF_MESSAGES or message is None:
            raise LookupError(f"no act {act!r}, or no such message")
        return await _told(await getattr(person, act)(message, **given))

    async def state(self, request: web.Request) -> web.Response:
        sim = self._sim
        views = {
            person.name: {"home": _view(person.home), "modal": _view(person.modal)}
            for person in sim.people.values()
        }
        return web.json_response(
            {
                "channels": {channel.id: _channel(channel) for channel in sim.channels.values()},
                "views": views,
                "calls": [[call.method, call.error] for call in list(sim.calls)[-500:]],
                "connections": len(sim.sockets.live),
                "deliveries": [
                    [delivery.name, [one.outcome for one in delivery.tries]] for delivery in sim.deliveries
                ][-500:],
            }
        )

    def _person(self, name: str) -> Person:
        known = (p for p in self._sim.people.values() if name in (p.id, p.name))
        return next(known, None) or self._sim.person(name)

    def _channel(self, person: Person, name: str | None) -> Channel:
        if name is None:
            return self._sim.dm(person)
        found = next((c for c in self._sim.channels.values() if name in (c.id, c.name)), None)
        if found is None:
            raise LookupError(f"no channel {name!r}")
        return found


async def _told(done: Any) -> dict[str, Any]:
    if isinstance(done, Message):
        return {"ts": done.ts, "channel": done.channel.id, "thread": done.thread.ts}
    if isinstance(done, Interaction):
        return {"trigger_id": done.trigger_id, "answer": await done.answered()}
    return {}


def _view(view: View | None) -> Mapping[str, Any] | None:
    if view is None:
        return None
    return {"title": view.title, "shown": view.shown, "buttons": view.buttons, "errors": view.errors}


def _channel(channel: Channel) -> dict[str, Any]:
    messages = [
        {
            "ts": message.ts,
            "thread": message.thread_ts,
            "from": channel.sim.name(message.user),
            "by_app": message.by_app,
            "shown": message.shown,
            "buttons": message.buttons,
            "files": [file.name for file in message.files],
            "edits": len(message.edits),
            "streams": channel.sim.streams.running(message),
            "broken": message.broken,
        }
        for message in channel.messages
    ]
    whispers = [
        {"to": channel.sim.name(one.user), "shown": one.shown, "buttons": one.buttons}
        for one in channel.ephemerals
    ]
    sessions = {
        ts: {"status": channel.thread(ts).status, "title": one.title, "history": one.history}
        for ts, one in channel.sessions.items()
    }
    return {
        "kind": channel.kind,
        "name": channel.name,
        "messages": messages,
        "ephemerals": whispers,
        "sessions": sessions,
        "prompts": list(channel.prompts),
    }
