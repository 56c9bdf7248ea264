"""What people write on the simulated Slack; each act becomes the events that Slack would send for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.simulators.slack.files import File
from tests.simulators.slack.pressing import Presser
from tests.simulators.slack.views import View
from tests.simulators.slack.world import Channel, Ephemeral, Message, Thread

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator
    from tests.simulators.slack.world import Team

_MARKED = re.compile(r"(<(?:[@#!][^<>]+|https?://[^<>]+|mailto:[^<>]+)>)")
_USER = re.compile(r"<@(\w+)>")


@dataclass(eq=False)
class Person(Presser):
    """Somebody in a workspace. `home` and `modals` are what the app has put before them."""

    sim: SlackSimulator = field(repr=False)
    team: Team = field(repr=False)
    id: str
    name: str
    locale: str = "en-US"
    admin: bool = False
    bot_id: str = ""
    home: View | None = field(default=None, repr=False)
    modals: list[View] = field(default_factory=list, repr=False)

    @property
    def mention(self) -> str:
        """The person's mention, as it stands in a text."""
        return f"<@{self.id}>"

    def json(self, *, locale: bool = False) -> dict[str, Any]:
        """The person as users.info gives them."""
        profile = {"real_name": self.name, "display_name": self.name, "team": self.team.id}
        document: dict[str, Any] = {
            "id": self.id,
            "team_id": self.team.id,
            "name": self.name.lower(),
            "real_name": self.name,
            "deleted": False,
            "tz": "Europe/London",
            "profile": profile,
            "is_admin": self.admin,
            "is_owner": False,
            "is_bot": bool(self.bot_id),
        }
        return document | ({"locale": self.locale} if locale else {})

    # --- messages ---

    async def says(
        self,
        channel: Channel,
        text: str,
        *,
        thread: Thread | Message | str | None = None,
        files: Sequence[File] = (),
        broadcast: bool = False,
        attachments: Sequence[dict[str, Any]] = (),
        subtype: str | None = None,
        **extra: Any,
    ) -> Message:
        """Write a text as it is typed; mentions and links in it stand as Slack marks them."""
        assert self.id in channel.members, f"{self.name} is not in {channel.name or channel.id}"
        assert not channel.archived, f"{channel.name or channel.id} is archived"
        marked = _escaped(text)
        message = Message(
            self.sim.ts(),
            channel,
            self.id,
            marked,
            _rich(marked),
            _ts(thread),
            team=self.team.id,
            subtype=subtype or ("file_share" if files else "thread_broadcast" if broadcast else None),
            files=[self.sim.files.add(file, self.team, self.id) for file in files],
            attachments=list(attachments),
            extra={"typed": True, **self._signed(channel), **extra},
        )
        self.sim.show(message)
        return message

    async def uploads(
        self, channel: Channel, *files: File, text: str = "", thread: Thread | Message | str | None = None
    ) -> Message:
        """Share files, with a text where one is given."""
        return await self.says(channel, text, files=files, thread=thread)

    async def speaks(
        self,
        channel: Channel,
        content: bytes,
        mime: str = "audio/webm",
        *,
        thread: Thread | Message | str | None = None,
    ) -> Message:
        """Record an audio clip; on some devices it is labelled as video/webm or video/mp4."""
        name = f"audio_message.{'m4a' if 'mp4' in mime else 'webm'}"
        fields = {"subtype": "slack_audio", "duration_ms": 3_000, "media_display_type": "audio"}
        return await self.uploads(channel, File(content, name, mime, fields=fields), thread=thread)

    async def shares(self, channel: Channel, message: Message, text: str = "", **more: Any) -> Message:
        """Forward a message."""
        forwarded = {
            "ts": message.ts,
            "author_id": message.user,
            "author_name": self.sim.name(message.user),
            "channel_id": message.channel.id,
            "channel_team": message.channel.team.id,
            "is_msg_unfurl": True,
            "is_share": True,
            "text": message.fallback,
            "fallback": message.shown,
            "from_url": f"https://{self.team.domain}.slack.com/archives/{message.channel.id}/p{message.ts}",
            "mrkdwn_in": ["text"],
        }
        if message.files:
            forwarded["files"] = [file.json(shared=True) for file in message.files]
        return await self.says(channel, text, attachments=[forwarded], **more)

    async def edits(self, message: Message, text: str) -> None:
        """Edit a message of one's own."""
        assert message.user == self.id, "only one's own messages can be edited"
        before, mentioned = message.json(), message.channel.team.mention in message.text
        message.edits.append(message.shown)
        message.text = _escaped(text)
        message.blocks = _rich(message.text)
        message.edited = {"user": self.id, "ts": self.sim.ts()}
        self.sim.events.changed(message, before)
        if not mentioned:
            self.sim.events.mentioned(message)

    async def unfurls(self, message: Message) -> None:
        """Slack adds a link's preview: message_changed, without an edit."""
        before = message.json()
        message.attachments.append({"id": 1, "from_url": "https://example.com", "title": "Example"})
        self.sim.events.changed(message, before)

    async def deletes(self, message: Message) -> None:
        """Delete a message of one's own."""
        assert message.user == self.id, "only one's own messages can be deleted"
        self.sim.take_away(message)

    async def reacts(self, message: Message, emoji: str = "thumbsup") -> None:
        """Add a reaction."""
        message.reactions.setdefault(emoji, []).append(self.id)
        item = {"type": "message", "channel": message.channel.id, "ts": message.ts}
        self.sim.events.happened(
            message.channel.team,
            "reaction_added",
            message.channel,
            user=self.id,
            reaction=emoji,
            item_user=message.user,
            item=item,
        )

    # --- the app's work, the app's place ---

    async def stops(self, thread: Thread) -> None:
        """Press the native stop button, which is there while the session is processing."""
        if thread.session.status != "processing":
            raise LookupError(f"no stop button: the session is {thread.session.status or 'not there'}")
        if "agent_session_stopped" not in self.sim.subscribed:
            raise LookupError("no stop button: the app does not hear of it")
        self.sim.events.happened(
            thread.channel.team,
            "agent_session_stopped",
            thread.channel,
            channel=thread.channel.id,
            thread_ts=thread.ts,
            user=self.id,
            streaming_message_ts=self.sim.streams.stop(thread),
        )

    async def invites(self, channel: Channel) -> None:
        """Add the app to a channel."""
        channel.bot = True
        team = channel.team
        joined = Message(self.sim.ts(), channel, team.user, f"{team.mention} has joined the channel")
        joined.subtype, joined.team, joined.extra = "channel_join", team.id, {"inviter": self.id}
        self.sim.show(joined, echo=False)
        self.sim.events.happened(
            team,
            "member_joined_channel",
            channel,
            user=team.user,
            channel=channel.id,
            channel_type="C" if channel.kind == "channel" else "G",
            team=team.id,
            inviter=self.id,
        )

    async def removes(self, channel: Channel) -> None:
        """Take the app out of a channel."""
        channel.bot = False

    async def joins(self, channel: Channel) -> None:
        """Come into a channel."""
        channel.members[self.id] = self

    async def leaves(self, channel: Channel) -> None:
        """Leave a channel."""
        channel.members.pop(self.id, None)

    async def installs(self, url: str, *, denies: bool = False) -> tuple[int, str]:
        """Go the whole way from the app's install address; the last page's status and text."""
        return await self.sim.oauth.install(self, url, denies=denies)

    # --- what the person sees ---

    def whispers(self, channel: Channel) -> list[str]:
        """What only this person sees in a channel, in order."""
        return [one.shown for one in channel.ephemerals if one.user == self.id]

    async def sees(
        self, channel: Channel, wanted: str | Callable[[Ephemeral], object], within: float = 30
    ) -> Ephemeral:
        """The first message for this person alone that holds a text or a condition."""
        test = (lambda one: wanted in one.shown) if isinstance(wanted, str) else wanted
        found: list[Ephemeral] = []

        def look() -> bool:
            found[:] = [one for one in channel.ephemerals if one.user == self.id and test(one)][:1]
            return bool(found)

        try:
            await self.sim.until(look, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.name} sees {self.whispers(channel)}") from None
        return found[0]

    async def sees_view(self, wanted: str, within: float = 30) -> View:
        """The Home tab or the modal on top, as soon as it shows a text in its words, title or buttons."""
        found: list[View] = []

        def look() -> bool:
            views = [view for view in (self.modal, self.home) if view is not None]
            found[:] = [v for v in views if wanted in "\n".join((v.title, v.shown, *v.buttons))][:1]
            return bool(found)

        await self.sim.until(look, within)
        return found[0]

    def _signed(self, channel: Channel) -> dict[str, Any]:
        if self.bot_id:
            return {"bot_id": self.bot_id, "app_id": "A0OTHERAPP"}
        foreign = {"user_team": self.team.id, "source_team": self.team.id} if channel.external else {}
        return {"client_msg_id": str(uuid4()), **foreign}


def _ts(thread: Thread | Message | str | None) -> str | None:
    if isinstance(thread, Message):
        return thread.thread_ts or thread.ts
    return thread.ts if isinstance(thread, Thread) else thread


def _escaped(text: str) -> str:
    parts = _MARKED.split(text)
    for position in range(0, len(parts), 2):
        parts[position] = parts[position].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(parts)


def _rich(text: str) -> list[dict[str, Any]]:
    elements: list[dict[str, Any]] = []
    for position, part in enumerate(_USER.split(text)):
        if part:
            elements.append(
                {"type": "user", "user_id": part} if position % 2 else {"type": "text", "text": part}
            )
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": uuid4().hex[:5], "elements": [section]}] if elements else []
