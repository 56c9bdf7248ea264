"""What people do besides writing: buttons, menus, commands, shortcuts, modals, the Home tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.slack import blocks as kit
from tests.simulators.slack import reading
from tests.simulators.slack import views as modals
from tests.simulators.slack.interactions import Interaction
from tests.simulators.slack.views import View
from tests.simulators.slack.world import Channel, Ephemeral, Message

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator
    from tests.simulators.slack.world import Team

Target = Message | Ephemeral | View
_CHANNEL_NAMES = {"im": "directmessage", "group": "privategroup", "mpim": "mpdm"}


class Presser:
    """The acts that reach the app as interactions. A `Person` is one."""

    sim: SlackSimulator
    team: Team
    id: str
    name: str
    home: View | None
    modals: list[View]

    @property
    def modal(self) -> View | None:
        """The modal on top, if there is one."""
        return self.modals[-1] if self.modals else None

    async def presses(self, target: Target, button: str) -> Interaction:
        """Press a button, named by its label, action_id or value; LookupError where there is none."""
        for block, element in reading.controls(_blocks(target)):
            for label, value in reading.labels(element):
                if button in (label, element["action_id"], value):
                    text = {"type": "plain_text", "text": label, "emoji": True}
                    return self._act(target, block, element, {"text": text, "value": value})
        raise LookupError(f"no button {button!r} among {reading.buttons(_blocks(target))}")

    async def rates(self, message: Message, *, good: bool = True) -> Interaction:
        """Press one of the feedback buttons."""
        for block, element in reading.controls(message.blocks):
            if element["type"] == "feedback_buttons":
                label, value = reading.labels(element)[0 if good else 1]
                text = {"type": "plain_text", "text": label, "emoji": True}
                return self._act(message, block, element, {"text": text, "value": value})
        raise LookupError("no feedback buttons under this message")

    async def selects(self, target: Target, action_id: str, option: str) -> Interaction:
        """Choose an option of a select or of radio buttons, by its text or value."""
        for block, element in reading.controls(_blocks(target)):
            if element["action_id"] == action_id:
                chosen = _option(element, option)
                if isinstance(target, View):
                    values = target.values.setdefault(block["block_id"], {})
                    values[action_id] = {"type": element["type"], "selected_option": chosen}
                return self._act(target, block, element, {"selected_option": chosen})
        raise LookupError(f"no {action_id!r}")

    async def slash(self, channel: Channel, text: str = "", command: str = "/parley") -> Interaction:
        """Type a slash command; it reaches the app wherever it is typed."""
        url, trigger = self.sim.triggers.response_url(self._person(), channel), self._trigger()
        payload = {
            "token": "verification",
            "team_id": self.team.id,
            "team_domain": self.team.domain,
            "channel_id": channel.id,
            "channel_name": _CHANNEL_NAMES.get(channel.kind, channel.name),
            "user_id": self.id,
            "user_name": self.name.lower(),
            "command": command,
            "text": text,
            "api_app_id": self.sim.app_id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": trigger,
        }

        def show(body: Any) -> None:
            if body:
                self.sim.triggers.acknowledged(url, body)

        delivery = self.sim.deliveries.add("slash_commands", payload, show)
        return Interaction(trigger, url, delivery, self.sim)

    async def shortcut(self, message: Message, callback_id: str) -> Interaction:
        """Choose a shortcut in a message's menu."""
        channel = message.channel
        url = self.sim.triggers.response_url(self._person(), channel, message, message.thread_ts)
        place = {"id": channel.id, "name": _CHANNEL_NAMES.get(channel.kind, channel.name)}
        return self._interact(
            "message_action",
            url,
            callback_id=callback_id,
            message=message.json(),
            message_ts=message.ts,
            channel=place,
            response_url=url,
            action_ts=self.sim.ts(),
        )

    async def global_shortcut(self, callback_id: str) -> Interaction:
        """Choose a shortcut that belongs to no message."""
        return self._interact("shortcut", "", callback_id=callback_id, action_ts=self.sim.ts())

    async def submits(self, values: Mapping[str, Any] | None = None, view: View | None = None) -> Interaction:
        """Fill a modal in and submit it; `values` by block_id, action_id or label. LookupError, ValueError.

        ValueError is what Slack itself refuses before the app is asked: an empty field, a text too long.
        """
        view = view or self.modal
        if view is None:
            raise LookupError("no modal is open")
        given = dict(values or {})
        for block, element in reading.controls(view.blocks):
            names = {block["block_id"], element["action_id"], block.get("label", {}).get("text", "")}
            for name in names & set(given):
                _fill(view, block, element, given.pop(name))
        if given:
            raise LookupError(f"no such fields: {sorted(given)}")
        for block, element in reading.controls(view.blocks):
            if block["type"] == "input":
                _check(view, block, element)
        return self._interact(
            "view_submission",
            "",
            then=lambda body: self._after(view, body),
            view=view.json(),
            response_urls=[],
        )

    async def closes(self) -> Interaction | None:
        """Close the modal on top; the app is told where it asked to be."""
        view = self.modals.pop()
        view.closed = True
        if not view.document.get("notify_on_close"):
            return None
        return self._interact("view_closed", "", view=view.json(), is_cleared=False)

    async def opens_home(self) -> None:
        """Look at the app's Home tab; what is published stands in `home`."""
        seen = {} if self.home is None else {"view": self.home.json()}
        self._opens("home", **seen)

    async def opens_messages(self) -> None:
        """Look at the app's Messages tab."""
        self._opens("messages")

    def _opens(self, tab: str, **more: Any) -> None:
        channel = self.sim.dm(self._person())
        self.sim.events.happened(
            self.team, "app_home_opened", user=self.id, channel=channel.id, tab=tab, **more
        )

    def _act(
        self, target: Target, block: Mapping[str, Any], element: Mapping[str, Any], done: Mapping[str, Any]
    ) -> Interaction:
        action = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self.sim.ts(),
            **done,
        }
        if isinstance(target, View):
            container: dict[str, Any] = {"type": "view", "view_id": target.id}
            return self._interact(
                "block_actions", "", actions=[action], container=container, view=target.json()
            )
        channel = target.channel
        container = {"type": "message", "message_ts": target.ts, "channel_id": channel.id}
        container["is_ephemeral"] = isinstance(target, Ephemeral)
        if target.thread_ts:
            container["thread_ts"] = target.thread_ts
        url = self.sim.triggers.response_url(self._person(), channel, target, target.thread_ts)
        more: dict[str, Any] = {"message": target.json()} if isinstance(target, Message) else {}
        return self._interact(
            "block_actions",
            url,
            actions=[action],
            container=container,
            channel={"id": channel.id, "name": _CHANNEL_NAMES.get(channel.kind, channel.name)},
            state={"values": {}},
            response_url=url,
            **more,
        )

    def _interact(
        self, kind: str, url: str, then: Callable[[Any], None] | None = None, **fields: Any
    ) -> Interaction:
        trigger = self._trigger()
        payload: dict[str, Any] = {
            "type": kind,
            "token": "verification",
            "api_app_id": self.sim.app_id,
            "team": {"id": self.team.id, "domain": self.team.domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {
                "id": self.id,
                "username": self.name.lower(),
                "name": self.name.lower(),
                "team_id": self.team.id,
            },
            **fields,
        }
        if kind not in {"view_closed"}:
            payload["trigger_id"] = trigger
        delivery = self.sim.deliveries.add("interactive", payload, then)
        return Interaction(trigger, url, delivery, self.sim)

    def _after(self, view: View, body: Any) -> None:
        answer = body if isinstance(body, Mapping) else {}
        match answer.get("response_action"):
            case "errors":
                ids = {block["block_id"] for block in view.blocks if block["type"] == "input"}
                assert set(answer["errors"]) <= ids, f"errors of no input: {answer}"
                view.errors = dict(answer["errors"])
            case "update":
                view.change(kit.view(answer["view"], "modal"), self.sim.hash())
            case "push":
                modals.stack(self._person(), kit.view(answer["view"], "modal"))
            case "clear":
                for one in self.modals:
                    one.closed = True
                self.modals.clear()
            case None:
                view.closed = True
                self.modals[:] = [one for one in self.modals if one is not view]
            case other:
                raise AssertionError(f"no response_action {other!r}")

    def _trigger(self) -> str:
        return self.sim.triggers.trigger(self._person())

    def _person(self) -> Any:
        return self


def _blocks(target: Target) -> list[dict[str, Any]]:
    return target.blocks


def _option(element: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    options = [*element.get("options", ())]
    options += [one for group in element.get("option_groups", ()) for one in group["options"]]
    for option in options:
        if wanted in (option["text"]["text"], option["value"]):
            return dict(option)
    raise LookupError(f"no option {wanted!r} among {[one['text']['text'] for one in options]}")


def _fill(view: View, block: Mapping[str, Any], element: Mapping[str, Any], value: Any) -> None:
    kind = element["type"]
    if kind in {"static_select", "radio_buttons"}:
        entry = {"type": kind, "selected_option": _option(element, value) if value else None}
    elif kind in {"checkboxes", "multi_static_select"}:
        entry = {"type": kind, "selected_options": [_option(element, one) for one in value]}
    else:
        entry = {"type": kind, "value": value or None}
    view.values.setdefault(block["block_id"], {})[element["action_id"]] = entry


def _check(view: View, block: Mapping[str, Any], element: Mapping[str, Any]) -> None:
    entry = view.values.setdefault(block["block_id"], {}).setdefault(
        element["action_id"], {"type": element["type"], "value": None}
    )
    value = entry.get("value") or entry.get("selected_option") or entry.get("selected_options")
    label = block["label"]["text"]
    if not value and not block.get("optional"):
        raise ValueError(f"{label!r} must be filled in")
    if isinstance(value, str):
        most = element.get("max_length", 3_000)
        if len(value) > most or len(value) < element.get("min_length", 0):
            raise ValueError(f"{label!r} has {len(value)} characters")
