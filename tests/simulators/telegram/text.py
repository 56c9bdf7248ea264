"""Text as Telegram holds it: entities in UTF-16 units, limits, what a client marks by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.simulators.telegram.markup import Entity, parsed, units
from tests.simulators.telegram.schema import bad

TEXT_LIMIT = 4096  # code points after parsing (tdlib, MessageContent.cpp)
CAPTION_LIMIT = 1024
_ENTITIES = 100

_KINDS = frozenset(
    [
        "mention",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "blockquote",
        "expandable_blockquote",
        "code",
        "pre",
        "text_link",
        "text_mention",
        "custom_emoji",
        "date_time",
    ]
)


def formatted(
    text: str,
    entities: Sequence[Entity] | None,
    mode: str | None,
    *,
    limit: int = TEXT_LIMIT,
    too_long: str = "message is too long",
) -> tuple[str, list[Entity]]:
    """The text and entities that will be shown. Raises `Refused` as the Bot API does.

    White space around the text is cut off, as the server does it, and entities without length are dropped.
    """
    if mode and entities:
        raise bad("can't use both parse_mode and entities")  # the real one prefers parse_mode without a word
    if mode:
        text, found = parsed(text, mode)
    else:
        found = [dict(entity) for entity in entities or ()]
    _within(text, found)
    text, found = _trimmed(text, found)
    if len(text) > limit:
        raise bad(too_long)
    kept = [entity for entity in found if entity["length"] > 0 and _meant(entity)]
    kept.sort(key=lambda entity: (entity["offset"], -entity["length"], entity["type"]))
    return text, kept[:_ENTITIES]


def detected(text: str, *, commands: bool = True) -> list[Entity]:
    """What a client marks by itself in a person's text: commands, mentions, links, hashtags."""
    rules = [
        ("url", r"https?://[^\s<>\"]+"),
        ("mention", r"(?<![\w@/])@[A-Za-z]\w{3,31}"),
        ("hashtag", r"(?<![\w#&])#\w*[^\W\d]\w*"),
    ]
    if commands:
        rules.insert(0, ("bot_command", r"(?<![\w/@.])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z]\w{3,31})?(?![\w/])"))
    taken: list[tuple[int, int]] = []
    found: list[Entity] = []
    for kind, rule in rules:
        for match in re.finditer(rule, text, re.ASCII if kind == "bot_command" else 0):
            if all(match.end() <= start or match.start() >= end for start, end in taken):
                taken.append(match.span())
                offset = units(text[: match.start()])
                found.append({"type": kind, "offset": offset, "length": units(match.group())})
    return sorted(found, key=lambda entity: entity["offset"])


def cut(text: str, entity: Entity) -> str:
    """The part of a text that an entity covers."""
    raw = text.encode("utf-16-le")
    return raw[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2].decode("utf-16-le")


def _within(text: str, entities: Sequence[Entity]) -> None:
    boundaries, position = {0}, 0
    for character in text:
        position += 2 if ord(character) > 0xFFFF else 1
        boundaries.add(position)
    for entity in entities:
        offset, length = entity["offset"], entity["length"]
        if entity["type"] not in _KINDS:
            raise bad(f"can't parse entities: unsupported entity type {entity['type']!r}")
        if offset < 0 or length < 0:
            raise bad(f"entity has negative {'offset' if offset < 0 else 'length'}")
        if offset > position:
            raise bad(f"entity begins after the end of the text at UTF-16 offset {offset}")
        if offset + length > position:
            raise bad(f"entity ends after the end of the text at UTF-16 offset {offset + length}")
        for edge, verb in ((offset, "begins"), (offset + length, "ends")):
            if edge not in boundaries:
                raise bad(f"entity {verb} in a middle of a UTF-16 symbol at UTF-16 offset {edge}")
        if entity["type"] == "text_link" and "url" not in entity:
            raise bad("can't parse entities: text_link without url")


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    start = units(text) - units(text.lstrip())
    text = text.strip()
    end = units(text)
    for entity in entities:
        first = max(0, entity["offset"] - start)
        last = min(end, entity["offset"] + entity["length"] - start)
        entity["offset"], entity["length"] = first, max(0, last - first)
    return text, entities


def _meant(entity: Entity) -> bool:
    # A link that Telegram cannot follow is dropped without a word (tdlib, LinkManager::get_checked_link).
    return entity["type"] != "text_link" or bool(
        re.match(r"(https?://)?[^\s/.:]+\.[^\s]+$|https?://\S+$|(tg|ton|mailto|tel):\S+$", entity["url"])
    )
