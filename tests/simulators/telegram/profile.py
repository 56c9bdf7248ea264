"""The methods about the bot itself, its updates and files, and the chats it is in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiogram.types import ChatFullInfo, ChatMemberAdministrator, ChatMemberOwner, User, WebhookInfo

from tests.simulators.telegram.person import CallbackAnswer
from tests.simulators.telegram.schema import bad, checked, forbidden
from tests.simulators.telegram.sending import Files, find_chat, markup
from tests.simulators.telegram.text import formatted

if TYPE_CHECKING:
    from tests.simulators.telegram.person import Person
    from tests.simulators.telegram.simulator import TelegramSimulator
    from tests.simulators.telegram.world import Chat

_DOWNLOAD_LIMIT = 20 * 1024 * 1024


async def get_me(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """getMe."""
    return checked(
        User,
        sim.me()
        | {
            "can_join_groups": True,
            "can_read_all_group_messages": not sim.privacy,
            "supports_inline_queries": sim.inline,
            "can_connect_to_business": False,
            "has_main_web_app": False,
            "has_topics_enabled": False,
        },
    )


async def get_updates(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> list[dict[str, Any]]:
    """getUpdates."""
    return await sim.updates.get(p)


async def set_webhook(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """setWebhook."""
    sim.updates.set_webhook(p)
    return True


async def delete_webhook(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """deleteWebhook."""
    sim.updates.set_webhook({**p, "url": ""})
    return True


async def get_webhook_info(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """getWebhookInfo."""
    return checked(WebhookInfo, sim.updates.info())


async def done(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """close and logOut."""
    return True


async def get_file(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """getFile: up to 20 MB."""
    file = sim.files.get(p["file_id"])
    if file is None:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if file.size > _DOWNLOAD_LIMIT:
        raise bad("file is too big")
    found = {"file_id": file.id, "file_unique_id": file.unique_id, "file_path": file.path}
    return found | {"file_size": file.size}


async def answer_callback_query(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """answerCallbackQuery: once, in time, with at most 200 characters."""
    if len(p.get("text") or "") > 200:
        raise bad("MESSAGE_TOO_LONG")
    press = sim.presses.get(p["callback_query_id"])
    if press is None or press.answered.done() or sim.clock() - press.time > sim.answer_seconds:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    press.answered.set_result(CallbackAnswer(p.get("text") or "", bool(p.get("show_alert")), p.get("url")))
    return True


async def answer_inline_query(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """answerInlineQuery: at most fifty results, each with an id of its own of 1 to 64 bytes."""
    results = p["results"]
    if len(results) > 50:
        raise bad("RESULTS_TOO_MUCH")
    ids = [result["id"] for result in results]
    if any(not 1 <= len(id.encode()) <= 64 for id in ids):
        raise bad("RESULT_ID_INVALID")
    if len(set(ids)) < len(ids):
        raise bad("RESULT_ID_DUPLICATE")
    for result in results:
        markup(result.get("reply_markup"))
        said = result.get("input_message_content")
        if said is not None and "message_text" in said:
            text, entities = formatted(said["message_text"], said.get("entities"), said.get("parse_mode"))
            if not text:
                raise bad("MESSAGE_EMPTY")
            said |= {"message_text": text, "entities": entities}
    query = sim.queries.get(p["inline_query_id"])
    if query is None or query.answered.done() or sim.clock() - query.time > sim.answer_seconds:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    query.answered.set_result(results)
    return True


# --- commands and descriptions ----------------------------------------------------------------------------


async def set_my_commands(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """setMyCommands."""
    if len(p["commands"]) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in p["commands"]:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"].removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    sim.commands[_key(sim, p)] = p["commands"]
    return True


async def get_my_commands(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> list[dict[str, str]]:
    """getMyCommands."""
    return sim.commands.get(_key(sim, p), [])


async def delete_my_commands(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """deleteMyCommands."""
    sim.commands.pop(_key(sim, p), None)
    return True


async def set_my_description(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """setMyDescription: at most 512 characters."""
    return _describe(sim, "description", p.get("description") or "", 512, p)


async def set_my_short_description(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """setMyShortDescription: at most 120 characters."""
    return _describe(sim, "short_description", p.get("short_description") or "", 120, p)


async def get_my_description(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, str]:
    """getMyDescription."""
    return {"description": sim.descriptions.get(("description", _language(p)), "")}


async def get_my_short_description(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, str]:
    """getMyShortDescription."""
    return {"short_description": sim.descriptions.get(("short_description", _language(p)), "")}


def _describe(sim: TelegramSimulator, what: str, text: str, limit: int, p: dict[str, Any]) -> bool:
    if len(text) > limit:
        raise bad("DESCRIPTION_TOO_LONG" if limit == 512 else "ABOUT_TOO_LONG")
    sim.descriptions[what, _language(p)] = text
    return True


def _language(p: dict[str, Any]) -> str:
    code: str = p.get("language_code") or ""
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad("invalid language code specified")
    return code


def _key(sim: TelegramSimulator, p: dict[str, Any]) -> tuple[str, str]:
    scope = p.get("scope") or {"type": "default"}
    name = scope["type"]
    if "chat_id" in scope:
        name += f":{find_chat(sim, scope['chat_id']).id}"
    if "user_id" in scope:
        name += f":{scope['user_id']}"
    return name, _language(p)


# --- chats ------------------------------------------------------------------------------------------------


async def get_chat(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """getChat."""
    chat = find_chat(sim, p["chat_id"])
    gifts = dict.fromkeys(
        ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"),
        False,
    )
    return checked(
        ChatFullInfo,
        chat.json() | {"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": gifts},
    )


async def get_chat_member(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """getChatMember."""
    chat = find_chat(sim, p["chat_id"])
    if p["user_id"] == sim.id:
        return sim.membership(chat.status)
    person = sim.people.get(p["user_id"])
    if person is None:
        raise bad("invalid user_id specified")
    if person.id not in chat.members:
        return {"user": person.json(), "status": "left"}
    if person.id in chat.admins:
        return _admin(sim, chat, person)
    return {"user": person.json(), "status": "member"}


async def get_chat_administrators(
    sim: TelegramSimulator, p: dict[str, Any], files: Files
) -> list[dict[str, Any]]:
    """getChatAdministrators: the people; bots other than this one are left out by the real server, too."""
    chat = find_chat(sim, p["chat_id"])
    if chat.status in {"kicked", "left"}:
        kind = "supergroup" if chat.kind == "supergroup" else "group"
        raise forbidden(f"bot is not a member of the {kind} chat")
    if chat.private:
        raise bad("there are no administrators in the private chat")
    listed = [_admin(sim, chat, chat.members[id]) for id in sorted(chat.admins)]
    if chat.status == "administrator":
        listed.append(checked(ChatMemberAdministrator, sim.membership("administrator")))
    return listed


def _admin(sim: TelegramSimulator, chat: Chat, person: Person) -> dict[str, Any]:
    """The ChatMember of an administrator; who made the group owns it."""
    if person.id == next(iter(chat.members)):
        return checked(ChatMemberOwner, {"user": person.json(), "status": "creator", "is_anonymous": False})
    return checked(ChatMemberAdministrator, sim.membership("administrator") | {"user": person.json()})
