"""The workspaces, channels, threads and messages on the simulated Slack, as their people see them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.slack import reading

if TYPE_CHECKING:
    from tests.simulators.slack.files import File
    from tests.simulators.slack.person import Person
    from tests.simulators.slack.simulator import SlackSimulator

Wanted = str | Callable[["Message"], object]


@dataclass(eq=False)
class Team:
    """A workspace with the app installed. `standing` is what is wrong with the token: "" or Slack's code."""

    sim: SlackSimulator = field(repr=False)
    id: str
    name: str
    token: str = field(repr=False)
    user: str
    bot: str
    scopes: set[str] = field(repr=False)
    installed: bool = True
    standing: str = ""

    @property
    def mention(self) -> str:
        """The app's mention, as it stands in a text."""
        return f"<@{self.user}>"

    @property
    def domain(self) -> str:
        """What stands before .slack.com."""
        return self.name.lower()

    def revoke(self, standing: str = "token_revoked") -> None:
        """Let the token be good no more; `standing` is the code of the refusals."""
        self.standing = standing


@dataclass(slots=True, eq=False)
class Stream:
    """The streamed part of a message. `end` is "" while it runs, else "stopped", "expired" or "by person"."""

    start: float
    text: str = ""
    end: str = ""
    calls: int = 1
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    recipient: tuple[str, str] = ("", "")


@dataclass(slots=True, eq=False)
class Message:
    """A message as it stands now. `edits` are what stood there before each change."""

    ts: str
    channel: Channel = field(repr=False)
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    by_app: bool = False
    team: str = ""
    subtype: str | None = None
    markdown: str | None = None
    files: list[File] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    stream: Stream | None = None
    edited: dict[str, str] | None = None
    edits: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    deleted: bool = False
    tombstone: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def thread(self) -> Thread:
        """The thread that it stands in or begins."""
        return self.channel.thread(self.thread_ts or self.ts)

    @property
    def shown(self) -> str:
        """What a person reads."""
        names = self.channel.sim.name
        parts = [self.stream.text] if self.stream is not None else []
        if self.blocks and not self.extra.get("typed"):
            parts.append(reading.read(self.blocks, names))
        elif self.stream is None:
            parts.append(self.markdown if self.markdown is not None else reading.spoken(self.text, names))
        return "\n\n".join(part for part in parts if part)

    @property
    def broken(self) -> bool:
        """Whether it is a stream that Slack has dropped, and that nobody has repaired."""
        return self.stream is not None and self.channel.sim.streams.expired(self.stream)

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons."""
        return reading.buttons(self.blocks)

    def json(self) -> dict[str, Any]:
        """The message as Slack's methods and events give it."""
        document: dict[str, Any] = {"type": "message", "ts": self.ts, "user": self.user, "team": self.team}
        document |= {"text": self.fallback}
        if self.subtype:
            document["subtype"] = self.subtype
        if self.by_app:
            team = self.channel.team
            document |= {"bot_id": team.bot, "app_id": self.channel.sim.app_id}
            document["bot_profile"] = {"id": team.bot, "app_id": self.channel.sim.app_id, "name": "parley"}
        for name in ("blocks", "attachments", "edited", "metadata", "thread_ts"):
            if value := getattr(self, name):
                document[name] = value
        if self.thread_ts and self.thread_ts != self.ts and (root := self.channel.find(self.thread_ts)):
            document["parent_user_id"] = root.user
        if self.stream is not None:  # @slack/types, events/message.d.ts
            ended = {"": "in_progress", "expired": "errored"}
            self.channel.sim.streams.expired(self.stream)
            document["streaming_state"] = ended.get(self.stream.end, "completed")
        if self.files:
            document["files"] = [file.json(shared=True) for file in self.files]
        document |= {key: value for key, value in self.extra.items() if key != "typed"}
        replies = [m for m in self.channel.messages if m.thread_ts == self.ts and m is not self]
        if replies:
            document |= {"thread_ts": self.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
        return document

    @property
    def fallback(self) -> str:
        """The `text` of its JSON."""
        if self.stream is not None:
            return self.stream.text
        return self.text if self.markdown is None else self.markdown


@dataclass(slots=True, eq=False)
class Ephemeral:
    """A message that one person sees, until the next reload."""

    ts: str
    channel: Channel = field(repr=False)
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    via: str = "chat.postEphemeral"
    by_app: bool = True

    @property
    def shown(self) -> str:
        """What the person reads."""
        names = self.channel.sim.name
        return reading.read(self.blocks, names) if self.blocks else reading.spoken(self.text, names)

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons."""
        return reading.buttons(self.blocks)


@dataclass(slots=True, eq=False)
class Session:
    """What the app has said of its work in a thread. `history` are all statuses of both kinds of methods.

    `loading` is the old kind, which goes away after two minutes (assistant.threads.setStatus).
    """

    status: str = ""
    title: str = ""
    loading: str = ""
    loading_until: float = 0.0
    history: list[str] = field(default_factory=list)
    real: bool = False  # made by agents.sessions.setStatus


class Screen:
    """What can be asked of a channel as of a thread. They have `sim`, `channel` and `messages`."""

    sim: SlackSimulator

    @property
    def messages(self) -> Sequence[Message]:
        """Everything that stands there, in order."""
        raise NotImplementedError

    @property
    def from_app(self) -> list[Message]:
        """The app's messages, in order."""
        return [message for message in self.messages if message.by_app]

    @property
    def last(self) -> Message:
        """The app's newest message; raises LookupError where there is none."""
        if not self.from_app:
            raise LookupError(f"the app has said nothing; to be seen: {self.everything()}")
        return self.from_app[-1]

    @property
    def buttons(self) -> list[str]:
        """The labels of the buttons under the app's messages."""
        return [label for message in self.from_app for label in message.buttons]

    @property
    def files(self) -> list[bytes]:
        """What the app has uploaded."""
        return [file.content for message in self.from_app for file in message.files]

    def visible(self) -> list[str]:
        """The app's texts as a person reads them, in order; a message of files alone has none."""
        return [message.shown for message in self.from_app if message.shown or not message.files]

    def everything(self) -> list[str]:
        """Everybody's texts, each with its speaker."""
        return [f"{self.sim.name(message.user)}: {message.shown}" for message in self.messages]

    async def shows(self, wanted: Wanted, within: float = 30) -> Message:
        """The app's first message that holds a text or a condition, as soon as there is one."""
        test = (lambda message: wanted in message.shown) if isinstance(wanted, str) else wanted
        found: list[Message] = []

        def look() -> bool:
            found[:] = [message for message in self.from_app if test(message)][:1]
            return bool(found)

        await self.until(look, within)
        return found[0]

    async def until(self, condition: Callable[[], object], within: float = 30) -> None:
        """Wait until a condition holds; AssertionError with what is to be seen after `within` seconds."""
        try:
            await self.sim.until(condition, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; to be seen: {self.everything()}") from None

    async def says_nothing(self, during: float = 0.2) -> None:
        """Watch for `during` seconds that the app posts and edits nothing."""
        before = [(message.ts, message.shown) for message in self.from_app]
        await asyncio.sleep(during)
        assert [(message.ts, message.shown) for message in self.from_app] == before, self.everything()


@dataclass(eq=False)
class Channel(Screen):
    """`kind` is im, channel, group (private) or mpim, made by its first member. `bot`: the app is in it."""

    sim: SlackSimulator = field(repr=False)
    team: Team = field(repr=False)
    id: str
    kind: str
    name: str = ""
    members: dict[str, Person] = field(default_factory=dict, repr=False)
    bot: bool = True
    archived: bool = False
    everybody: list[Message] = field(default_factory=list, repr=False)
    ephemerals: list[Ephemeral] = field(default_factory=list, repr=False)
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    prompts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100), repr=False)

    @property
    def messages(self) -> Sequence[Message]:
        return [message for message in self.everybody if not message.deleted]

    @property
    def external(self) -> bool:
        """Whether people of other workspaces are in it (Slack Connect)."""
        return any(person.team is not self.team for person in self.members.values())

    def thread(self, ts: str) -> Thread:
        """The thread under a message."""
        return Thread(self, ts)

    def find(self, ts: str | None) -> Message | None:
        """The message with this ts, unless it is deleted."""
        return next((m for m in reversed(self.everybody) if m.ts == ts and not m.deleted), None)

    def json(self) -> dict[str, Any]:
        """The channel as conversations.info gives it."""
        document: dict[str, Any] = {"id": self.id, "created": 1_700_000_000, "is_archived": self.archived}
        document["is_im"] = self.kind == "im"
        if self.kind == "im":
            return document | {"user": next(iter(self.members)), "is_org_shared": False, "is_open": True}
        return document | {
            "name": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_member": self.bot,
            "is_shared": self.external,
            "is_ext_shared": self.external,
            "context_team_id": self.team.id,
            "creator": next(iter(self.members), self.team.user),
        }


@dataclass
class Thread(Screen):
    """A message and the replies to it."""

    channel: Channel
    ts: str

    @property
    def sim(self) -> SlackSimulator:  # type: ignore[override]
        return self.channel.sim

    @property
    def messages(self) -> Sequence[Message]:
        return [m for m in self.channel.messages if self.ts in (m.ts, m.thread_ts)]

    @property
    def session(self) -> Session:
        """What the app has said of its work here."""
        return self.channel.sessions.setdefault(self.ts, Session())

    @property
    def statuses(self) -> list[str]:
        """All statuses that the app has set, in order."""
        return self.session.history

    @property
    def status(self) -> str:
        """The status now."""
        session = self.session
        return session.status or (session.loading if self.sim.clock() < session.loading_until else "")

    @property
    def title(self) -> str:
        """The title of the agent's session."""
        return self.session.title
