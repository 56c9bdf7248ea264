"""What a person may choose about speech: what is answered by voice, with which voice and how fast, and what holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from bot.api import Option, Setting
from bot.endpoints.settings import Capability
from bot.i18n import labelled
from bot.profile import Profile
from bot.settings import VOICES

SPEEDS = (0.75, 1.0, 1.25, 1.5, 2.0)
"""Speeds that are offered; any other between the bounds may be written."""

LISTS: Mapping[str, str] = MappingProxyType(
    {"voice": "/voice", "speaker": "/voice voices", "speed": "/voice speed"}
)
"""Each setting's name, and the command that shows its options."""

_ALWAYS = ("text",)
_HEARD = ("text", "transcript")


class Models(Protocol):
    """`routing.Router`, as far as it is asked here."""

    def can(self, capability: Capability) -> bool:
        """Whether somebody does this."""


class Say(Protocol):
    """The bot's words in one language."""

    def __call__(self, key: str, **values: str | int) -> str:
        """The sentence for `key`."""


class Voices:
    """`mode` holds where a conversation chose none (`VOICE`), and so does the first of `names`, the voices."""

    def __init__(self, models: Models, *, mode: str = "auto", names: Sequence[str] = ("alloy",)) -> None:
        self._models = models
        self._mode = mode
        self._names = tuple(dict.fromkeys(names))

    def ways(self) -> tuple[str, ...]:
        """What of `settings.VOICES` the models allow; nothing where they neither speak nor hear."""
        hears = self._models.can("transcribe")
        if self._models.can("speak"):
            return tuple(way for way in VOICES if hears or way != "transcript")
        return _HEARD if hears else ()

    def way(self, profile: Profile) -> str:
        """What is answered by voice: what was chosen, as far as the models allow it."""
        chosen = profile.voice or self._mode
        return chosen if chosen in (*self.ways(), *_ALWAYS) else "text"

    def settings(self, say: Say, profile: Profile) -> tuple[Setting, ...]:
        """The choices; those of which the models leave only one are left out."""
        found = []
        if ways := self.ways():
            options = tuple(Option(say(f"voice.choice_{way}"), f"/voice {way}") for way in ways)
            found.append(Setting("voice", say("overview.voice"), options, f"/voice {self.way(profile)}"))
        if self._models.can("speak"):
            found += [self.speakers(say, profile), self.speeds(say, profile)]
        return tuple(found)

    def speakers(self, say: Say, profile: Profile) -> Setting:
        """With which voice."""
        names = dict.fromkeys((*self._names, *filter(None, [profile.speaker])))
        options = tuple(Option(name, f"/voice {name}") for name in names)
        current = profile.speaker or next(iter(self._names), "")
        return Setting("speaker", say("overview.speaker"), options, f"/voice {current}")

    def speeds(self, say: Say, profile: Profile) -> Setting:
        """How fast."""
        current = profile.speed or 1.0
        speeds = sorted({*SPEEDS, current})
        options = tuple(Option(f"{speed:g} ×", f"/voice {speed:g}") for speed in speeds)
        return Setting("speed", say("overview.speed"), options, f"/voice {current:g}")


def shown(setting: Setting, language: str) -> str:
    """A choice in one line: what it is about, and what holds."""
    current = next((o.label for o in setting.options if o.value == setting.current), "")
    return labelled(language, setting.label, current)
