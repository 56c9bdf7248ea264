"""What a question is made of: the person's words, what came with them, and what others had said before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import structlog

from bot.api import Gone, Incoming, Unavailable
from bot.attached import PICTURES, Piece
from bot.delivery import Delivery
from bot.errors import MessageTooLong, NothingToAnswer
from bot.overheard import Overheard
from bot.speakers import background, platforms
from bot.unpacking import Fault, Unpacked, Unpacking
from bot.window import Past, Sight

MESSAGE_LIMIT = 32_000
"""Characters of one message; well within every model's window, and a bound on what one person makes us keep."""

SHOWN = 1500
"""Characters of a transcript that are shown to the person."""

EARLIER_WAIT = 5.0
"""Seconds that a platform has to tell what was said before."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """A question as the model gets it.

    `urls` are its pictures as id → `data:` URL; `notices` is what the person is told of it beforehand.
    """

    text: str
    pictures: tuple[Sight, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    notices: tuple[str, ...] = ()


class Hearing:
    """Takes in the question, and listens beside it, where there is something to hear.

    Without `unpacking`, attachments are only named to the model.
    """

    def __init__(self, overheard: Overheard | None, unpacking: Unpacking | None = None) -> None:
        self._overheard = overheard
        self._unpacking = unpacking

    def check(self, question: Incoming) -> None:
        """Raises `MessageTooLong`, and `NothingToAnswer` where there are neither words nor attachments."""
        if len(question.text) > MESSAGE_LIMIT:
            raise MessageTooLong(question.key, limit=MESSAGE_LIMIT)
        quoted = question.quoted.attachments if question.quoted else ()
        attached = self._unpacking is not None and (question.attachments or quoted)
        if not question.text.strip() and not attached:
            raise NothingToAnswer(question.key)

    async def question(
        self, delivery: Delivery, question: Incoming, room: int, count: Callable[[str], int]
    ) -> Heard:
        """The question with all that came with it; its documents get at most `room` tokens, by `count`.

        Raises `NothingToAnswer`, and the errors of `Unpacking.unpack`.
        """
        if self._unpacking is None:
            return Heard(heard(question))
        found = await self._unpacking.unpack(delivery, question)
        if not question.text.strip() and not found.pieces:
            raise NothingToAnswer(question.key)
        pieces, cut = await _fitting(found.pieces, room, count)
        text = _worded(delivery, question, pieces, _unseen(found))
        pictures = tuple(sight for piece in pieces for sight in piece.sights)
        notices = [*_written_down(delivery, question), *_notices(delivery, found, cut)]
        return Heard(text, pictures, found.urls, tuple(notices))

    async def before(self, delivery: Delivery, question: Incoming, past: Past) -> str:
        """What was said in a thread before the bot was called into it, asked for while its window is empty.

        Where the first question is asked again, it keeps what was found then.
        """
        for exchange in past.exchanges:
            if exchange.id == question.origin:
                return next((turn.content for turn in exchange.turns if turn.context), "")
        place = question.place
        fresh = not past.exchanges and not past.cleared and not delivery.profile.session
        if not fresh or not (place.thread or place.discussion):
            return ""
        try:
            async with asyncio.timeout(EARLIER_WAIT):
                said = await delivery.earlier()
        except (Unavailable, Gone, TimeoutError) as error:
            _log.warning("earlier.unknown", kind=type(error).__name__, detail=str(error))
            return ""
        return background(platforms(said))

    async def aside(self, question: Incoming, past: Past) -> str:
        """What was said in a group since the last answer, and not to us; it goes along once and is not remembered."""
        if self._overheard is None:
            return ""
        answered = past.exchanges[-1].at if past.exchanges else 0.0
        return background(await self._overheard.since(question, answered))


def heard(message: Incoming) -> str:
    """What the person says, as one text: the quoted message first, if there is one, and last what is not shown."""
    return _joined(_quotation(message), message.text, _hidden([a.kind for a in message.attachments]))


def _worded(delivery: Delivery, question: Incoming, pieces: Sequence[Piece], hidden: str) -> str:
    """The question as one text: quotation, documents, words, what was said aloud, and what is not shown."""
    documents = [_document(piece) for piece in pieces if piece.what == "document"]
    speech = "\n\n".join(piece.text[:MESSAGE_LIMIT] for piece in pieces if piece.what == "speech")
    words = question.text if question.text.strip() else ""
    if words and speech:
        speech = f"[A recording that goes with it; what is said in it:]\n{speech}"
    elif not words and not speech:
        words = delivery.say("hear.read" if documents else _looking(pieces))
    return _joined(_quotation(question), *documents, words, speech, *_reels(pieces), hidden)


def _looking(pieces: Sequence[Piece]) -> str:
    return "hear.watch" if all(piece.what == "film" for piece in pieces) else "hear.look"


def _reels(pieces: Sequence[Piece]) -> Iterator[str]:
    """Which of the question's pictures are frames of a film, and of when."""
    number = 0
    for piece in pieces:
        first, number = number + 1, number + len(piece.sights)
        if not piece.frames:
            continue
        shown = (
            f"Pictures {first} to {number} are frames" if number > first else f"Picture {first} is a frame"
        )
        what = (
            "the film in which that is said" if piece.what == "speech" else "a film in which nobody is heard"
        )
        times = ", ".join(f"{frame.at // 60:.0f}:{frame.at % 60:02.0f}" for frame in piece.frames)
        yield f"[{shown} of {what}{f' ({piece.name})' if piece.name else ''}, at {times}]"


def _quotation(message: Incoming) -> str:
    if message.quoted is None or not message.quoted.text:
        return ""
    return "> " + message.quoted.text[:MESSAGE_LIMIT].replace("\n", "\n> ")


def _document(piece: Piece) -> str:
    """A document between lines that it cannot forge, because they hold a mark of all that it says."""
    mark = blake2b(piece.text.encode("utf-8", "replace"), digest_size=4).hexdigest()
    kind = "The beginning of a file" if piece.cut else "A file"
    return f"[{kind}: {piece.name or 'unnamed'} #{mark}]\n{piece.text}\n[End of the file #{mark}]"


def _hidden(kinds: Sequence[str]) -> str:
    return f"[Attached, but not shown to you: {', '.join(kinds)}]" if kinds else ""


def _unseen(found: Unpacked) -> str:
    used = {piece.source for piece in found.pieces}
    kinds = [fault.source.partition(":")[0] for fault in found.faults if fault.source not in used]
    return _hidden([*kinds, *([f"{found.left_out} more"] if found.left_out else [])])


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


async def _fitting(
    pieces: Sequence[Piece], room: int, count: Callable[[str], int]
) -> tuple[list[Piece], list[Piece]]:
    """The pieces with documents of at most `room` tokens, in order; and of those, the ones that are cut."""
    fitted, cut = list(pieces), []
    for number, piece in enumerate(pieces):
        if piece.what != "document":
            continue
        await asyncio.sleep(0)  # a long count holds up everything else
        tokens = count(piece.text) if room else 1
        if tokens > room:
            text = piece.text[: len(piece.text) * room // tokens * 9 // 10]
            fitted[number] = replace(piece, text=text, cut=True)
        room -= min(tokens, room)
        if fitted[number].cut:
            cut.append(fitted[number])
    return fitted, cut


def _written_down(delivery: Delivery, question: Incoming) -> list[str]:
    """What the platform has heard in a voice message; the person is told once."""
    first = question.key == delivery.message.key
    return [_transcript(delivery, question.text)] if question.spoken and first else []


def _transcript(delivery: Delivery, text: str) -> str:
    return delivery.say("hear.transcript", text=text[:SHOWN] + ("…" if len(text) > SHOWN else ""))


def _notices(delivery: Delivery, found: Unpacked, cut: Sequence[Piece]) -> list[str]:
    """What the person is told before the answer: a transcript once, what is not as they think it is each time."""
    speech = [piece for piece in found.pieces if piece.what == "speech"] if found.told else []
    said = [_transcript(delivery, piece.text) for piece in speech]
    if found.told:
        said += [delivery.say("hear.cut", name=piece.name or "?") for piece in cut]
    if found.left_out:
        said.append(delivery.say("hear.too_many", limit=PICTURES, count=found.left_out))
    return said + list(dict.fromkeys(_faulty(delivery, fault) for fault in found.faults))


def _faulty(delivery: Delivery, fault: Fault) -> str:
    sentence = delivery.say(fault.error.user_key, **fault.error.values)
    return f"{fault.name}: {sentence}" if fault.name else sentence
