"""What people attach to a question: fetched, looked at and heard, within bounds of number, size, time and memory."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b

import structlog

from bot.api import Attachment, Gone, Incoming, Option, Status, Unavailable
from bot.attached import PICTURES, Attached, Findings, Piece
from bot.delivery import Delivery
from bot.endpoints.request import image_tokens
from bot.errors import (
    Incapable,
    Indigestible,
    NoTranscription,
    ParleyError,
    Silent,
    TooLarge,
    Unreadable,
    Unsupported,
)
from bot.media.kinds import Kind, sniff
from bot.media.workshop import PATCHES, Workshop
from bot.meter import Meter
from bot.routing import Router
from bot.speakers import cleaned
from bot.window import Sight

LIMIT = 20 * 1024 * 1024
"""Bytes of one attachment."""

FETCH_WAIT = 30.0
"""Seconds that the platform has for one attachment."""

LONGEST = 20 * 60.0
"""Seconds of a recording."""

PIECE_SECONDS = 600.0
"""Seconds of speech that are written down by one request."""

CHARACTERS = 60_000
"""Of one document."""

_AT_ONCE = 2 * LIMIT  # bytes of attachments that one process has in hand
_FEWEST_PATCHES = 512  # of a picture among many: still some 700 pixels across
_MEGABYTE = 1024 * 1024
_log = structlog.get_logger(__name__)


class NotReceived(Indigestible):
    """The platform does not give out what was attached."""

    user_key = "hear.not_received"


@dataclass(frozen=True, slots=True)
class Fault:
    """An attachment of which nothing came."""

    source: str
    name: str
    error: ParleyError


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the attachments of a question came to, its own first.

    `urls` are its pictures as id → `data:` URL; `told`: the person is to be shown what was found; `left_out` counts
    attachments that were too many.
    """

    pieces: Sequence[Piece] = ()
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    faults: Sequence[Fault] = ()
    left_out: int = 0
    told: bool = True


class Unpacking:
    """Makes pictures and words of attachments. One for a process: it bounds what all questions have in hand."""

    def __init__(
        self,
        workshop: Workshop,
        meter: Meter,
        router: Router,
        attached: Attached,
        *,
        wait: float = FETCH_WAIT,
    ) -> None:
        self._workshop = workshop
        self._meter = meter
        self._router = router
        self._attached = attached
        self._wait = wait
        self._room = _Room(_AT_ONCE)

    async def unpack(self, delivery: Delivery, question: Incoming) -> Unpacked:
        """Everything that was attached to the question and to the message that it answers.

        What was found before (by an earlier attempt, or before it was asked again) is not looked for again. Raises
        the first fault where nothing of the question's own attachments can be used, and what `Meter.work` and
        `Router.transcribe` raise.
        """
        own, every = len(question.attachments), _sources(question)
        taken = every[:PICTURES]
        if not taken:
            return Unpacked()
        earlier = await self._attached.recall(delivery.window, question.origin)
        known = {piece.source: piece for piece in earlier.pieces} if earlier else {}
        ids = [piece.sight.id for piece in known.values() if piece.sight]
        kept = await self._attached.pictures(delivery.window, ids)
        found = {name: p for name, p in known.items() if p.sight is None or p.sight.id in kept}
        if not all(_name(attachment) in found for attachment in taken):
            await delivery.send(Status("listening", (Option(delivery.say("offer.stop"), "/stop"),)))
        done = await self._all(delivery, taken, found)
        made = [piece for piece, _ in done if isinstance(piece, Piece)]
        faults = [piece for piece, _ in done if isinstance(piece, Fault)]
        used = any(isinstance(piece, Piece) for piece, _ in done[: own or None])
        if faults and not used and (own or not question.text.strip()):
            raise faults[0].error
        urls = kept | {
            piece.sight.id: url for piece, url in done if isinstance(piece, Piece) and piece.sight and url
        }
        await self._attached.keep(delivery.window, {id: url for id, url in urls.items() if id not in kept})
        told = earlier.told if earlier else delivery.message.key
        if made:
            await self._attached.note(delivery.window, Findings(question.origin, told, tuple(made)))
        return Unpacked(made, urls, faults, len(every) - len(taken), told == delivery.message.key)

    async def _all(
        self, delivery: Delivery, attachments: Sequence[Attachment], found: Mapping[str, Piece]
    ) -> list[tuple[Piece | Fault, str]]:
        images = sum(attachment.kind == "image" for attachment in attachments)
        patches = max(_FEWEST_PATCHES, min(PATCHES, 2 * PATCHES // max(1, images)))

        async def one(number: int, attachment: Attachment) -> tuple[Piece | Fault, str]:
            name = _name(attachment)
            if name in found:
                return found[name], ""
            try:
                return await self._one(delivery, attachment, number, patches)
            except (Indigestible, Incapable) as error:
                _log.info("attachment.refused", kind=type(error).__name__, detail=str(error))
                return Fault(name, cleaned(attachment.name), error), ""

        tasks = [
            asyncio.create_task(one(number, attachment)) for number, attachment in enumerate(attachments)
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(
        self, delivery: Delivery, attachment: Attachment, number: int, patches: int
    ) -> tuple[Piece, str]:
        if attachment.kind == "audio" and not self._router.can("transcribe"):
            raise NoTranscription("known before it was fetched")
        if attachment.size > LIMIT:
            raise TooLarge(f"{attachment.size} bytes", limit=LIMIT // _MEGABYTE)
        async with self._room.taken(attachment.size or LIMIT) as shrink:
            data = await self._fetched(delivery, attachment)
            shrink(len(data))
            kind = sniff(data, name=attachment.name, mime=attachment.mime)
            source, name = _name(attachment), cleaned(attachment.name)
            if kind.family == "image":
                return await self._picture(source, name, data, patches)
            if kind.family in ("audio", "video"):
                words = await self._speech(delivery, attachment, data, kind, number)
                return Piece(source, "speech", words, name), ""
            document = await self._workshop.document(
                data, name=attachment.name, mime=attachment.mime, characters=CHARACTERS
            )
            return Piece(source, "document", document.text, name, document.cut), ""

    async def _fetched(self, delivery: Delivery, attachment: Attachment) -> bytes:
        try:
            async with asyncio.timeout(self._wait):
                data = await delivery.fetch(attachment)
        except (Gone, Unavailable, TimeoutError) as error:
            raise NotReceived(f"{type(error).__name__}: {error}") from error
        if len(data) > LIMIT:
            raise TooLarge(f"{len(data)} bytes", limit=LIMIT // _MEGABYTE)
        if not data:
            raise Unreadable("no bytes", kind=attachment.kind)
        return data

    async def _picture(self, source: str, name: str, data: bytes, patches: int) -> tuple[Piece, str]:
        made = await self._workshop.picture(data, patches=patches)
        id = blake2b(made.data, digest_size=12).hexdigest()
        tokens = image_tokens(made.width, made.height)
        url = f"data:{made.mime};base64,{b64encode(made.data).decode()}"
        return Piece(source, "picture", name=name, sight=Sight(id, made.width, made.height, tokens)), url

    async def _speech(
        self, delivery: Delivery, attachment: Attachment, data: bytes, kind: Kind, number: int
    ) -> str:
        """The transcript, for which the person pays by the minute."""
        try:
            sound = await self._workshop.sound(
                data, name=attachment.name, mime=attachment.mime, limit_seconds=LONGEST
            )
        except Silent as error:  # a film without a sound track: nobody was meant to be heard
            raise Unsupported(str(error), kind=kind.label) from None
        if sound.silent:
            raise Silent("nothing above the noise")
        words = []
        for part, piece in enumerate(await self._workshop.pieces(sound, PIECE_SECONDS)):
            work = self._meter.work(
                "transcribe",
                piece.duration,
                delivery.message,
                attempt=delivery.hold.attempt,
                purpose=f"hear:{number}:{part}",
                warn=delivery.send,
            )
            async with work as bill:
                transcript = await self._router.transcribe(piece.data, piece.mime, piece.name)
                bill.done, bill.usage = piece.duration, transcript.usage or bill.usage
            words.append(transcript.text.strip())
        text = " ".join(filter(None, words))
        if not text:
            raise Silent("a transcript without words")
        return text


class _Room:
    """So many bytes at once; whoever finds no room waits. One that is larger than all of it comes alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[Callable[[int], None]]:
        """Around what takes so many bytes at the most; what it gives is told how many they are in truth."""
        taken = min(size, self._size)
        while self._used + taken > self._size:
            self._freed.clear()
            await self._freed.wait()
        self._used += taken

        def become(size: int) -> None:
            nonlocal taken
            taken, self._used = size, self._used - taken + size
            self._freed.set()

        try:
            yield become
        finally:
            become(0)


def _sources(question: Incoming) -> list[Attachment]:
    """What is attached, each once; what the bot itself said aloud is not listened to."""
    quoted = question.quoted
    theirs: Collection[Attachment] = quoted.attachments if quoted else ()
    if quoted and quoted.ours:
        theirs = [attachment for attachment in theirs if attachment.kind != "audio"]
    return list({_name(a): a for a in (*question.attachments, *theirs)}.values())


def _name(attachment: Attachment) -> str:
    return f"{attachment.kind}:{attachment.ref}"
