"""The Home tab: a person's choices, usage and budget as a view, and the commands that its controls give."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.slack.client import Client, Clients, Refused
from adapters.slack.people import People
from adapters.slack.words import say
from bot.api import (
    Choices,
    End,
    Gone,
    Host,
    Incoming,
    Notice,
    Option,
    Overview,
    Person,
    Place,
    ReplyPart,
    Setting,
    Text,
    Unavailable,
)

PREFIX = "home:"
"""What the ids of the tab's controls begin with, and the ids of the messages that come of them."""

# https://docs.slack.dev/reference/block-kit/composition-objects/option-object, …/blocks/section-block,
# …/block-elements/button-element
_LABEL, _VALUE, _SECTION, _BUTTON_VALUE, _BUTTONS = 75, 150, 3000, 2000, 25
_SETTINGS = 20
_OPTIONS = (100, 50, 25, 10, 3)
"""Options of a menu: as many as Slack takes, or fewer where the view would grow too large."""
_BYTES = 200_000  # of a view; at 250 KB Slack refuses it
_MONTH = 30 * 86400.0

_log = structlog.get_logger(__name__)

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """What the tab tells on top: the answer of the command that was given there, and what it offers."""

    text: str = ""
    options: tuple[Option, ...] = ()


# --- the view ------------------------------------------------------------------------------------------------


def tab(language: str, overview: Overview | None, note: Note = Note(), *, admitted: bool = True) -> View:
    """The view for `views.publish`; without an overview it says that nothing can be shown now."""
    for most in _OPTIONS:
        view = _tab(language, overview, note, admitted, most)
        if len(json.dumps(view)) <= _BYTES:
            break
    return view


def _tab(language: str, overview: Overview | None, note: Note, admitted: bool, most: int) -> View:
    blocks = [_header(say(language, "home.title")), *_noted(note)]
    if not admitted:
        blocks.append(_section(say(language, "home.stranger")))
    elif overview is None:
        blocks.append(_section(say(language, "home.away")))
    else:
        blocks += [_choice(setting, most) for setting in overview.settings[:_SETTINGS]]
        blocks.append(_buttons([_button("home:role", say(language, "home.role"))]))
        blocks.append(_context(say(language, "home.new")))
        blocks += _lines(say(language, "home.usage"), overview.usage)
        blocks += _lines(say(language, "home.operation"), overview.operation)
    return {"type": "home", "blocks": blocks}


def _noted(note: Note) -> list[View]:
    blocks = [_section(note.text)] if note.text.strip() else []
    offered = [
        _button(f"home:do:{n}", option.label, option.value)
        for n, option in enumerate(note.options)
        if len(option.value) <= _BUTTON_VALUE
    ][:_BUTTONS]
    if offered:
        blocks.append(_buttons(offered))
    return [*blocks, {"type": "divider"}] if blocks else []


def _choice(setting: Setting, most: int) -> View:
    """One setting: a menu where there is something to choose, else its value in words."""
    section = _section(setting.label)
    options = {o.value: _option(o) for o in setting.options if 0 < len(o.value) <= _VALUE}
    current = next((o for o in setting.options if setting.current in (o.value, o.label)), None)
    if not options:
        return _section(f"{setting.label}: {setting.current}" if setting.current else setting.label)
    shown = list(options.values())[:most]
    menu: View = {
        "type": "static_select",
        "action_id": f"home:set:{setting.name}"[:255],
        "options": shown,
        "placeholder": _plain((current.label if current else setting.current) or setting.label, _LABEL),
    }
    if current is not None and options.get(current.value) in shown:
        menu["initial_option"] = options[current.value]
    return {**section, "accessory": menu}


def _lines(heading: str, lines: Sequence[str]) -> list[View]:
    return [{"type": "divider"}, _header(heading), _section("\n".join(lines))] if lines else []


def _option(option: Option) -> View:
    return {"text": _plain(option.label or option.value, _LABEL), "value": option.value}


def _button(action: str, label: str, value: str = "") -> View:
    button = {"type": "button", "action_id": action, "text": _plain(label, _LABEL)}
    return {**button, "value": value} if value else button


def _buttons(elements: Sequence[View]) -> View:
    return {"type": "actions", "elements": list(elements)}


def _header(text: str) -> View:
    return {"type": "header", "text": _plain(text, 150)}


def _section(text: str) -> View:
    return {"type": "section", "text": _plain(text, _SECTION)}


def _context(text: str) -> View:
    return {"type": "context", "elements": [_plain(text, 2000)]}


def _plain(text: str, limit: int) -> View:
    """A plain text object: nobody's name or words are read as markup. Slack refuses an empty one."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return {"type": "plain_text", "text": cut if cut.strip() else "–", "emoji": True}


# --- publishing ----------------------------------------------------------------------------------------------


class Home:
    """Publishes the tab, and knows the place that its commands are given in: the person's direct messages."""

    def __init__(self, clients: Clients, people: People, host: Host) -> None:
        self._clients = clients
        self._people = people
        self._host = host

    async def place(self, client: Client, user: str, channel: str = "") -> Place:
        """Where choices of the tab are made. `channel`: the person's direct messages, where they are known.

        Raises `Refused`, `Later`, `Gone`, `Unavailable`.
        """
        name = f"dm:{client.team}:{user}"
        known = await self._host.store.get(name)
        if not channel:
            channel = known or str((await client.call("conversations.open", users=user))["channel"]["id"])
        if channel != known:
            await self._host.store.put(name, channel, ttl=_MONTH)
        return Place("slack", client.team, channel, "", "private")

    async def publish(self, client: Client, user: str, channel: str = "", note: Note = Note()) -> None:
        """Publish the tab as things stand; what cannot be asked now is said in a line. Raises as `place`."""
        person = await self._people.of(client, user)
        overview: Overview | None = None
        admitted = True
        try:
            place = await self.place(client, user, channel)
            admitted = await self._host.admits(place, person)
            overview = await self._host.overview(place, person) if admitted else None
        except (Refused, Gone, Unavailable) as away:
            _log.info("slack.overview_away", team=client.team, error=str(away))
        view = tab(_language(overview, person), overview, note, admitted=admitted)
        await client.call("views.publish", user_id=user, view=view)


def _language(overview: Overview | None, person: Person) -> str:
    """The language that the person has chosen on the tab, else the one that Slack tells of them."""
    chosen = next((s.current for s in overview.settings if s.name == "language"), "") if overview else ""
    tag = chosen.rpartition(" ")[2]
    return tag if tag in ("en", "zh-Hans", "zh-Hant") else person.language


class HomeReply:
    """`bot.api.Reply` to a command that was given on the tab: the tab is published anew, and no message is posted."""

    def __init__(self, home: Home, of: Callable[[str], Awaitable[Client]], incoming: Incoming) -> None:
        self._home = home
        self._of = of
        self._incoming = incoming
        self._said: list[str] = []
        self._options: tuple[Option, ...] = ()
        self._over = False

    async def send(self, part: ReplyPart) -> None:
        """Collect `part`; at the end, show it on top of the tab. Raises `Gone`, `Unavailable`."""
        match part:
            case Text(delta):
                self._said.append(delta)
            case Notice(text=text):
                self._said.append(f"{text}\n")
            case Choices(text, options):
                self._said.append(f"{text}\n")
                self._options += options
            case End() if not self._over:
                self._over = True
                await self._show()

    async def abandon(self) -> None:
        """Nothing was shown, and nothing will be."""
        self._over = True

    async def _show(self) -> None:
        place, user = self._incoming.place, self._incoming.person.id
        client = await self._of(place.account)
        note = Note("".join(self._said).strip(), self._options)
        try:
            await self._home.publish(client, user, place.chat, note)
        except Refused as error:
            raise Gone(str(error)) from None


def given(place: Place, person: Person, name: str, command: str) -> Incoming:
    """The command that a control of the tab gives. `name` tells this press from any other."""
    return Incoming(f"{PREFIX}{name}", place, person, command, addressed="command")


def chosen(action: Mapping[str, Any]) -> str:
    """The command behind a control of the tab; empty where it has none."""
    option = action.get("selected_option") or {}
    return str(option.get("value") or action.get("value") or "")
