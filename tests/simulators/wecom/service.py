"""Customer service: its log, its sessions, its quota."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.wecom.callbacks import Delivery
from tests.simulators.wecom.people import Customer
from tests.simulators.wecom.refusal import Refused
from tests.simulators.wecom.sending import content_of, show

if TYPE_CHECKING:
    from tests.simulators.wecom.simulator import WeComSimulator

Json = dict[str, Any]
HISTORY = 3 * 86400
_ID = re.compile("[0-9a-zA-Z_-]{1,32}")
_BARE = 30  # looks a minute without a callback's token
_STATES = {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}


@dataclass
class Account:
    """A customer-service account and its log."""

    id: str
    name: str
    managed: bool = True
    log: list[Json] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


class Service:
    """What the Secret of customer service may call. `page` is how many entries one answer holds."""

    def __init__(self, sim: WeComSimulator) -> None:
        self._sim = sim
        self.accounts: dict[str, Account] = {}
        self.page = 1000
        self._tokens: dict[str, tuple[str, float]] = {}
        self._welcomes: dict[str, tuple[Customer, float]] = {}

    def account(self, name: str = "wk1") -> Account:
        """An account; it is made on first use."""
        return self.accounts.setdefault(name, Account(name, f"Service {name}"))

    def welcome_code(self, customer: Customer) -> str:
        """A code, good once and for twenty seconds."""
        code = f"code{self._sim.number()}"
        self._welcomes[code] = (customer, self._sim.clock() + 20)
        return code

    async def add(self, account: str, entry: Json) -> Delivery | None:
        """Put an entry into the log, and announce it."""
        number = f"kfmsg{self._sim.number()}"
        entry = {"msgid": number, "send_time": int(self._sim.clock()), **entry}
        self.account(account).log.append(entry)
        return None if self._sim.silent else await self.announce(account)

    async def announce(self, account: str) -> Delivery:
        """The callback, which tells only that there is something."""
        token = f"ENC{self._sim.number()}"
        self._tokens[token] = (account, self._sim.clock() + 600)
        return await self._sim.callbacks.post(
            {
                "ToUserName": self._sim.corp,
                "CreateTime": int(self._sim.clock()),
                "MsgType": "event",
                "Event": "kf_msg_or_event",
                "Token": token,
                "OpenKfId": account,
            }
        )

    # --- called ----------------------------------------------------------------------------------------------

    def list(self, body: Json) -> Json:
        """kf/account/list."""
        if not 1 <= body.get("limit", 100) <= 100:
            raise Refused(40058, "invalid limit")
        return {
            "account_list": [
                {"open_kfid": one.id, "name": one.name, "avatar": "", "manage_privilege": one.managed}
                for one in self.accounts.values()
            ]
        }

    def sync(self, body: Json) -> Json:
        """kf/sync_msg."""
        if strange := set(body) - {"cursor", "token", "limit", "voice_format", "open_kfid"}:
            raise self._sim.wrong(f"unknown fields {sorted(strange)}")
        account = self._managed(body)
        if not 1 <= body.get("limit", 1000) <= 1000 or body.get("voice_format", 0) not in (0, 1):
            raise self._sim.wrong("limit or voice_format")
        now = self._sim.clock()
        if "token" in body:
            owner, until = self._tokens.get(body["token"], ("", 0.0))
            if owner != account.id or until < now:
                raise Refused(95007, "invalid msg token")
        else:
            account.bare = [*(at for at in account.bare if now - at < 60), now]
            if len(account.bare) > _BARE:
                raise Refused(45009, "api freq out of limit")
        oldest = next(
            (n for n, e in enumerate(account.log) if now - e["send_time"] < HISTORY), len(account.log)
        )
        begin = max(self._position(body.get("cursor", "")), oldest)
        end = min(begin + min(self.page, body.get("limit", 1000)), len(account.log))
        more = int(end < len(account.log))
        return {"msg_list": account.log[begin:end], "next_cursor": f"cur{end}", "has_more": more}

    def send(self, body: Json) -> Json:
        """kf/send_msg: five messages within 48 hours of the person's last; one id is shown once."""
        sim = self._sim
        content = content_of(sim, body, {"touser", "open_kfid", "msgid"})
        customer = self._customer(body, "touser")
        number = body.get("msgid") or f"kfout{sim.number()}"
        if _ID.fullmatch(number) is None:
            raise sim.wrong(f"msgid {number}")
        if number in customer.ids:
            return {"msgid": number}
        if sim.clock() - customer.wrote_at > 48 * 3600:
            raise Refused(95002, "send msg time limit")
        if customer.state > 1:
            raise Refused(95018, "send msg session status invalid")
        if customer.left < 1:
            raise Refused(95001, "send msg count limit")
        customer.left -= 1
        customer.ids.add(number)
        show(customer, number, content, sim.clock())
        return {"msgid": number}

    def welcome(self, body: Json) -> Json:
        """kf/send_msg_on_event: once for each code."""
        content = content_of(self._sim, body, {"code", "msgid"})
        customer, until = self._welcomes.pop(body.get("code", ""), (None, 0.0))
        if customer is None or until < self._sim.clock():
            raise Refused(40029, "invalid code")
        show(customer, body.get("msgid", ""), content, self._sim.clock())
        return {"msgid": body.get("msgid", "")}

    def state(self, body: Json) -> Json:
        """kf/service_state/get."""
        return {"service_state": self._customer(body, "external_userid").state, "servicer_userid": ""}

    def trans(self, body: Json) -> Json:
        """kf/service_state/trans."""
        customer, state = self._customer(body, "external_userid"), body.get("service_state")
        if (customer.state, state) not in _STATES:
            raise Refused(95016, "invalid state transition")
        customer.state = int(str(state))
        return {}

    def _managed(self, body: Json) -> Account:
        account = self.accounts.get(body.get("open_kfid", ""))
        if account is None:
            raise Refused(95004, "open_kfid not exist")
        if not account.managed:
            raise Refused(60030, "no privilege to access this account")
        return account

    def _customer(self, body: Json, name: str) -> Customer:
        account = self._managed(body)
        customer = self._sim.customers.get(body.get(name, ""))
        if customer is None or customer.kf != account.id:
            raise Refused(40096, "invalid external userid")
        return customer

    def _position(self, cursor: str) -> int:
        if not cursor:
            return 0
        if not re.fullmatch(r"cur\d+", cursor):
            raise self._sim.wrong(f"a cursor that nobody gave: {cursor}")
        return int(cursor.removeprefix("cur"))
