"""What a conversation chooses besides its role and model: /set, /settings, /lang."""

from __future__ import annotations

import difflib
import math
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.api import Choices, Notice, Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.i18n import listing
from bot.profile import Profile, Profiles
from bot.roles.casting import Casting
from bot.voices import LISTS, Voices, shown

_BACK = frozenset({"default", "reset", "none", "默认", "預設", "默認"})
_STOPS = 4
_STOP_LENGTH = 100
_ENDONYMS: Mapping[str, str] = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
_CALLED: Mapping[str, str] = {
    "english": "en",
    "英语": "en",
    "英文": "en",
    "英語": "en",
    "中文": "zh-Hans",
    "chinese": "zh-Hans",
    "简体": "zh-Hans",
    "简体中文": "zh-Hans",
    "simplified": "zh-Hans",
    "繁體": "zh-Hant",
    "繁体": "zh-Hant",
    "繁體中文": "zh-Hant",
    "繁体中文": "zh-Hant",
    "traditional": "zh-Hant",
    "auto": "auto",
    "default": "auto",
    "自动": "auto",
    "自動": "auto",
}
_TAG = re.compile(r"(?:en|zh|cmn|yue)(?:[-_][a-z0-9]{1,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that may be chosen: its bounds are those of the chat endpoint, and `profile.Profiles` has the same."""

    name: str
    low: float
    high: float
    whole: bool = False
    aliases: tuple[str, ...] = ()

    def read(self, text: str) -> float | int | None:
        """The number, or None where it is none or out of bounds."""
        plain = unicodedata.normalize("NFKC", text).strip()
        if self.whole and re.fullmatch(r"\d{1,3}(?:,\d{3})+", plain, re.ASCII):
            plain = plain.replace(",", "")  # thousands; elsewhere a comma is what many write for a point
        plain = plain.replace(",", ".")
        if not re.fullmatch(r"[+-]?\d{1,9}(?:\.\d{0,9})?|[+-]?\.\d{1,9}", plain, re.ASCII):
            return None
        value = float(plain)
        if not self.low <= value <= self.high or (self.whole and not value.is_integer()):
            return None
        return int(value) if self.whole else value


PARAMETERS = (
    Parameter("temperature", 0, 2, aliases=("temp", "温度", "溫度")),
    Parameter("top_p", 0, 1, aliases=("topp", "top-p")),
    Parameter("max_tokens", 1, 1_000_000, whole=True, aliases=("max", "length", "长度", "長度")),
    Parameter("presence_penalty", -2, 2, aliases=("presence",)),
    Parameter("frequency_penalty", -2, 2, aliases=("frequency",)),
    Parameter("n", 1, 4, whole=True, aliases=("choices", "answers", "回答数", "回答數")),
)
_NAMES = {name: p for p in PARAMETERS for name in (p.name, *p.aliases)}


class Preferences:
    """The commands that show a choice without an argument and make it with one."""

    def __init__(
        self,
        profiles: Profiles,
        casting: Casting,
        dialogue: Dialogue,
        *,
        language: Callable[[Profile, str], str],
        voices: Voices,
    ) -> None:
        """`language` is that of the bot's own words, by the profile and the tag that the app reports."""
        self._profiles = profiles
        self._casting = casting
        self._dialogue = dialogue
        self._language = language
        self._voices = voices

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("set", self.set, ("参数", "參數"), chooses=True),
            Command("settings", self.settings, ("config", "设置", "設定")),
            Command("lang", self.lang, ("language", "语言", "語言"), chooses=True),
        ]

    # --- sampling --------------------------------------------------------------------------------------------

    async def set(self, call: Call) -> None:
        """Show the parameters, choose one, or take one (or all) back."""
        delivery = call.delivery
        match = re.match(r"([\w-]+)(?:\s*[=:：]\s*|\s+|$)(.*)", call.argument, re.DOTALL)
        name, value = (match[1].lower(), match[2].strip()) if match else (call.argument.lower(), "")
        if not call.argument:
            await delivery.send(Notice("set.shown", text=self._shown(delivery)))
        elif not await call.may_choose("/set"):
            return
        elif name in _BACK and not value:
            names: dict[str, Any] = {p.name: None for p in PARAMETERS}
            await self._profiles.change(delivery.conversation, **names, stop=())
            await delivery.notice("set.all_back")
        elif name == "stop":
            await self._stop(delivery, value)
        elif name in _NAMES:
            await self._number(delivery, _NAMES[name], value)
        else:
            await self._unknown(delivery, name)

    async def _number(self, delivery: Delivery, parameter: Parameter, text: str) -> None:
        number = parameter.read(text)
        if text.lower() in _BACK:
            await self._change(delivery, parameter.name, None, "")
        elif number is None:
            low, high = _plain(parameter.low), _plain(parameter.high)
            key = "set.whole_range" if parameter.whole else "set.range"
            await delivery.notice(key, name=parameter.name, low=low, high=high)
        else:
            await self._change(delivery, parameter.name, number, _plain(number))

    async def _stop(self, delivery: Delivery, text: str) -> None:
        if text.lower() in _BACK:
            await self._change(delivery, "stop", (), "")
            return
        try:
            words = tuple(word.replace("\\n", "\n") for word in shlex.split(text))
        except ValueError:  # a quotation mark that is not closed
            words = ()
        if not 0 < len(words) <= _STOPS or not all(0 < len(word) <= _STOP_LENGTH for word in words):
            await delivery.notice("set.stop_range", count=_STOPS, length=_STOP_LENGTH)
            return
        await self._change(delivery, "stop", words, _quoted(words))

    async def _change(self, delivery: Delivery, name: str, value: Any, shown: str) -> None:
        choice: dict[str, Any] = {name: value}
        await self._profiles.change(delivery.conversation, **choice)
        if shown:
            await delivery.notice("set.done", name=name, value=shown)
        else:
            await delivery.notice("set.back", name=name)

    async def _unknown(self, delivery: Delivery, name: str) -> None:
        near = difflib.get_close_matches(name[:50], [*_NAMES, "stop"], 1, 0.5)
        meant = (
            [_NAMES[near[0]].name if near[0] in _NAMES else "stop"] if near else [p.name for p in PARAMETERS]
        )
        await delivery.notice("set.unknown", name=name[:50], nearest=listing(delivery.language, meant))

    def _shown(self, delivery: Delivery) -> str:
        lines = [delivery.say("set.shown"), ""]
        for p in PARAMETERS:
            value = getattr(delivery.profile, p.name)
            shown = delivery.say("set.unchosen") if value is None else _plain(value)
            about = delivery.say(f"set.about.{p.name}")
            lines.append(f"{p.name}: {shown} ({_plain(p.low)} … {_plain(p.high)}) – {about}")
        stop = _quoted(delivery.profile.stop) or delivery.say("set.unchosen")
        lines += [f"stop: {stop} – {delivery.say('set.about.stop')}", "", delivery.say("set.how")]
        return "\n".join(lines)

    # --- at a glance -----------------------------------------------------------------------------------------

    async def settings(self, call: Call) -> None:
        """All choices, and where to change them."""
        delivery, profile = call.delivery, call.delivery.profile
        role = await self._casting.resolve(profile)
        model = await self._dialogue.model(delivery) or "?"
        language = _ENDONYMS.get(profile.language, "") or delivery.say(
            "lang.auto", name=_ENDONYMS[delivery.language]
        )
        lines = [
            delivery.say("settings.title"),
            "",
            delivery.say("role.current", emoji=role.emoji, name=role.name(delivery.language)),
            delivery.say("model.current", model=model),
            delivery.say("lang.current", name=language),
        ]
        voices = self._voices.settings(delivery.say, profile)
        lines += [shown(setting, delivery.language) for setting in voices]
        chosen = [p.name for p in PARAMETERS if getattr(profile, p.name) is not None]
        lines += [f"{name}: {_plain(getattr(profile, name))}" for name in chosen]
        lines += [f"stop: {_quoted(profile.stop)}"] if profile.stop else []
        if delivery.shared:
            lines.append(delivery.say("settings.shared"))
        names = ("role", "model", "lang", "set", "sessions")
        options = [Option(delivery.say(f"settings.{name}"), f"/{name}") for name in names]
        options += [Option(setting.label, LISTS[setting.name]) for setting in voices]
        await delivery.send(Choices("\n".join(lines), tuple(options)))

    # --- language --------------------------------------------------------------------------------------------

    async def lang(self, call: Call) -> None:
        """Show the languages of the bot's own words, or speak another from now on."""
        delivery = call.delivery
        if not call.argument:
            await self._languages(delivery, delivery.say("lang.choose"))
            return
        chosen = self._find(call.argument)
        if not chosen:
            await self._languages(delivery, delivery.say("lang.unknown", name=call.argument[:40]))
        elif await call.may_choose("/lang"):
            place = delivery.conversation if delivery.shared else delivery.home
            language = "" if chosen == "auto" else chosen
            await self._profiles.change(place, language=language)
            profile = replace(delivery.profile, language=language)
            delivery.language = self._language(profile, delivery.message.person.language)
            await delivery.notice("lang.set", name=_ENDONYMS[delivery.language])

    def _find(self, text: str) -> str:
        wanted = unicodedata.normalize("NFKC", text).strip().casefold()
        if wanted in _CALLED:
            return _CALLED[wanted]
        return self._language(Profile(language=wanted), "") if _TAG.fullmatch(wanted) else ""

    async def _languages(self, delivery: Delivery, text: str) -> None:
        auto = delivery.say("lang.automatic")
        options = [Option(name, f"/lang {tag}") for tag, name in _ENDONYMS.items()]
        await delivery.send(Choices(text, (*options, Option(auto, "/lang auto"))))


def _plain(number: float) -> str:
    return str(int(number)) if math.isfinite(number) and float(number).is_integer() else f"{number:g}"


def _quoted(words: tuple[str, ...]) -> str:
    return " ".join('"' + word.replace("\n", "\\n") + '"' for word in words)
