"""What lies in a lane, in Redis's words and in ours: messages, leases, dead letters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from bot.api import Incoming

JOINED_LIMIT = 32_000
"""Characters of messages that are answered together."""

_incoming = TypeAdapter(Incoming)


class Claim(Protocol):
    """What proves a lease: the token, who has it, and the fence that the latest take put into the journal."""

    @property
    def conversation(self) -> str:
        """Whose lane it is."""

    @property
    def token(self) -> str:
        """The entry's id in `ready`."""

    @property
    def consumer(self) -> str:
        """The process."""

    @property
    def fence(self) -> str:
        """Tells this lease from a later one of the same token."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a message that came in, and how many of its conversation were there before it."""

    what: Literal["accepted", "duplicate", "busy", "interrupted"]
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """A token that was leased, before its message was read."""

    conversation: str
    token: str
    consumer: str
    fence: str


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt at the oldest message of a conversation, while it is ours.

    `attempt` counts from 1 and is not bounded here. `posts` and `answer` are what earlier attempts put into
    the journal; `stopped` says that the person asked to stop, `withdrawn` that they deleted the message. `fence`
    tells this lease from a later one. `away` is how many earlier attempts ended because the platform was away.
    `length` is that of the lane. `joined` says how many messages an earlier attempt answered together, and
    `burst` are those behind `message` that this one answers with it (`Inbox.join`).
    """

    conversation: str
    token: str
    consumer: str
    message: Incoming
    attempt: int
    posts: tuple[str, ...] = ()
    answer: str | None = None
    stopped: bool = False
    withdrawn: bool = False
    fence: str = field(default="", repr=False)
    length: int = 1
    joined: int = 0
    burst: tuple[Incoming, ...] = ()
    away: int = 0


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop answering `message`, an `Incoming.key`. It may come more than once. `withdrawn`: its author deleted it."""

    conversation: str
    message: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """How much there is: tokens that wait and that are leased, conversations with a lane, dead letters."""

    ready: int
    leased: int
    conversations: int
    dead: int


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that was given up at `at` (seconds since the epoch). One that is unreadable is None."""

    conversation: str
    message: Incoming | None
    reason: str
    at: float


def write(message: Incoming) -> bytes:
    """A lane's entry: the message in JSON, which has no line breaks, and behind a line break its key.

    The scripts need the key and should not read JSON. Lone surrogates become question marks.
    """
    try:
        text = _incoming.dump_json(message)
    except PydanticSerializationError:  # how pydantic refuses lone surrogates
        text = json.dumps(asdict(message), ensure_ascii=False).encode("utf-8", "replace")
    return text + b"\n" + message.key.encode("utf-8", "replace")


def read(entry: str) -> Incoming | str:
    """The message of a lane's entry, or why it cannot be read (which does not quote it)."""
    try:
        return _incoming.validate_json(entry.partition("\n")[0])
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc']))} {e['type']}" for e in error.errors())
        return f"unreadable: {', '.join(faults)}"[:500]


def together(messages: Sequence[Incoming], within: float) -> int:
    """How many of a lane's oldest messages are one question: no commands, each `within` seconds of the one before.

    An app that splits a long text sends its parts like this. With 0 seconds each message is one of its own.
    """
    first, size = messages[0], len(messages[0].text)
    count, at = 1, first.sent_at
    if not within or not _plain(first):
        return 1
    for message in messages[1:]:
        size += len(message.text) + 1
        near = message.sent_at > 0 and abs(message.sent_at - at) <= within
        same = (message.place, message.person.id) == (first.place, first.person.id)
        if not (near and same and size <= JOINED_LIMIT and _plain(message) and message.quoted is None):
            break
        count, at = count + 1, message.sent_at
    return count


def one(messages: Sequence[Incoming]) -> Incoming:
    """Several messages as one, which has the id of the first."""
    return replace(
        messages[0],
        text="\n".join(message.text for message in messages),
        attachments=tuple(attachment for message in messages for attachment in message.attachments),
    )


def _plain(message: Incoming) -> bool:
    text = message.text.lstrip()
    command = message.addressed == "command" or text.startswith(("/", "／"))
    return bool(text) and not (command or message.edits or message.withdrawn or message.spoken)


def lease(taken: Taken, message: Incoming, length: int, journal: Mapping[str, str]) -> Lease:
    """The lease of a token, with its message's journal and the lane's length."""
    places = {name.removeprefix("post:"): int(at) for name, at in journal.items() if name.startswith("post:")}
    return Lease(
        conversation=taken.conversation,
        token=taken.token,
        consumer=taken.consumer,
        message=message,
        attempt=int(journal["attempt"]),
        posts=tuple(sorted(places, key=places.__getitem__)),
        answer=journal.get("answer"),
        stopped="stopped" in journal,
        withdrawn="withdrawn" in journal,
        fence=taken.fence,
        length=length,
        joined=int(journal.get("joined", 0)),
        away=int(journal.get("away", 0)),
    )
