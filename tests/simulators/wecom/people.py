"""Those who talk to the bot: members by the app, people in WeChat by customer service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.wecom.callbacks import Delivery

if TYPE_CHECKING:
    from tests.simulators.wecom.simulator import WeComSimulator


@dataclass
class Shown:
    """A message of ours: its text, or a file."""

    id: str
    text: str = ""
    kind: str = "text"
    data: bytes = b""
    at: float = 0.0
    recalled: bool = False

    def __str__(self) -> str:
        return self.text if self.kind == "text" else f"<{self.kind} {len(self.data)}>"


@dataclass
class Reader:
    """Somebody who reads; `messages` are all of ours, in the order of their arrival."""

    sim: WeComSimulator
    id: str
    messages: list[Shown] = field(default_factory=list)

    @property
    def shown(self) -> list[str]:
        """What stands, as they read it."""
        return [str(message) for message in self.messages if not message.recalled]


@dataclass
class Member(Reader):
    """A member of the company."""

    sends_at: list[float] = field(default_factory=list)

    async def says(self, text: str, *, number: str = "") -> Delivery:
        """Write; `number` is the MsgId where it is to be a certain one."""
        return await self._message("text", {"Content": text}, number)

    async def sends(self, kind: str, data: bytes) -> Delivery:
        """Send a picture, a recording or a video."""
        media = self.sim.media.put(kind, f"x.{kind}", data)
        more = {"image": {"PicUrl": "http://pic"}, "voice": {"Format": "amr"}, "video": {"ThumbMediaId": "t"}}
        return await self._message(kind, {"MediaId": media, **more[kind]})

    async def locates(self, label: str) -> Delivery:
        """Send where one is."""
        where = {"Location_X": "23.134", "Location_Y": "113.358", "Scale": 16, "Label": label}
        return await self._message("location", where)

    async def links(self, title: str, url: str) -> Delivery:
        """Send a page."""
        return await self._message("link", {"Title": title, "Description": "…", "Url": url, "PicUrl": ""})

    async def opens(self) -> Delivery:
        """Open the app."""
        return await self._event("enter_agent", "")

    async def clicks(self, key: str) -> Delivery:
        """Press a button of the menu."""
        return await self._event("click", key)

    async def _message(self, kind: str, content: dict[str, Any], number: str = "") -> Delivery:
        return await self._post({"MsgType": kind, **content, "MsgId": int(number or self.sim.number())})

    async def _event(self, event: str, key: str) -> Delivery:
        return await self._post({"MsgType": "event", "Event": event, "EventKey": key})

    async def _post(self, message: dict[str, Any]) -> Delivery:
        head = {"ToUserName": self.sim.corp, "FromUserName": self.id, "CreateTime": int(self.sim.clock())}
        return await self.sim.callbacks.post({**head, **message, "AgentID": self.sim.agent})


@dataclass
class Customer(Reader):
    """Somebody in WeChat who writes to a customer-service account."""

    kf: str = "wk1"
    state: int = 0  # of the session: nobody has it, the bot, waiting, a colleague, ended
    left: int = 0  # messages that may still be sent
    wrote_at: float = 0.0
    ids: set[str] = field(default_factory=set)

    async def says(self, text: str) -> Delivery | None:
        """Write."""
        return await self._message("text", {"content": text})

    async def sends(self, kind: str, data: bytes) -> Delivery | None:
        """Send a file."""
        return await self._message(kind, {"media_id": self.sim.media.put(kind, f"x.{kind}", data)})

    async def opens(self) -> Delivery | None:
        """Open the chat."""
        code = self.sim.kf.welcome_code(self)
        event = {"event_type": "enter_session", "scene": "", "scene_param": "", "welcome_code": code}
        return await self._event(event)

    async def recalls(self, number: str) -> Delivery | None:
        """Take a message back."""
        return await self._event({"event_type": "user_recall_msg", "recall_msgid": number})

    async def _message(self, kind: str, content: dict[str, Any]) -> Delivery | None:
        self.left, self.wrote_at = 5, self.sim.clock()
        if self.state == 4:
            self.state = 0
        entry = {
            "origin": 3,
            "msgtype": kind,
            kind: content,
            "external_userid": self.id,
            "open_kfid": self.kf,
        }
        return await self.sim.kf.add(self.kf, entry)

    async def _event(self, event: dict[str, Any]) -> Delivery | None:
        who = {"open_kfid": self.kf, "external_userid": self.id}
        return await self.sim.kf.add(self.kf, {"origin": 4, "msgtype": "event", "event": event | who})
