"""The methods of the Bot API that the simulator has, by their names in small letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.telegram import editing, profile, sending
from tests.simulators.telegram.wire import Upload

if TYPE_CHECKING:
    from tests.simulators.telegram.simulator import TelegramSimulator

Handler = Callable[["TelegramSimulator", dict[str, Any], Mapping[str, Upload]], Awaitable[Any]]

HANDLERS: Mapping[str, Handler] = {
    "getme": profile.get_me,
    "getupdates": profile.get_updates,
    "setwebhook": profile.set_webhook,
    "deletewebhook": profile.delete_webhook,
    "getwebhookinfo": profile.get_webhook_info,
    "close": profile.done,
    "logout": profile.done,
    "getfile": profile.get_file,
    "answercallbackquery": profile.answer_callback_query,
    "answerinlinequery": profile.answer_inline_query,
    "setmycommands": profile.set_my_commands,
    "getmycommands": profile.get_my_commands,
    "deletemycommands": profile.delete_my_commands,
    "setmydescription": profile.set_my_description,
    "getmydescription": profile.get_my_description,
    "setmyshortdescription": profile.set_my_short_description,
    "getmyshortdescription": profile.get_my_short_description,
    "getchat": profile.get_chat,
    "getchatmember": profile.get_chat_member,
    "getchatadministrators": profile.get_chat_administrators,
    "sendmessage": sending.send_message,
    "sendmessagedraft": sending.send_message_draft,
    "sendrichmessage": sending.send_rich_message,
    "sendrichmessagedraft": sending.send_rich_message_draft,
    "sendchataction": sending.send_chat_action,
    "sendphoto": sending.send_photo,
    "sendvoice": sending.send_voice,
    "sendaudio": sending.send_audio,
    "senddocument": sending.send_document,
    "sendvideo": sending.send_video,
    "sendmediagroup": sending.send_media_group,
    "editmessagetext": editing.edit_message_text,
    "editmessagecaption": editing.edit_message_caption,
    "editmessagemedia": editing.edit_message_media,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "deletemessage": editing.delete_message,
    "deletemessages": editing.delete_messages,
    "setmessagereaction": editing.set_message_reaction,
}
