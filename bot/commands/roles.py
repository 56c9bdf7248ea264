"""Who answers: /role, with the roles that people make, share and delete, and /system."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import groupby

from bot.api import Choices, Notice, Option
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.i18n import listing
from bot.profile import SYSTEM_LIMIT, Profiles
from bot.roles.casting import Casting
from bot.roles.own import (
    NAME_LIMIT,
    OWN_LIMIT,
    PROMPT_LIMIT,
    Made,
    group_of,
    name_of,
    owner_of,
    role_id,
)
from bot.roles.role import Role, plain

PAGE = 18
"""Roles in one list; with the buttons to the other pages they are twenty, which every platform shows."""

_NAMED = 200  # characters in which a role may be named; what is longer is no name
_DEFINED = re.compile(r"(?P<name>[^:：\n]*)[:：\n](?P<prompt>.*)", re.DOTALL)


class RoleCommands:
    """The commands about roles. Only an admin, of the group or of the bot, may delete what others shared."""

    def __init__(self, casting: Casting, profiles: Profiles, dialogue: Dialogue) -> None:
        self._casting = casting
        self._own = casting.own
        self._profiles = profiles
        self._dialogue = dialogue
        self._verbs: dict[str, Callable[[Call], Awaitable[None]]] = {
            word: run
            for run, words in (
                (self._list, ("list", "列表", "清單", "全部")),
                (self._new, ("new", "add", "新建", "新增", "创建", "建立")),
                (self._edit, ("edit", "change", "修改", "编辑", "編輯")),
                (self._delete, ("delete", "remove", "删除", "刪除")),
                (self._share, ("share", "分享", "共享")),
                (self._reset, ("default", "reset", "默认", "預設", "恢复", "恢復")),
            )
            for word in words
        }

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("role", self.role, ("roles", "mode", "角色"), chooses=True),
            Command("system", self.system, ("prompt", "系统", "系統", "提示词", "提示詞"), chooses=True),
        ]

    async def role(self, call: Call) -> None:
        """Show the roles; play the named one from now on, and the dialogue stays; or do what the first word says."""
        delivery, text = call.delivery, call.argument
        if not text:
            await self._show(
                delivery, 1, self._current(delivery, await self._casting.resolve(delivery.profile))
            )
            return
        role = await self._find(delivery, text)
        word, *rest = text.split(maxsplit=1)
        if role is not None:
            await self._use(call, role)
        elif word.casefold() in self._verbs:
            await self._verbs[word.casefold()](replace(call, argument="".join(rest).strip()))
        else:
            await self._unknown(delivery, text)

    # --- choosing --------------------------------------------------------------------------------------------

    async def _find(self, delivery: Delivery, text: str) -> Role | None:
        if len(text) > _NAMED:
            return None
        message = delivery.message
        return await self._casting.find(text, delivery.language, message.place, message.person)

    async def _use(self, call: Call, role: Role) -> None:
        delivery = call.delivery
        if not await call.may_choose("/role"):
            return
        # A prompt of the conversation's own would hide the role that was just asked for.
        await self._profiles.change(delivery.conversation, role=role.id, system="")
        await self._introduce(delivery, role)

    async def _reset(self, call: Call) -> None:
        """The default role again; with a name, an admin chooses it for all new conversations."""
        delivery, text = call.delivery, call.argument
        if text:
            await self._choose_default(call)
            return
        role = await self._casting.default()
        if not await call.may_choose("/role"):
            return
        await self._profiles.change(delivery.conversation, role=_unless_inherited(delivery, role), system="")
        await self._introduce(delivery, role)

    async def _choose_default(self, call: Call) -> None:
        delivery, text = call.delivery, call.argument
        role = self._casting.roles.find(text[:_NAMED], delivery.language)
        back = self._verbs.get(text.casefold()) == self._reset
        if not call.admin:
            await delivery.notice("role.default_admin")
        elif role is None and not back:
            await self._unknown(delivery, text)
        else:
            role = await self._casting.choose_default("" if role is None else role.id)
            await delivery.notice("role.default_set", emoji=role.emoji, name=role.name(delivery.language))

    async def _unknown(self, delivery: Delivery, text: str) -> None:
        near = await self._casting.near(text, delivery.message.place, delivery.message.person)
        said = delivery.say("role.unknown", role=text[:50])
        await delivery.send(Choices(said, tuple(_option(role, delivery.language) for role in near)))

    async def _introduce(self, delivery: Delivery, role: Role) -> None:
        said = delivery.say("role.set", emoji=role.emoji, name=role.name(delivery.language))
        greeting = role.greeting(delivery.language)
        await delivery.send(Notice("role.set", text=f"{said}\n\n{greeting}" if greeting else said))

    # --- showing ---------------------------------------------------------------------------------------------

    def _current(self, delivery: Delivery, role: Role) -> str:
        key = "role.current_prompt" if delivery.profile.system else "role.current"
        lines = [delivery.say(key, emoji=role.emoji, name=role.name(delivery.language))]
        if role.tools:
            tools = listing(delivery.language, (delivery.say(f"tool.{name}") for name in role.tools))
            lines.append(delivery.say("tool.of_role", tools=tools))
        return "\n".join((*lines, delivery.say("role.choose")))

    async def _list(self, call: Call) -> None:
        delivery, text = call.delivery, call.argument
        await self._show(delivery, int(text) if text.isdecimal() and len(text) < 5 else 1)

    async def _show(self, delivery: Delivery, number: int, text: str = "") -> None:
        """One page of all roles as buttons, under `text`, or under what each of them is."""
        roles = await self._casting.choices(delivery.message.place, delivery.message.person)
        pages = [roles[start : start + PAGE] for start in range(0, len(roles), PAGE)]
        number = min(max(number, 1), len(pages))
        page = pages[number - 1]
        options = [_option(role, delivery.language) for role in page]
        if number > 1:
            options.append(Option(delivery.say("role.back"), f"/role list {number - 1}"))
        if number < len(pages):
            options.append(Option(delivery.say("role.more"), f"/role list {number + 1}"))
        head = delivery.say("role.page", number=number, pages=len(pages))
        await delivery.send(Choices(text or f"{head}\n\n{_described(delivery, page)}", tuple(options)))

    # --- roles of one's own ----------------------------------------------------------------------------------

    async def _new(self, call: Call) -> None:
        delivery, text = call.delivery, call.argument
        defined = await self._defined(delivery, text)
        if defined is None:
            return
        name, prompt = defined
        if self._casting.roles.find(name, delivery.language) or plain(name).split()[0] in self._verbs:
            await delivery.notice("role.name_reserved", name=name)
            return
        owner = owner_of(delivery.message.place, delivery.message.person)
        verdict = await self._own.add(owner, name, prompt, author=owner)
        if verdict == "kept":
            await self._offer(delivery, "role.kept", name, owner)
        elif verdict == "taken":
            await delivery.notice("role.taken", name=name)
        else:
            await delivery.notice("role.full", limit=OWN_LIMIT)

    async def _edit(self, call: Call) -> None:
        """In a group, what was shared there is changed with it."""
        delivery, text = call.delivery, call.argument
        defined = await self._defined(delivery, text)
        if defined is None:
            return
        name, prompt = defined
        author, group = self._owners(delivery)
        edited = [
            await self._own.edit(owner, name, prompt, author=author) for owner in (author, group) if owner
        ]
        await delivery.notice("role.edited" if any(edited) else "role.not_yours", name=name)

    async def _share(self, call: Call) -> None:
        delivery, text = call.delivery, call.argument
        author, group = self._owners(delivery)
        if not group:
            await delivery.notice("role.share_where")
            return
        mine = [made for made in await self._named(delivery, text) if not made.shared]
        role = await self._own.get(mine[0].id) if mine else None
        if role is None:
            await delivery.notice("role.not_yours", name=text[:NAME_LIMIT])
            return
        name = mine[0].name
        verdict = await self._own.add(group, name, role.prompt(delivery.language), author=author)
        if verdict == "kept":
            await self._offer(delivery, "role.shared", name, group)
        elif verdict == "taken":
            await delivery.notice("role.taken_group", name=name)
        else:
            await delivery.notice("role.full_group", limit=OWN_LIMIT)

    async def _delete(self, call: Call) -> None:
        """Ask first, with buttons that name the role by its id; then do it."""
        delivery, text = call.delivery, call.argument
        named = await self._named(delivery, text)
        author, _ = self._owners(delivery)
        leads = await call.leads() if any(made.author != author for made in named) else False
        allowed = [made for made in named if leads or made.author == author]
        if leads is None and not allowed:
            await delivery.notice("command.admins_unknown", command="/role delete")
        elif not allowed:
            await delivery.notice("role.not_author" if named else "role.not_yours", name=text[:NAME_LIMIT])
        elif text == allowed[0].id:
            await self._own.delete(text)
            await delivery.notice("role.deleted", name=allowed[0].name)
        else:
            labels = {False: "role.delete_own", True: "role.delete_shared"}
            options = [Option(delivery.say(labels[m.shared]), f"/role delete {m.id}") for m in allowed]
            await delivery.send(Choices(delivery.say("role.delete", name=allowed[0].name), tuple(options)))

    def _owners(self, delivery: Delivery) -> tuple[str, str]:
        """The person, and the group where they are in one."""
        return owner_of(delivery.message.place, delivery.message.person), group_of(delivery.message.place)

    async def _named(self, delivery: Delivery, text: str) -> list[Made]:
        """What people made under this name or id, as far as this person may know of it."""
        wanted = plain(text[:_NAMED])
        known = await self._casting.made(delivery.message.place, delivery.message.person)
        return [made for made in known if wanted and wanted in (made.id, plain(made.name))]

    async def _defined(self, delivery: Delivery, text: str) -> tuple[str, str] | None:
        """`name: prompt`, clean and within bounds; else the person is told what is wrong."""
        defined = _DEFINED.fullmatch(text)
        if defined is None or not defined["name"].strip() or not defined["prompt"].strip():
            await delivery.notice("role.how")
            return None
        try:
            name = name_of(defined["name"])
        except ValueError as error:
            await delivery.notice(f"role.name_{error}", limit=NAME_LIMIT)
            return None
        prompt = defined["prompt"].strip()
        if len(prompt) > PROMPT_LIMIT:
            await delivery.notice("role.prompt_long", limit=PROMPT_LIMIT)
            return None
        return name, prompt

    async def _offer(self, delivery: Delivery, key: str, name: str, owner: str) -> None:
        use = Option(delivery.say("role.use"), f"/role {role_id(owner, name)}")
        await delivery.send(Choices(delivery.say(key, name=name), (use,)))

    # --- the prompt itself -----------------------------------------------------------------------------------

    async def system(self, call: Call) -> None:
        """Show the system prompt as the model gets it, set one for this conversation, or take it back."""
        delivery, text = call.delivery, call.argument
        if not text:
            await self._show_prompt(delivery)
        elif not await call.may_choose("/system"):
            return
        elif text.casefold() in ("reset", "default", "重置", "默认", "預設", "恢复", "恢復"):
            role = await self._casting.resolve(delivery.profile)
            chosen = delivery.profile.role or _unless_inherited(delivery, role)
            await self._profiles.change(delivery.conversation, role=chosen, system="")
            await delivery.notice("system.reset", emoji=role.emoji, name=role.name(delivery.language))
        elif len(text) > SYSTEM_LIMIT:
            await delivery.notice("system.long", limit=SYSTEM_LIMIT)
        else:
            await self._profiles.change(delivery.conversation, role=delivery.profile.role, system=text)
            await delivery.notice("system.set")

    async def _show_prompt(self, delivery: Delivery) -> None:
        role = await self._casting.resolve(delivery.profile)
        prompt = await self._dialogue.prompt(delivery)
        key = "system.own" if delivery.profile.system else "system.role"
        head = delivery.say(key, emoji=role.emoji, name=role.name(delivery.language))
        await delivery.send(
            Notice("system", text=f"{head}\n\n{prompt.strip()}\n\n{delivery.say('system.how')}")
        )


def _unless_inherited(delivery: Delivery, role: Role) -> str:
    # In a thread, what is not chosen is as outside it: the default has to be chosen there by name.
    return "" if delivery.home == delivery.conversation else role.id


def _option(role: Role, language: str) -> Option:
    return Option(f"{role.emoji} {role.name(language)}", f"/role {role.id}")


def _described(delivery: Delivery, roles: Sequence[Role]) -> str:
    parts = []
    for category, members in groupby(roles, key=lambda role: role.category):
        lines = [delivery.say(f"role.category.{category}")]
        for role in members:
            about = role.description(delivery.language)
            name = f"{role.emoji} {role.name(delivery.language)}"
            lines.append(f"{name} – {about}" if about else name)
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
