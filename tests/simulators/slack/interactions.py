"""What a person's act sets in motion: the trigger for a modal, the address to respond at, the app's answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from tests.simulators.slack import blocks as kit
from tests.simulators.slack.api import Asked
from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Channel, Ephemeral, Message

if TYPE_CHECKING:
    from tests.simulators.slack.deliveries import Delivery
    from tests.simulators.slack.person import Person
    from tests.simulators.slack.simulator import SlackSimulator

TRIGGER_LIFE = 3.0  # seconds (views.open)
RESPONSE_LIFE, RESPONSE_USES = 1_800.0, 5
_FIELDS = frozenset(
    [
        "text",
        "blocks",
        "attachments",
        "response_type",
        "replace_original",
        "delete_original",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
        "metadata",
        "mrkdwn",
    ]
)


@dataclass(eq=False)
class Interaction:
    """An act that waits for the app. `trigger_id` opens a modal, `response_url` takes up to five answers."""

    trigger_id: str
    response_url: str
    delivery: Delivery = field(repr=False)
    _sim: SlackSimulator = field(repr=False)

    async def answered(self, within: float | None = None) -> Any:
        """The acknowledgement's body, None for an empty one; AssertionError where there was none in time."""
        limit = self._sim.ack_seconds if within is None else within
        try:
            async with asyncio.timeout(limit):
                await self.delivery.over.wait()
        except TimeoutError:
            raise AssertionError(f"not acknowledged within {limit} s") from None
        assert self.delivery.acknowledged, f"failed: {self.delivery.tries}"
        return self.delivery.body


@dataclass(slots=True)
class _Response:
    channel: Channel
    person: Person
    time: float
    uses: int = 0
    origin: Message | Ephemeral | None = None
    thread_ts: str | None = None


class Triggers:
    """The triggers and the response addresses that are still good."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self._given: dict[str, tuple[float, Person]] = {}
        self._used: set[str] = set()
        self._responses: dict[str, _Response] = {}

    def trigger(self, person: Person) -> str:
        """A new trigger_id."""
        id = f"{self._sim.number()}.{self._sim.number()}.{uuid4().hex}"
        self._given[id] = (self._sim.clock(), person)
        return id

    def exchange(self, asked: Asked) -> Person:
        """The person of a trigger that was not used yet and is not three seconds old; raises Refused."""
        id = asked["trigger_id"] or ""
        time, person = self._given.get(id, (0.0, None))
        if person is None or person.team is not asked.team:
            raise Refused("invalid_arguments", "invalid `trigger_id`")
        if id in self._used:
            raise Refused("exchanged_trigger_id")
        if self._sim.clock() - time > TRIGGER_LIFE:
            raise Refused("expired_trigger_id")
        self._used.add(id)
        return person

    def response_url(
        self,
        person: Person,
        channel: Channel,
        origin: Message | Ephemeral | None = None,
        thread_ts: str | None = None,
    ) -> str:
        """A new address."""
        key = uuid4().hex
        self._responses[key] = _Response(channel, person, self._sim.clock(), 0, origin, thread_ts)
        return f"{self._sim.url}/response/{key}"

    async def respond(self, request: web.Request) -> web.Response:
        """POST /response/{key}."""
        response = self._responses.get(request.match_info["key"])
        self._sim.changed()
        if response is None:
            return web.json_response(Refused("invalid_url").body(), status=404)
        if self._sim.clock() - response.time > RESPONSE_LIFE:
            return web.json_response(Refused("expired_url").body(), status=404)
        if response.uses >= RESPONSE_USES:
            return web.json_response(Refused("used_url").body(), status=404)
        try:
            self.apply(response, await request.json())
        except (Refused, json.JSONDecodeError) as error:
            code = error.error if isinstance(error, Refused) else "invalid_payload"
            return web.json_response(Refused(code).body(), status=400)
        response.uses += 1
        return web.Response(text="ok")

    def acknowledged(self, url: str, body: Mapping[str, Any] | str) -> None:
        """Show what the acknowledgement of a slash command says."""
        content = {"text": body} if isinstance(body, str) else body
        if content.get("text") or content.get("blocks"):
            self.apply(self._responses[url.rpartition("/")[2]], content, via="acknowledgement")

    def apply(self, response: _Response, content: Mapping[str, Any], via: str = "response_url") -> None:
        """Show a response; raises Refused."""
        if wrong := set(content) - _FIELDS:
            raise Refused("invalid_arguments", f"unknown: {sorted(wrong)}")
        if content.get("delete_original"):
            self._delete(response)
            return
        blocks = kit.message_blocks(content["blocks"]) if content.get("blocks") else []
        text = content.get("text") or ""
        if not text and not blocks:
            raise Refused("no_text")
        if content.get("replace_original") and response.origin is not None:
            response.origin.text, response.origin.blocks = text, blocks
            return
        thread = content.get("thread_ts") or response.thread_ts
        sim, channel = self._sim, response.channel
        if content.get("response_type") == "in_channel":
            team = channel.team
            sim.show(Message(sim.ts(), channel, team.user, text, blocks, thread, by_app=True, team=team.id))
            return
        channel.ephemerals.append(Ephemeral(sim.ts(), channel, response.person.id, text, blocks, thread, via))

    def _delete(self, response: _Response) -> None:
        if isinstance(response.origin, Message):
            self._sim.take_away(response.origin)
        elif response.origin is not None and response.origin in response.channel.ephemerals:
            response.channel.ephemerals.remove(response.origin)
