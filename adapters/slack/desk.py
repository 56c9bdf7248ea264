"""Everything a person does in Slack outside of messages: slash command, shortcuts, Home tab, forms, agent view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from adapters.slack import agent, modals
from adapters.slack.asking import RESPONSE_TTL, Asking, Question
from adapters.slack.client import Client, Clients, Refused
from adapters.slack.home import PREFIX, Home, Note, chosen, given
from adapters.slack.inlet import Inlet
from adapters.slack.modals import Faults, View
from adapters.slack.parse import account, place
from adapters.slack.people import People
from adapters.slack.shortcuts import Shortcuts
from adapters.slack.spelling import Spelling
from adapters.slack.threads import Threads
from adapters.slack.words import say
from bot.api import Gone, Host, Incoming, MenuEntry, Person, Place, Unavailable

LEAVE = "leave"
"""The id of the button that sends the bot out of a thread."""

_MONTH = 30 * 86400.0
_SLASHES = "/／"  # that of Chinese keyboards, too
_SIGNS = f"{_SLASHES}!！"  # what may stand before a command
_log = structlog.get_logger(__name__)


class Desk:
    """What the Bolt app calls before it acknowledges; what these return is the acknowledgement's body.

    Where nothing can be accepted, `Unavailable` is raised: without an acknowledgement Slack says so itself, and
    leaves a form open.
    """

    def __init__(self, clients: Clients, people: People, inlet: Inlet, host: Host, threads: Threads) -> None:
        self._clients = clients
        self._people = people
        self._inlet = inlet
        self._store = host.store
        self._threads = threads
        self._asking = Asking(clients, inlet, host)
        self._shortcuts = Shortcuts(self._asking, people, host.store)
        self.spelling = Spelling()
        self.tab = Home(clients, people, host)

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """The bot's commands, from `Adapter.menu`: behind `/parley` they need no slash of their own."""
        self.spelling.know(commands)

    # --- the slash command -----------------------------------------------------------------------------------

    async def slash(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """`/parley …`: a command, whose answer only the person sees, or a question. Raises nothing.

        The acknowledgement's body is a line that only the person sees; None for an empty one
        (https://docs.slack.dev/interactivity/implementing-slash-commands).
        """
        language = ""
        try:
            client = await self._clients.of(account(payload))
            person = await self._people.of(client, str(payload["user_id"]))
            language = person.language
            line = await self._slashed(client, person, payload)
        except (Unavailable, Gone, Refused) as error:
            _log.info("slack.slash_failed", error=str(error))
            line = say(language, "later")
        return {"response_type": "ephemeral", "text": line} if line else None

    async def _slashed(self, client: Client, person: Person, payload: Mapping[str, Any]) -> str:
        text, trigger = str(payload.get("text") or "").strip(), str(payload["trigger_id"])
        where = place(client.team, str(payload["channel_id"]), "")
        await self._store.put(f"response:{trigger}", str(payload.get("response_url") or ""), ttl=RESPONSE_TTL)
        first, *_ = text.split(maxsplit=1) or ["/help"]
        name = first.lstrip(_SIGNS).lower()
        known, slashed = self.spelling.knows(name) or not text, first[0] in _SLASHES
        if known or (slashed and where.kind == "private"):
            command = f"/{text.lstrip(_SIGNS)}" if text else "/help"
            await self._asking.whisper(where, person, command, trigger)
            return ""
        if slashed:  # the core is silent about it in a group, where it might be meant for another bot
            return say(person.language, "unknown_command", command=first)
        trouble = await self._asking.ask(client, Question(f"ask:{trigger}", where, person, text), trigger)
        return say(person.language, trouble) if trouble else ""

    # --- shortcuts and forms ---------------------------------------------------------------------------------

    async def shortcut(self, payload: Mapping[str, Any]) -> None:
        """A message shortcut ("message_action"); any other is none of ours. Raises `Unavailable`."""
        try:
            client = await self._clients.of(account(payload))
            person = await self._people.of(client, str(payload["user"]["id"]))
            await self._shortcuts.take(client, person, payload)
        except (Refused, Gone) as error:
            _log.info("slack.shortcut_failed", error=str(error))

    async def view(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A form that was sent ("view_submission"). The acknowledgement's body; None closes the form.

        Raises `Unavailable`.
        """
        view, language = payload["view"], ""
        try:
            client = await self._clients.of(account(payload))
            person = await self._people.of(client, str(payload["user"]["id"]))
            language = person.language
            if view.get("callback_id") == modals.ASK:
                return await self._shortcuts.asked(client, person, view)
            if view.get("callback_id") == modals.ROLE:
                return await self._defined(client, person, view)
        except (Refused, Gone) as error:
            _log.warning("slack.form_failed", form=view.get("callback_id"), error=str(error))
            return modals.update(modals.told(language, say(language, "later")))
        return None

    async def _defined(self, client: Client, person: Person, view: Mapping[str, Any]) -> View | None:
        language = person.language
        if str(view.get("private_metadata")) != person.id:
            return modals.update(modals.told(language, say(language, "form_foreign")))
        command = modals.role_command(view, language)
        if isinstance(command, Faults):
            return command.answer()
        await self._give(client, person, str(view["id"]), command)
        return None

    # --- the Home tab and other controls ---------------------------------------------------------------------

    async def action(self, payload: Mapping[str, Any]) -> bool:
        """A control that was used ("block_actions"). Was it one of the desk's? Else it belongs to an answer.

        Raises `Unavailable`, and `Gone` where the app is not installed any more.
        """
        action: Mapping[str, Any] = next(iter(payload.get("actions") or ()), {})
        name = str(action.get("action_id") or "")
        if name != LEAVE and not name.startswith(PREFIX):
            return False
        client = await self._clients.of(account(payload))
        person = await self._people.of(client, str(payload["user"]["id"]))
        try:
            if name == LEAVE:
                await self._leave(client, person, payload, str(action.get("value") or ""))
            elif name == f"{PREFIX}role":
                await self._open_role(client, person, str(payload.get("trigger_id") or ""))
            elif command := chosen(action):
                await self._give(client, person, str(action.get("action_ts") or ""), command)
        except (Refused, Gone) as error:
            _log.warning("slack.control_failed", control=name, error=str(error))
            if name != LEAVE:
                await self._apologise(client, person)
        return True

    async def home(self, client: Client, event: Mapping[str, Any]) -> None:
        """The person opened the app ("app_home_opened"): publishes the Home tab, or suggests questions.

        Raises `Unavailable`.
        """
        user, channel = str(event["user"]), str(event.get("channel") or "")
        try:
            if event.get("tab") == "messages":
                person = await self._people.of(client, user)
                await agent.suggest(client, self._store, channel, person.language)
            else:
                await self.tab.publish(client, user, channel)
        except (Refused, Gone) as error:
            _log.info("slack.home_failed", tab=event.get("tab"), error=str(error))

    async def _give(self, client: Client, person: Person, name: str, command: str) -> None:
        where = await self.tab.place(client, person.id)
        await self._inlet.hand_in(given(where, person, name, command))

    async def _apologise(self, client: Client, person: Person, words: str = "later") -> None:
        """Say on the tab that a control has done nothing."""
        try:
            await self.tab.publish(client, person.id, note=Note(say(person.language, words)))
        except (Refused, Gone) as error:
            _log.info("slack.home_failed", tab="home", error=str(error))

    async def _open_role(self, client: Client, person: Person, trigger: str) -> None:
        form = modals.role_form(person.language, person.id)
        try:
            await client.call("views.open", trigger_id=trigger, view=form)
        except Refused as error:  # a trigger lives three seconds
            _log.info("slack.form_not_opened", error=error.error)
            await self._apologise(client, person, "too_late")

    # --- threads ---------------------------------------------------------------------------------------------

    async def follow(self, client: Client, incoming: Incoming) -> None:
        """Tell who called the bot into a thread that it listens there now, with a button that sends it away.

        Only they see it, and once a month in a channel. Raises nothing.
        """
        where, person = incoming.place, incoming.person
        if where.kind == "private" or not where.thread:
            return
        text = say(person.language, "following")
        key = f"following:{where.account}:{where.chat}:{person.id}"
        try:
            if await self._store.put(key, "yes", ttl=_MONTH, absent=True):
                blocks = _with_leave(text, say(person.language, "leave"), where.thread)
                await _tell(client, where, person, text, blocks)
        except (Refused, Gone, Unavailable) as error:
            _log.info("slack.follow_untold", team=where.account, channel=where.chat, error=str(error))

    async def title(self, client: Client, incoming: Incoming) -> None:
        """Call a new session of the agent view after its first question. Raises nothing."""
        await agent.entitle(client, incoming)

    async def _leave(self, client: Client, person: Person, payload: Mapping[str, Any], thread: str) -> None:
        where = place(client.team, str((payload.get("channel") or {}).get("id") or ""), thread)
        if where.chat and thread:
            await self._threads.leave(where.account, where.chat, thread)
            await _tell(client, where, person, say(person.language, "left"))


def _with_leave(text: str, button: str, thread: str) -> list[View]:
    pressed = {"type": "button", "action_id": LEAVE, "value": thread}
    return [
        {"type": "section", "text": {"type": "plain_text", "text": text}},
        {"type": "actions", "elements": [{**pressed, "text": {"type": "plain_text", "text": button}}]},
    ]


async def _tell(
    client: Client, where: Place, person: Person, text: str, blocks: list[View] | None = None
) -> None:
    await client.call(
        "chat.postEphemeral",
        channel=where.chat,
        thread_ts=where.thread,
        user=person.id,
        text=text,
        blocks=blocks,
    )
