"""What a conversation chooses: /role and /model."""

from __future__ import annotations

import difflib

from bot.api import Choices as Question
from bot.api import Notice, Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.profile import Profiles
from bot.roles import Roles
from bot.routing import Router

_SHOWN = 20


class Choices:
    """The commands that show a choice without an argument and make it with one."""

    def __init__(self, profiles: Profiles, roles: Roles, router: Router, default_role: str) -> None:
        self._profiles = profiles
        self._roles = roles
        self._router = router
        self._default_role = default_role

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("role", self.role, ("roles", "mode", "角色")),
            Command("model", self.model, ("models", "模型")),
        ]

    async def role(self, call: Call) -> None:
        """Show the roles, or play the named one from now on; the dialogue stays."""
        delivery = call.delivery
        if not call.argument:
            await self._show_roles(delivery)
            return
        role = self._roles.find(call.argument, delivery.language)
        if role is None:
            near = self._roles.near(call.argument)
            name = call.argument[:50]
            await delivery.notice(
                "role.unknown", role=name, nearest=", ".join(f"/role {n}" for n in near[:3])
            )
            return
        await self._profiles.change(delivery.conversation, role=role.id)
        said = delivery.say("role.set", emoji=role.emoji, name=role.name(delivery.language))
        greeting = role.greeting(delivery.language)
        await delivery.send(Notice("role.set", text=f"{said}\n\n{greeting}" if greeting else said))

    async def model(self, call: Call) -> None:
        """Show the server's models, or use the named one from now on."""
        delivery = call.delivery
        listed = [model.id for model in await self._router.models()]
        default = await self._router.default_model()
        if not call.argument:
            await self._show_models(delivery, listed, default)
            return
        name = call.argument
        if name not in {*listed, default} and listed:
            near = difflib.get_close_matches(name, listed, 5, 0.3)
            text = delivery.say("model.unknown", model=name[:100])
            await delivery.send(Question(text, tuple(Option(n, f"/model {n}") for n in near)))
            return
        await self._profiles.change(delivery.conversation, model="" if name == default else name[:200])
        await delivery.notice("model.set", model=name[:200])

    async def _show_roles(self, delivery: Delivery) -> None:
        current = self._roles.get(delivery.profile.role or self._default_role)
        name = current.name(delivery.language) if current else self._default_role
        text = delivery.say("role.current", emoji=current.emoji if current else "", name=name)
        options = (
            Option(f"{role.emoji} {role.name(delivery.language)}", f"/role {role.id}")
            for role in self._roles.all()
        )
        await delivery.send(Question(f"{text}\n{delivery.say('role.choose')}", tuple(options)))

    async def _show_models(self, delivery: Delivery, listed: list[str], default: str) -> None:
        text = delivery.say("model.current", model=delivery.profile.model or default)
        if not listed:
            await delivery.notice("model.none_listed", model=delivery.profile.model or default)
            return
        options = [Option(delivery.say("model.default", model=default), f"/model {default}")]
        options += [Option(n, f"/model {n}") for n in listed if n != default]
        await delivery.send(Question(f"{text}\n{delivery.say('model.choose')}", tuple(options[:_SHOWN])))
