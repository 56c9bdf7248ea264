"""An agent's sessions, its status while it works, the titles of threads and the suggested prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.slack.api import Asked
from tests.simulators.slack.chat import thread_of
from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Channel, Thread

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

STATUSES = frozenset({"active", "processing", "suspended", "closed"})
_TITLE = 200
_PROMPTS = 4
_LOADING = 120.0  # seconds (assistant.threads.setStatus)


class Agents:
    """The sessions' states."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim

    def set(self, thread: Thread, status: str) -> None:
        """Set the status of a session."""
        session = thread.session
        session.real = True
        session.status = status
        session.history.append(status)

    def answered(self, thread: Thread) -> None:
        """The old kind of status goes away when the app answers."""
        thread.session.loading = ""


async def set_status(asked: Asked) -> Mapping[str, Any]:
    """agents.sessions.setStatus."""
    if asked["status"] not in STATUSES:
        raise Refused("invalid_status")
    channel, thread = _session(asked)
    title = asked["title"] or ""
    if len(title) > _TITLE:
        raise Refused("invalid_arguments", "must be less than 201 characters [json-pointer:/title]")
    initiator = asked["initiator_user_id"]
    if initiator is not None and initiator not in channel.members:
        raise Refused("user_not_found")
    if not thread.session.real:
        thread.session.title = title
    asked.sim.agents.set(thread, asked["status"])
    answer = {"status": asked["status"], "agent_status": asked["status"], "title": thread.session.title}
    if "agent_session_stopped" not in asked.sim.subscribed:
        return answer | {"warning": "missing_agent_session_stopped_event_subscription"}
    return answer


async def rename(asked: Asked) -> Mapping[str, Any]:
    """agents.sessions.rename."""
    _, thread = _session(asked)
    if not thread.session.real:
        raise Refused("session_not_found")
    if not 1 <= len(asked["title"]) <= _TITLE:
        raise Refused("invalid_arguments", "must be 1 to 200 characters [json-pointer:/title]")
    thread.session.title = asked["title"]
    return {"title": asked["title"]}


async def assistant_status(asked: Asked) -> Mapping[str, Any]:
    """assistant.threads.setStatus; an empty status takes it away."""
    channel = _assistant(asked)
    thread = channel.thread(asked["thread_ts"])
    loading = asked["loading_messages"]
    if loading is not None and (not isinstance(loading, list) or len(loading) > 10):
        raise Refused("invalid_arguments", "no more than 10 items allowed [json-pointer:/loading_messages]")
    thread.session.loading = asked["status"]
    thread.session.loading_until = asked.sim.clock() + _LOADING
    if asked["status"]:
        thread.session.history.append(asked["status"])
    return {}


async def assistant_title(asked: Asked) -> Mapping[str, Any]:
    """assistant.threads.setTitle."""
    _assistant(asked).thread(asked["thread_ts"]).session.title = asked["title"]
    return {}


async def suggested_prompts(asked: Asked) -> Mapping[str, Any]:
    """assistant.threads.setSuggestedPrompts; with a thread_ts nothing happens for an agent, as documented."""
    channel = _assistant(asked, thread=False)
    prompts = asked["prompts"]
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= _PROMPTS:
        raise Refused("invalid_arguments", "must be 1 to 4 items [json-pointer:/prompts]")
    for prompt in prompts:
        if not isinstance(prompt, Mapping) or not prompt.get("title") or not prompt.get("message"):
            raise Refused("invalid_arguments", "title and message [json-pointer:/prompts]")
        if set(prompt) - {"title", "message"}:
            raise Refused("invalid_arguments", "additional properties not allowed [json-pointer:/prompts]")
    if not asked["thread_ts"]:
        channel.prompts.append({"title": asked["title"] or "", "prompts": prompts})
    return {}


def _session(asked: Asked) -> tuple[Channel, Thread]:
    if not asked.sim.agent:
        raise Refused("feature_disabled")
    channel = asked.channel("channel_id", member="not_authorized")
    ts = thread_of(asked)
    if ts is None:
        raise Refused("thread_ts_required")
    return channel, channel.thread(ts)


def _assistant(asked: Asked, *, thread: bool = True) -> Channel:
    channel = asked.channel("channel_id", member="channel_not_found")
    if thread and thread_of(asked) is None:
        raise Refused("invalid_thread_ts")
    return channel
