"""What people attach to a question: fetched, looked at and heard, within bounds of number, size, time and memory."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import structlog

from bot.api import Attachment, Gone, Incoming, Option, Status, Unavailable
from bot.attached import PICTURES, Attached, Findings, Moment, Piece
from bot.delivery import Delivery
from bot.dictation import Dictation
from bot.easel import Easel
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
from bot.media.made import Frame, Picture
from bot.media.room import Room
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

FRAMES = 4
"""Of one film, at the most."""

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
class _Found:
    """What came of one attachment: a piece, or a fault; of a film that was seen and could not be heard, both."""

    piece: Piece | None = None
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the attachments of a question came to, its own first.

    `urls` are its pictures as id → `data:` URL; a fault may be that of a piece. `told`: the person is to be shown
    what was found; `left_out` counts attachments that were too many.
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
        easel: Easel,
        *,
        dictation: Dictation,
        wait: float = FETCH_WAIT,
    ) -> None:
        self._workshop = workshop
        self._meter = meter
        self._router = router
        self._attached = attached
        self._easel = easel
        self._dictation = dictation
        self._wait = wait
        self._room = Room(_AT_ONCE)

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
        ids = [sight.id for piece in known.values() for sight in piece.sights]
        kept = await self._attached.pictures(delivery.window, ids)
        found = {name: p for name, p in known.items() if all(s.aside or s.id in kept for s in p.sights)}
        if not all(_name(attachment) in found for attachment in taken):
            await delivery.send(Status("listening", (Option(delivery.say("offer.stop"), "/stop"),)))
        done = await self._all(delivery, taken, found)
        made = [one.piece for one in done if one.piece]
        faults = [one.fault for one in done if one.fault]
        used = any(one.piece for one in done[: own or None])
        if faults and not used and (own or not question.text.strip()):
            raise faults[0].error
        new = {id: url for one in done for id, url in one.urls.items() if id not in kept}
        if new:  # what was drawn before is not the last picture any more
            await self._easel.clear([delivery.conversation])
        await self._attached.keep(delivery.window, new)
        told = earlier.told if earlier else delivery.message.key
        # What is half a fault is tried again by the next attempt, which then says the same of it.
        if whole := tuple(one.piece for one in done if one.piece and not one.fault):
            await self._attached.note(delivery.window, Findings(question.origin, told, whole))
        return Unpacked(made, kept | new, faults, len(every) - len(taken), told == delivery.message.key)

    async def _all(
        self, delivery: Delivery, attachments: Sequence[Attachment], found: Mapping[str, Piece]
    ) -> list[_Found]:
        images = sum(attachment.kind == "image" for attachment in attachments)
        patches = max(_FEWEST_PATCHES, min(PATCHES, 2 * PATCHES // max(1, images)))
        shown = sum(attachment.kind != "audio" for attachment in attachments)
        frames = max(1, min(FRAMES, PICTURES // max(1, shown)))

        async def one(number: int, attachment: Attachment) -> _Found:
            name = _name(attachment)
            if name in found:
                return _Found(found[name])
            try:
                return await self._one(delivery, attachment, number, patches, frames)
            except (Indigestible, Incapable) as error:
                return _Found(fault=_fault(attachment, error))

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
        self, delivery: Delivery, attachment: Attachment, number: int, patches: int, frames: int
    ) -> _Found:
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
                moving = await self._moving(source, name, data, frames) if kind.form == "gif" else None
                return moving or await self._picture(source, name, data, patches)
            if kind.family == "video" and attachment.kind != "audio":
                return await self._film(delivery, attachment, data, kind, number=number, count=frames)
            if kind.family in ("audio", "video"):
                words = await self._speech(delivery, attachment, data, kind, number)
                return _Found(Piece(source, "speech", words, name))
            document = await self._workshop.document(
                data, name=attachment.name, mime=attachment.mime, characters=CHARACTERS
            )
            return _Found(Piece(source, "document", document.text, name, document.cut))

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

    async def _picture(self, source: str, name: str, data: bytes, patches: int) -> _Found:
        made = await self._workshop.picture(data, patches=patches)
        sight = _sight(made)
        return _Found(Piece(source, "picture", name=name, sight=sight), {sight.id: _url(made)})

    async def _moving(self, source: str, name: str, data: bytes, count: int) -> _Found | None:
        """An animation; None where it does not move."""
        seen, urls = await self._frames(data, count)
        return _Found(Piece(source, "film", name=name, frames=seen), urls) if len(seen) > 1 else None

    async def _film(
        self,
        delivery: Delivery,
        attachment: Attachment,
        data: bytes,
        kind: Kind,
        *,
        number: int,
        count: int,
    ) -> _Found:
        """What is said in a film, and some frames of it. Where one of them is missing, the other has to do."""
        words = ""
        unheard: Indigestible | Incapable | None = None
        try:
            words = await self._speech(delivery, attachment, data, kind, number)
        except (Indigestible, Incapable) as error:
            unheard = error
        looks = not words or self._router.can("vision")
        seen, urls = await self._frames(data, count, aside=bool(words)) if looks else ((), {})
        if unheard is not None and not seen:
            raise unheard
        piece = Piece(
            _name(attachment), "speech" if words else "film", words, cleaned(attachment.name), frames=seen
        )
        # In a film that is meant to be looked at, nobody need say anything.
        if unheard is None or isinstance(unheard, Silent | Unsupported):
            return _Found(piece, urls)
        return _Found(piece, urls, _fault(attachment, unheard))

    async def _frames(
        self, data: bytes, count: int, *, aside: bool = False
    ) -> tuple[tuple[Moment, ...], dict[str, str]]:
        """Frames of a film, and their URLs by their ids; none where it cannot be looked at."""
        try:
            made = await self._workshop.frames(data, count=count)
        except Indigestible as error:
            _log.info("film.unseen", kind=type(error).__name__, detail=str(error))
            return (), {}
        moments = tuple(Moment(frame.at, _sight(frame, aside=aside)) for frame in made)
        urls = {moment.sight.id: _url(frame) for moment, frame in zip(moments, made, strict=True)}
        return moments, urls

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
        if not self._router.can("transcribe"):
            raise NoTranscription("known before it was asked for")
        words = []
        conversation, of = delivery.conversation, delivery.message.key
        for part, piece in enumerate(await self._workshop.pieces(sound, PIECE_SECONDS)):
            purpose = f"hear:{number}:{part}"
            if (heard := await self._dictation.words(conversation, of, purpose)) is not None:
                words.append(heard)
                continue
            work = self._meter.work(
                "transcribe",
                piece.duration,
                delivery.message,
                attempt=delivery.hold.attempt,
                purpose=purpose,
                warn=delivery.later,
            )
            async with work as bill:
                try:
                    transcript = await self._router.transcribe(piece.data, piece.mime, piece.name)
                except asyncio.CancelledError:
                    if delivery.stopping.is_set():  # whoever has been listening wants to be paid
                        bill.done = piece.duration
                    raise
                bill.done, bill.usage = piece.duration, transcript.usage or bill.usage
                words.append(transcript.text.strip())
                await self._dictation.put(conversation, of, purpose, words[-1])
        text = " ".join(filter(None, words))
        if not text:
            raise Silent("a transcript without words")
        return text


def _sources(question: Incoming) -> list[Attachment]:
    """What is attached, each once; what the bot itself said aloud is not listened to."""
    quoted = question.quoted
    theirs: Collection[Attachment] = quoted.attachments if quoted else ()
    if quoted and quoted.ours:
        theirs = [attachment for attachment in theirs if attachment.kind != "audio"]
    return list({_name(a): a for a in (*question.attachments, *theirs)}.values())


def _fault(attachment: Attachment, error: ParleyError) -> Fault:
    _log.info("attachment.refused", kind=type(error).__name__, detail=str(error))
    return Fault(_name(attachment), cleaned(attachment.name), error)


def _sight(made: Picture | Frame, *, aside: bool = False) -> Sight:
    id = blake2b(made.data, digest_size=12).hexdigest()
    return Sight(id, made.width, made.height, image_tokens(made.width, made.height), aside)


def _url(made: Picture | Frame) -> str:
    return f"data:{made.mime};base64,{b64encode(made.data).decode()}"


def _name(attachment: Attachment) -> str:
    return f"{attachment.kind}:{attachment.ref}"
