"""From an event or a pressed button, as JSON, to what it means for us: pure functions.

The JSON is read as it comes, so that fields newer than the library are understood. Reading one that is not as
documented raises `LookupError`, `TypeError`, `ValueError` or `AttributeError` (`UNREADABLE`). Events:
https://docs.slack.dev/reference/events/message and the pages of its subtypes; buttons:
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from adapters.slack import content, mrkdwn
from bot.api import Incoming, Person, Place

Json = Mapping[str, Any]

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)

KEPT = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
"""The subtypes of a message that somebody said; the others tell of joins, topics, reminders and the like."""

WHISPERED = "slash:"
"""What the id of a message begins with whose answer only one person sees."""

RATED = "rate:"
"""The same of a rating: Slack itself shows that it was given, so nothing is answered."""

NOBODY: Mapping[str, str] = MappingProxyType({})
SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: ids of the team, of our user (U…) and of our bot (B…)."""

    team: str
    user: str
    bot: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Somebody said something, or took it back. `bot`: the ids by which it is known, where a bot said it.

    `below`: it stands in a thread that a message of ours opened.
    """

    incoming: Incoming
    bot: frozenset[str] = frozenset()
    below: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """We were added to a channel, by `inviter` or nobody known."""

    channel: str
    inviter: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button of an answer's. `secret`: only that person sees the answer."""

    incoming: Incoming
    secret: bool


def account(body: Json) -> str:
    """The installation that a body is for: a team, or the enterprise that has installed the app as a whole.

    In a channel shared with other companies, `team_id` may be the sender's team; the authorization is ours
    (https://docs.slack.dev/apis/events-api, "Event authorizations").
    """
    home = (body.get("view") or {}).get("app_installed_team_id")
    if home:  # a form that was opened in a shared channel belongs to the app's side of it
        return str(home)
    given = body.get("authorizations") or ()
    install = given[0] if given else body
    if str(install.get("is_enterprise_install")).lower() == "true":
        enterprise = install.get("enterprise_id") or (body.get("enterprise") or {}).get("id")
        if enterprise:
            return str(enterprise)
    team = install.get("team_id") or body.get("team") or body.get("team_id") or ""
    return str(team.get("id") or "") if isinstance(team, Mapping) else str(team)


def parse(event: Json, me: Identity, names: Mapping[str, str] = NOBODY) -> Heard | Added | None:
    """What an event means; None where it means nothing to us. `names`: user id → name.

    What is said in a channel without naming us is "ambient", whether or not we take part in its thread.
    """
    match event:
        case {"type": "message", "subtype": "message_changed"}:
            return _changed(event, me, names)
        case {"type": "message", "subtype": "message_deleted"}:
            return _deleted(event, event.get("previous_message") or {}, str(event["deleted_ts"]), me)
        case {"type": "message" | "app_mention"}:
            return _as_edited(_message(event, event, me, names), event)
        case {"type": "agent_session_stopped"}:
            return _stopped(event, me)
        case {"type": "member_joined_channel", "user": user} if user == me.user:
            return Added(str(event["channel"]), str(event.get("inviter") or ""))
    return None


# --- messages --------------------------------------------------------------------------------------------


def _message(event: Json, message: Json, me: Identity, names: Mapping[str, str]) -> Heard | None:
    """`message` is the event itself, or what it changed."""
    bot = _bot(message)
    user = str(message.get("user") or message.get("bot_id") or "")
    ours = user == me.user or me.bot in bot
    if (message.get("subtype") or "") not in KEPT or ours or user in ("", SLACKBOT):
        return None
    said = str(message.get("text") or "")
    called = event["type"] == "app_mention" or mrkdwn.calls(said, me.user)
    where = _place(event, message, me)
    text = mrkdwn.plain(mrkdwn.without(said, me.user), names)
    held = content.attachments(message.get("files"), me.team)
    quoted = content.quoted(message.get("attachments"), me.team, names, (me.user, me.bot))
    if not (text or held or quoted or called):
        return None
    incoming = Incoming(
        id=str(message["ts"]),
        place=where,
        person=Person(user, _bots_name(message) if bot else names.get(user, "")),
        text=text,
        attachments=held,
        quoted=quoted,
        addressed=_addressed(where, text, called=called),
        sent_at=float(message["ts"]),
    )
    below = message.get("parent_user_id") == me.user and where.thread != incoming.id
    return Heard(incoming, bot, below)


def _changed(event: Json, me: Identity, names: Mapping[str, str]) -> Heard | None:
    """Slack tells of unfolded links and of new replies in the same way as of an edit.

    A deleted message whose thread goes on stays as a "tombstone".
    """
    message, before = event["message"], event.get("previous_message") or {}
    if message.get("subtype") == "tombstone":
        return _deleted(event, before, str(message["ts"]), me)
    edited = (message.get("edited") or {}).get("ts")
    if not edited or message.get("text") == before.get("text"):
        return None
    return _as_edited(_message(event, message, me, names), message)


def _as_edited(heard: Heard | None, message: Json) -> Heard | None:
    """An edit that names us comes as an app_mention, too, so the two have to be one."""
    edited = (message.get("edited") or {}).get("ts")
    if heard is None or not edited:
        return heard
    was = heard.incoming
    edit = replace(was, id=f"{was.id}:{edited}", edits=was.id, sent_at=float(edited))
    return replace(heard, incoming=edit)


def _deleted(event: Json, before: Json, ts: str, me: Identity) -> Heard | None:
    user = str(before.get("user") or "")
    if not user or user in (me.user, SLACKBOT) or _bot(before):
        return None
    where = _place(event, {"ts": ts, **before}, me)
    sent_at = float(event.get("event_ts") or event.get("ts") or ts)
    incoming = Incoming(f"{ts}:deleted", where, Person(user), edits=ts, sent_at=sent_at, withdrawn=True)
    return Heard(replace(incoming, addressed="private" if where.kind == "private" else "ambient"))


def _place(event: Json, message: Json, me: Identity) -> Place:
    return place(me.team, str(event["channel"]), str(message.get("thread_ts") or message["ts"]))


def place(team: str, channel: str, thread: str) -> Place:
    """A thread; the ids of direct messages with one person begin with D."""
    private = channel.startswith("D")
    return Place("slack", team, channel, thread, "private" if private else "group", discussion=not private)


def _addressed(
    where: Place, text: str, *, called: bool
) -> Literal["private", "mention", "command", "ambient"]:
    if where.kind == "private":
        return "command" if text.startswith(("/", "／")) else "private"
    return "mention" if called else "ambient"


def _bot(message: Json) -> frozenset[str]:
    """The ids of the bot that said something: of it, of its user and of its app. None of a person."""
    profile = message.get("bot_profile") or {}
    bot = message.get("bot_id") or profile.get("id")
    if not bot and message.get("subtype") != "bot_message":
        return frozenset()
    known = (bot or "B", message.get("user"), message.get("app_id"), profile.get("app_id"))
    return frozenset(str(i) for i in known if i)


def _bots_name(message: Json) -> str:
    return str((message.get("bot_profile") or {}).get("name") or message.get("username") or "")


def _stopped(event: Json, me: Identity) -> Heard:
    """The stop button of Slack's own (https://docs.slack.dev/reference/events/agent_session_stopped)."""
    ts = str(event["event_ts"])
    where = place(me.team, str(event["channel"]), str(event["thread_ts"]))
    person = Person(str(event["user"]))
    return Heard(Incoming(f"stop:{ts}", where, person, "/stop", addressed="command", sent_at=float(ts)))


# --- buttons ---------------------------------------------------------------------------------------------


def is_answers(body: Json) -> bool:
    """Whether the button that was pressed stands in an answer: one that says something for the person."""
    return any(_is_say(str(action.get("action_id") or "")) for action in body.get("actions") or ())


def pressed(body: Json, me: Identity) -> Pressed:
    """What a pressed button of an answer's says: no text where it holds nothing any more."""
    action = next(a for a in body["actions"] if _is_say(str(a.get("action_id") or "")))
    value = action.get("value") or (action.get("selected_option") or {}).get("value") or ""
    box, message = body.get("container") or {}, body.get("message") or {}
    secret = bool(box.get("is_ephemeral"))
    below = "" if secret else message.get("ts") or box.get("message_ts")  # nothing stands below a whisper
    thread = message.get("thread_ts") or box.get("thread_ts") or below or ""
    if secret:  # only this person sees the answer, too
        ident = f"{WHISPERED}{body['trigger_id']}"
    else:
        ident = f"{RATED if action['action_id'] == 'rate' else 'press:'}{action['action_ts']}"
    incoming = Incoming(
        ident,
        place(me.team, str((body.get("channel") or {}).get("id") or box["channel_id"]), str(thread)),
        Person(str(body["user"]["id"])),
        str(value),
        addressed="command",
        sent_at=float(action.get("action_ts") or 0),
    )
    return Pressed(incoming, secret)


def _is_say(action: str) -> bool:
    return action == "rate" or action.startswith(("say:", "pick:"))
