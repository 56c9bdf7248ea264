"""Which model answers: /model, with what each of them takes in and costs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from bot.api import Choices as Question
from bot.api import Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.profile import Profiles
from bot.routing import Router

PAGE = 18
"""Models in one list; with the buttons to the other pages they are twenty, which every platform shows."""

_LONGEST = 200  # characters of a model's name

Rates = Callable[[str], tuple[str, str] | None]
"""What a million tokens of the prompt and of the answer cost with a model; None where that is nothing."""


def _unpriced(model: str) -> tuple[str, str] | None:
    return None


class Choices:
    """The command that shows the models without an argument and chooses one with it."""

    def __init__(self, profiles: Profiles, router: Router, rates: Rates = _unpriced) -> None:
        self._profiles = profiles
        self._router = router
        self._rates = rates

    def commands(self) -> list[Command]:
        """The family."""
        return [Command("model", self.model, ("models", "模型"), chooses=True)]

    async def model(self, call: Call) -> None:
        """Show the server's models, by page, or use the named one from now on."""
        delivery, name = call.delivery, call.argument
        listed = [model.id for model in await self._router.models()]
        default = await self._router.default_model()
        word, _, number = name.partition(" ")
        if not name or (word.casefold() in ("list", "列表", "清單") and name not in listed):
            await self._show(delivery, listed, default, number)
        elif len(name) > _LONGEST or (listed and name not in {*listed, default}):
            text = delivery.say("model.unknown", model=name[:100])
            near = tuple(Option(n, f"/model {n}") for n in _near(name, listed))
            await delivery.send(Question(text, near))
        elif await call.may_choose("/model"):
            await self._profiles.change(delivery.conversation, model="" if name == default else name)
            await delivery.notice("model.set", model=name)

    async def _show(self, delivery: Delivery, listed: Sequence[str], default: str, number: str) -> None:
        current = delivery.profile.model or default
        if not listed:
            await delivery.notice("model.none_listed", model=current)
            return
        names = list(dict.fromkeys([default, *listed]))
        pages = [names[start : start + PAGE] for start in range(0, len(names), PAGE)]
        page = min(max(int(number) if number.isdecimal() and len(number) < 5 else 1, 1), len(pages))
        options = [Option(self._label(delivery, name, default), f"/model {name}") for name in pages[page - 1]]
        if page > 1:
            options.append(Option(delivery.say("role.back"), f"/model list {page - 1}"))
        if page < len(pages):
            options.append(Option(delivery.say("role.more"), f"/model list {page + 1}"))
        lines = [await self._line(delivery, name) for name in pages[page - 1]]
        head = (delivery.say("model.current", model=current), delivery.say("model.choose"))
        await delivery.send(Question("\n".join((*head, "", *lines)), tuple(options)))

    def _label(self, delivery: Delivery, name: str, default: str) -> str:
        return delivery.say("model.default", model=name) if name == default else name

    async def _line(self, delivery: Delivery, name: str) -> str:
        window = f"{await self._router.context_window(name):,}"
        rates = self._rates(name)
        if rates is None:
            return delivery.say("model.line", model=name, window=window)
        prompt, answer = rates
        return delivery.say("model.line_priced", model=name, window=window, prompt=prompt, answer=answer)


def _near(name: str, listed: Sequence[str]) -> list[str]:
    """Up to eight models that may be meant: those with the name in theirs, then those that are spelt alike."""
    wanted = name[:100].casefold()
    within = [model for model in listed if wanted in model.casefold()]
    return list(dict.fromkeys([*within[:8], *difflib.get_close_matches(name[:100], listed, 5, 0.3)]))[:8]
