"""chat.startStream, chat.appendStream and chat.stopStream, and how a stream dies.

Five minutes: slackapi/python-slack-sdk#1859; 12,000 characters a message: CopilotKit#6063. The codes are
those of the methods' pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.slack import blocks as kit
from tests.simulators.slack.api import Asked
from tests.simulators.slack.chat import MARKDOWN_TEXT, posted, thread_of
from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Message, Stream, Thread

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

LIFE = 300.0  # seconds
WHOLE = 12_000  # characters
_TASKS = frozenset({"pending", "in_progress", "complete", "error"})


class Streams:
    """Which streams run. `life` is how long Slack lets one."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self.life = LIFE

    def expired(self, stream: Stream) -> bool:
        """Whether Slack has dropped it before the app has stopped it."""
        if not stream.end and self._sim.clock() - stream.start >= self.life:
            stream.end = "expired"
        return stream.end == "expired"

    def running(self, message: Message) -> bool:
        """Whether the message streams."""
        stream = message.stream
        return stream is not None and not self.expired(stream) and not stream.end

    def drop(self, message: Message) -> None:
        """Let Slack drop a running stream now."""
        if message.stream is None or not self.running(message):
            raise LookupError("this message does not stream")
        message.stream.end = "expired"

    def stop(self, thread: Thread) -> list[str]:
        """Stop the thread's streams, as the native button does; their ts."""
        stopped = [message for message in thread.messages if self.running(message)]
        for message in stopped:
            if message.stream is not None:
                message.stream.end = "by person"
        return [message.ts for message in stopped]


async def start(asked: Asked) -> Mapping[str, Any]:
    """chat.startStream."""
    if not asked.sim.streaming:
        raise Refused("channel_type_not_supported")
    if any(asked[look] for look in ("username", "icon_emoji", "icon_url")):
        asked.needs("chat:write.customize")
    channel = asked.channel()
    if channel.archived:
        raise Refused("is_archived")
    thread = thread_of(asked)
    _recipient(asked, direct=channel.kind == "im")
    if asked["task_display_mode"] not in (None, "timeline", "plan", "dense"):
        raise Refused("invalid_arguments", "task_display_mode")
    message = posted(asked, channel, {"thread_ts": thread})
    recipient = (asked["recipient_team_id"] or "", asked["recipient_user_id"] or "")
    message.stream = Stream(asked.sim.clock(), recipient=recipient)
    _grow(asked, message, message.stream)
    asked.sim.show(message, echo=False)
    return {"channel": channel.id, "ts": message.ts}


async def append(asked: Asked) -> Mapping[str, Any]:
    """chat.appendStream."""
    message, stream = _running(asked)
    if not asked["markdown_text"] and not asked["chunks"]:
        raise Refused("no_text")
    _grow(asked, message, stream)
    stream.calls += 1
    return {"channel": message.channel.id, "ts": message.ts}


async def stop(asked: Asked) -> Mapping[str, Any]:
    """chat.stopStream."""
    message, stream = _running(asked)
    status = asked["session_status"]
    if status not in (None, "active", "suspended", "closed", "processing"):
        raise Refused("invalid_status")
    final = kit.message_blocks(asked["blocks"]) if asked["blocks"] is not None else []
    _grow(asked, message, stream)
    if not stream.text.strip() and not message.blocks and not final:
        raise Refused("no_text")
    message.blocks = [*message.blocks, *final]
    stream.calls += 1
    stream.end = "stopped"
    if status is not None:
        asked.sim.agents.set(message.thread, status)
    document = message.json()
    return {"channel": message.channel.id, "ts": message.ts, "message": document}


def _recipient(asked: Asked, *, direct: bool) -> None:
    team, user = asked["recipient_team_id"], asked["recipient_user_id"]
    if (not direct or user) and not team:
        raise Refused("missing_recipient_team_id")
    if (not direct or team) and not user:
        raise Refused("missing_recipient_user_id")
    if user and (user not in asked.sim.people or asked.sim.people[user].team.id != team):
        raise Refused("user_not_found")


def _running(asked: Asked) -> tuple[Message, Stream]:
    channel = asked.channel()
    message = channel.find(asked["ts"])
    if message is None or not message.by_app:
        raise Refused("message_not_found")
    if message.stream is None or not asked.sim.streams.running(message):
        raise Refused("message_not_in_streaming_state")
    return message, message.stream


def _grow(asked: Asked, message: Message, stream: Stream) -> None:
    said, blocks, tasks = asked["markdown_text"] or "", list[dict[str, Any]](), dict[str, dict[str, Any]]()
    if len(said) > MARKDOWN_TEXT:
        raise Refused("msg_too_long")
    for chunk in asked["chunks"] or []:
        if not isinstance(chunk, Mapping):
            raise Refused("invalid_arguments", "must be an object [json-pointer:/chunks]")
        said += _chunk(chunk, blocks, tasks)
    if len(stream.text) + len(said) > WHOLE:
        raise Refused("msg_too_long")
    if len(message.blocks) + len(blocks) > kit.MESSAGE_BLOCKS:
        raise Refused("invalid_blocks", f"no more than {kit.MESSAGE_BLOCKS} items allowed")
    stream.text += said
    stream.tasks |= tasks
    message.blocks = [*message.blocks, *blocks]


def _chunk(chunk: Mapping[str, Any], blocks: list[dict[str, Any]], tasks: dict[str, dict[str, Any]]) -> str:
    fields = {
        "markdown_text": ({"text"}, set[str]()),
        "plan_update": ({"title"}, set[str]()),
        "task_update": ({"id", "title", "status"}, {"details", "output", "sources"}),
        "blocks": ({"blocks"}, set[str]()),
    }
    kind = chunk.get("type")
    if kind not in fields:
        raise Refused("invalid_arguments", f"unsupported chunk: {kind} [json-pointer:/chunks]")
    required, optional = fields[kind]
    if not required <= set(chunk) or set(chunk) - required - optional - {"type"}:
        raise Refused("invalid_arguments", f"fields of a {kind} chunk [json-pointer:/chunks]")
    if kind == "blocks":
        blocks += kit.message_blocks(chunk["blocks"])
    if kind == "task_update":
        if chunk["status"] not in _TASKS:
            raise Refused("invalid_arguments", "status of a task [json-pointer:/chunks]")
        tasks[chunk["id"]] = dict(chunk)
    if kind != "markdown_text":
        return ""
    if len(chunk["text"]) > MARKDOWN_TEXT:
        raise Refused("msg_too_long")
    return str(chunk["text"])
