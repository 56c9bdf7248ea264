"""The app's own interface: message/send and recall, the app itself, its menu."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulators.wecom.people import Reader, Shown
from tests.simulators.wecom.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.wecom.simulator import WeComSimulator

Json = dict[str, Any]
TEXT_LIMIT = 2048
MINUTE, HOUR = 30, 1000
_OPTIONS = {"enable_duplicate_check", "duplicate_check_interval", "safe", "enable_id_trans"}
_FILES = ("image", "voice", "video", "file")


class Sending:
    """What the app may call."""

    def __init__(self, sim: WeComSimulator) -> None:
        self._sim = sim
        self._said: dict[str, float] = {}
        self._sent: dict[str, Shown] = {}
        self.menu: Json | None = None
        self.enabled = True

    def send(self, body: Json) -> Json:
        """message/send: to one member at a time, as a bot does."""
        sim, kind = self._sim, body.get("msgtype")
        content = content_of(sim, body, {"touser", "agentid", *_OPTIONS})
        if body.get("agentid") != sim.agent:
            raise Refused(40056, "invalid agentid")
        member = sim.members.get(str(body.get("touser", "")).lower())
        if member is None:
            raise Refused(81013, "user & party & tag all invalid")
        now = sim.clock()
        if sim.rates:
            recent = [at for at in member.sends_at if now - at < 3600]
            if sum(now - at < 60 for at in recent) >= MINUTE or len(recent) >= HOUR:
                raise Refused(45009, "api freq out of limit")
        number = f"msg{sim.number()}"
        same = json.dumps([body["touser"], kind, body[str(kind)]], sort_keys=True)
        if body.get("enable_duplicate_check"):
            span = body.get("duplicate_check_interval", 1800)
            if not isinstance(span, int) or not 1 <= span <= 4 * 3600:
                raise sim.wrong("duplicate_check_interval: at most four hours")
            if now - self._said.get(same, -1e9) < span:
                return {"msgid": number}
        self._said[same] = now
        member.sends_at.append(now)
        self._sent[number] = show(member, number, content, now)
        return {"msgid": number, "invaliduser": ""}

    def recall(self, body: Json) -> Json:
        """message/recall, for 24 hours."""
        message = self._sent.get(body.get("msgid", ""))
        if set(body) != {"msgid"} or message is None or self._sim.clock() - message.at > 86400:
            raise Refused(40058, "invalid msgid")
        message.recalled = True
        return {}

    def get(self, agent: str) -> Json:
        """agent/get."""
        if agent != str(self._sim.agent):
            raise Refused(301002, "no permission to access agent")
        return {"agentid": self._sim.agent, "name": "Parley", "close": int(not self.enabled)}

    def create_menu(self, agent: str, body: Json) -> Json:
        """menu/create: three buttons, five below each, names of 16 and 40 bytes, keys of 128."""
        if agent != str(self._sim.agent):
            raise Refused(40056, "invalid agentid")
        buttons = body.get("button")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
            raise Refused(40016, "invalid button size")
        for button in buttons:
            below = button.get("sub_button", [])
            if len(below) > 5 or not 0 < len(button["name"].encode()) <= 16:
                raise Refused(40018, "invalid button name size")
            for one in below or [button]:
                if one.get("type") != "click" or not 0 < len(one["key"].encode()) <= 128:
                    raise Refused(40019, "invalid button key size")
                if not 0 < len(one["name"].encode()) <= 40:
                    raise Refused(40018, "invalid button name size")
        self.menu = body
        return {}


def content_of(sim: WeComSimulator, body: Json, known: set[str]) -> Shown:
    """The message in a request, which may have no other fields than the `known` ones. Raises `Refused`."""
    kind = str(body.get("msgtype"))
    if kind != "text" and kind not in _FILES:
        raise sim.wrong(f"invalid msgtype {kind}")
    if strange := set(body) - known - {"msgtype", kind}:
        raise sim.wrong(f"unknown fields {sorted(strange)}")
    part = body.get(kind)
    if not isinstance(part, dict) or set(part) != ({"content"} if kind == "text" else {"media_id"}):
        raise sim.wrong(f"{kind}: {part}")
    if kind in _FILES:
        return Shown("", kind=kind, data=sim.media.get(part["media_id"], kind).data)
    text = part["content"]
    if not text.strip():
        raise Refused(44004, "empty content")
    if len(text.encode()) > TEXT_LIMIT:  # it would be cut off in silence
        raise sim.wrong("a text of more than 2,048 bytes")
    return Shown("", text)


def show(reader: Reader, number: str, content: Shown, now: float) -> Shown:
    """Let somebody see a message."""
    content.id, content.at = number, now
    reader.messages.append(content)
    return content
