"""The whole contract between the core and the adapters: what is heard, what is said, and who carries it.

An adapter imports this module (and the base of `bot.settings`) and nothing else of the core. Every type here is
frozen; `Incoming` and what it holds consist of plain values, because a message waits in Redis as JSON.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

# --- what is heard -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was said. `account` is which of our bots heard it; `thread` is empty where there is none.

    `discussion`: the thread is one talk of all who take part in it, opened by a message, and not a room.
    """

    platform: str
    account: str
    chat: str
    thread: str = ""
    kind: Literal["private", "group"] = "private"
    discussion: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who said it. `language` is a BCP 47 tag as the app reports it (`zh-CN`), or empty."""

    id: str
    name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a message and has not been downloaded yet.

    `ref` is what the adapter needs to fetch it: opaque to the core, and it holds no secret.
    """

    kind: Literal["image", "audio", "video", "file"]
    ref: str
    mime: str = ""
    size: int = 0  # bytes; 0 where the platform does not say
    name: str = ""
    duration: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Quoted:
    """The message that was replied to. `ours`: the bot itself sent it."""

    text: str = ""
    author: str = ""
    attachments: tuple[Attachment, ...] = ()
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message from a person.

    `id` is the platform's own and the same on redelivery; it need only be unique within the chat. `addressed` says
    how the message was meant for the bot; what was merely overheard in a group is `ambient`. A pressed button arrives
    as the `value` of its `Option`, `addressed` as a command. An edited message has an id of its own, and in `edits`
    the id of the message that it was; one that its author deleted is heard of in the same way, without text and
    `withdrawn`. `sent_at` is seconds since the epoch, by the platform's clock. What was `spoken` is a voice message
    that the platform itself has written down, in a place where it can be answered by one.
    """

    id: str
    place: Place
    person: Person
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    quoted: Quoted | None = None
    addressed: Literal["private", "mention", "reply", "command", "keyword", "ambient"] = "private"
    edits: str = ""
    sent_at: float = 0.0
    withdrawn: bool = False
    spoken: bool = False

    @property
    def key(self) -> str:
        """The message's name across platforms, bots and chats."""
        return f"{self.place.platform}:{self.place.account}:{self.place.chat}:{self.id}"

    @property
    def origin(self) -> str:
        """The `key` of the message before it was edited; of one that was not, its own."""
        return f"{self.place.platform}:{self.place.account}:{self.place.chat}:{self.edits or self.id}"


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said in a place before the bot was called. `ours`: the bot itself said it."""

    author: str
    text: str
    ours: bool = False


# --- what is said --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Option:
    """A choice: what the person sees, and the text that comes back as a message when it is taken."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one exchange; `estimated` where the server did not say and we counted."""

    prompt: int
    completion: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the model's answer, in Markdown. The answer is the concatenation of all of them."""

    delta: str


@dataclass(frozen=True, slots=True)
class Media:
    """A finished image, recording, video or file to post. `name` is what a file is called when it is kept."""

    kind: Literal["image", "audio", "video", "file"]
    mime: str
    data: bytes = field(repr=False)
    caption: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture that is not finished yet. The next `Preview` or image takes its place; kept nowhere.

    A platform that cannot put one picture in the place of another shows nothing.
    """

    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Choices:
    """A question with options: buttons, or numbered text where a platform has none. `text` is plain text."""

    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """The bot's own voice, never part of the dialogue. The core fills `text` (plain) in the person's language."""

    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What the bot is doing meanwhile, and what may be done about it (Stop): shown where it can be, kept nowhere.

    It may take a while, so a picture that was held back for others of its album is shown before it.
    """

    doing: Literal["thinking", "typing", "drawing", "listening", "speaking"]
    offers: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """Comes always, and always last. `offers` are what may be done next (Retry, Continue), for buttons.

    `ratings` are the good word and the bad one about a model's answer, for platforms that have a form for them.
    """

    usage: Usage | None = None
    offers: tuple[Option, ...] = ()
    ratings: tuple[Option, ...] = ()


ReplyPart = Text | Media | Preview | Choices | Notice | Status | End


class Reply(Protocol):
    """The answer to one message, as a platform shows it."""

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Returns when the platform has it or will have it without our help.

        Raises `Gone` where nobody will ever see it, and `Unavailable` where the platform cannot be reached now:
        the message is answered again later, by a new reply with the same journal.
        """

    async def abandon(self) -> None:
        """The attempt is over without an `End`: when this returns, nothing more will be shown. Raises nothing."""


@runtime_checkable
class Sketching(Reply, Protocol):
    """A reply that can show pictures before they are finished."""

    previews: bool
    """Whether it does here. They cost money, so nobody else is sent a `Preview`."""


class Journal(Protocol):
    """What earlier and present attempts at one message have already posted; survives a crash."""

    @property
    def attempt(self) -> int:
        """1 for the first attempt at this message."""

    @property
    def posts(self) -> Sequence[str]:
        """The platform's ids of the posts made so far, oldest first."""

    async def posted(self, post: str) -> None:
        """Note a post, before anything else is done with it."""


# --- who carries it ------------------------------------------------------------------------------------------


class Unavailable(Exception):
    """Nothing can be accepted or shown now: Redis or the platform is away.

    On the way in, a webhook answers 503 and a poller waits, so that the platform delivers again; on the way out the
    message is answered again later.
    """


class Gone(Exception):
    """The place cannot be written to any more (blocked, deleted, no right): do not try again."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is on disk and will be answered. `ref` is the reference id of every log line about it.

    `behind` is how many messages of its conversation are to be answered first: a person may be shown that it waits.
    """

    ref: str
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The message was accepted before; acknowledge it again and do nothing."""

    ref: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Too much of this conversation waits already; nothing was kept. `text` tells the person so."""

    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing was kept, and nothing will be said to this message.

    It is not for the bot (group talk, a stranger's noise), or its work is done already: it stopped an answer.
    """


Outcome = Accepted | Duplicate | Busy | Ignored
Submit = Callable[[Incoming], Awaitable[Outcome]]
"""Hand a message to the core. Acknowledge the platform only after it returns. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log: its id (ordered, `"0"` is before the first) and its value."""

    id: str
    value: str


class Store(Protocol):
    """An adapter's own drawer in Redis, shared by all replicas. Values are text. All calls raise `Unavailable`."""

    async def get(self, key: str) -> str | None:
        """The value, or None."""

    async def put(self, key: str, value: str, *, ttl: float | None = None, absent: bool = False) -> bool:
        """Keep `value` for `ttl` seconds (None: for ever); with `absent`, only where there is none. Kept?"""

    async def drop(self, key: str) -> None:
        """Forget the value."""

    async def append(self, log: str, value: str, *, limit: int, ttl: float) -> str:
        """Add to the end of a log that keeps about `limit` entries and ends `ttl` seconds after the last. Its id."""

    async def read(self, log: str, *, after: str = "0", count: int = 1000) -> list[Entry]:
        """Up to `count` entries behind the entry `after`, oldest first."""

    async def remove(self, log: str, ids: Sequence[str]) -> None:
        """Take entries out of a log."""

    def follow(self, log: str, *, after: str = "0") -> AsyncIterator[Entry]:
        """The entries behind `after`, then each new one as it comes, without end. One connection a process."""

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` while this process is the one leader for `name`; wait, and begin again, while it is not.

        Returns when `work` returns. When the lease is lost, `work` is cancelled before another can have it.
        """


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a person may choose: `options` whose values are commands; `current` is the value in force."""

    name: str
    label: str
    options: tuple[Option, ...]
    current: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """What a person may know of the bot's dealings with them, in their language.

    `usage` are plain lines about what was used and what is left, `operation` those for an admin about all people
    together; for anybody else there are none.
    """

    settings: tuple[Setting, ...] = ()
    usage: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `parley check`: what was looked at, what came out, and how to mend it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


async def _anyone(place: Place, person: Person) -> bool:
    return True


async def _nothing(place: Place, person: Person) -> Overview:
    return Overview()


@dataclass(frozen=True, slots=True)
class Host:
    """What the core lends an adapter. `alone`: no messaging platform is configured.

    `admits` tells whether a person may talk to the bot in a place; the core asks the same before it answers.
    `overview` tells them how they stand there; it raises `Unavailable`.
    """

    store: Store
    http_host: str
    http_port: int
    public_url: str
    alone: bool
    admits: Callable[[Place, Person], Awaitable[bool]] = _anyone
    overview: Callable[[Place, Person], Awaitable[Overview]] = _nothing


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One command for a platform's menu: its name without the slash, and one line in each language.

    `aliases` are its other names, for platforms where people write them without a slash. One for an `admin` is not
    shown to everybody.
    """

    name: str
    descriptions: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    admin: bool = False


class Platform(Protocol):
    """What is known of a platform before it is on. An entry point of the group `parley.adapters` names the class.

    It is loaded whether the platform is on or not, so what is large is imported by `create`.
    """

    name: ClassVar[str]
    """The platform as it stands in `Place.platform`."""

    Settings: ClassVar[type[Any]]
    """The platform's block of settings, a `bot.settings.Block`."""

    interactive: ClassVar[bool]
    """It receives from the terminal it was started in: only `parley chat` runs it."""

    trusted: ClassVar[bool]
    """Whoever reaches it has been let in by other means (this machine's terminal, a password): no access list."""

    @classmethod
    def create(cls, settings: Any, host: Host) -> Adapter | None:
        """The adapter, or None where its credentials are not set. Raises `ValueError` that names the variable."""


VoiceForm = Literal["ogg-opus", "amr", "mp3"]
"""The forms in which a platform plays speech. AMR comes in parts of at most 60 seconds."""


class Adapter(Protocol):
    """One platform that is on. Its class may be the `Platform` itself."""

    name: ClassVar[str]
    """The platform as it stands in `Place.platform`."""

    voice_form: ClassVar[VoiceForm]
    """What the bot's speech is to be written in: it comes as `Media` of the kind audio."""

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled; return at once where everything arrives by `routes`.

        Raising means a fault: the supervisor starts it again after a pause.
        """

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply to `incoming`. It may be made in another process than the one that received."""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `Gone` where there is no such thing, `Unavailable` for a passing fault."""

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """What was said in the thread of `incoming` before it, oldest first and bounded.

        Nothing where the platform does not tell. Raises `Unavailable`.
        """

    async def administers(self, place: Place, person: Person) -> bool:
        """Whether the platform says that this person runs this group.

        False where it does not tell. Asked only where it matters, and never of a private chat. Raises `Unavailable`.
        """

    async def check(self) -> Sequence[Finding]:
        """Whether the platform takes our credentials and gives us every right we need; nothing is changed there.

        Raises `Unavailable` where the drawer cannot be read, and nothing else.
        """

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """What the one HTTP server serves for this adapter."""

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Publish the command menu, where the platform has one."""

    async def close(self) -> None:
        """End every connection: the process stops, and its answers have been given. Raises nothing."""


@runtime_checkable
class Bounded(Adapter, Protocol):
    """An adapter of a platform that shows no picture but PNG and JPEG, and none above `picture_limit` bytes.

    What is heavier or in another form comes as a JPEG.
    """

    picture_limit: ClassVar[int]


@runtime_checkable
class Equipped(Adapter, Protocol):
    """An adapter with commands of its own for the operator: `parley <adapter> <tool>`."""

    tools: ClassVar[Mapping[str, str]]
    """Each tool's name, and one line about it."""

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """Do it, telling the operator by `say`, a line at a time; the exit status. Raises `Unavailable`."""


@runtime_checkable
class Retentive(Adapter, Protocol):
    """An adapter that keeps what was said, for those whom it could not reach yet, or to know it when it is quoted."""

    async def forget(self, place: Place, person: Person) -> None:
        """Keep nothing of it any more that is this person's in this place. Raises `Unavailable`."""
