"""The server: one app, its workspaces and their people, the Web API, Socket Mode and signed events."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.simulators.slack.agents import Agents
from tests.simulators.slack.api import Api, Call
from tests.simulators.slack.clock import Clock
from tests.simulators.slack.deliveries import Deliveries
from tests.simulators.slack.events import EVENTS, Events
from tests.simulators.slack.faults import Faults, Troubles
from tests.simulators.slack.files import Files
from tests.simulators.slack.interactions import Triggers
from tests.simulators.slack.methods import METHODS
from tests.simulators.slack.oauth import OAuth
from tests.simulators.slack.person import Person
from tests.simulators.slack.sockets import Connection, Sockets
from tests.simulators.slack.streams import Streams
from tests.simulators.slack.views import View
from tests.simulators.slack.world import Channel, Message, Team

__all__ = ["SCOPES", "Call", "Clock", "SlackSimulator", "slack_simulator"]

SCOPES = frozenset(
    [
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:join",
        "channels:manage",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "groups:write",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "mpim:write",
        "reactions:read",
        "reactions:write",
        "team:read",
        "users:read",
    ]
)
_PREFIXES = {"channel": "C", "group": "G", "mpim": "G", "im": "D"}


class SlackSimulator(Troubles):
    """Slack for one app.

    `scopes` are those of every installation made after; `team.scopes` changes one. `mention_first` is the
    order of the two events of a mention. `ack_seconds` is how long Slack waits for an acknowledgement,
    `retry_delays` the seconds before the second, third and fourth try (a hundredth of Slack's). `streaming`,
    `agent` and `home_tab` are what the app may do; `subscribed` are its events; `rates` turns the real rate
    limits on; `latency` is how long every answer takes; `skew` makes signatures so many seconds old.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, scopes: Iterable[str] = SCOPES) -> None:
        self.clock = clock
        self.scopes = set(scopes)
        self.url = ""
        self.app_id = "A0SIMULATED"
        self.app_token = "xapp-1-A0SIMULATED-1-simulated"
        self.app_scopes = {"connections:write"}
        self.signing_secret = "simulated-signing-secret"
        self.client_id = "1000000000.2000000000"
        self.client_secret = "simulated-client-secret"
        self.redirect_uri = ""
        self.mention_first = "message"
        self.ack_seconds = 10.0  # Slack waits for three, and its machines are not busy
        self.retry_delays: Sequence[float] = (0.0, 0.6, 3.0)
        self.streaming = self.agent = self.home_tab = True
        self.subscribed = set(EVENTS)
        self.rates = False
        self.latency = 0.0
        self.skew = 0.0
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self._waiters: set[asyncio.Event] = set()
        self.teams: dict[str, Team] = {}
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.views: dict[str, View] = {}
        self.old_tokens: dict[str, str] = {}
        self.calls: deque[Call] = deque(maxlen=100_000)
        self.downloads: deque[str] = deque(maxlen=10_000)
        self.files, self.streams, self.agents = Files(self), Streams(self), Agents(self)
        self.events, self.deliveries, self.sockets = Events(self), Deliveries(self), Sockets(self)
        self.faults = Faults(self)
        self.triggers, self.oauth = Triggers(self), OAuth(self)
        self.team = self.add_team("Acme")
        self.app = web.Application(client_max_size=1 << 30)
        self.app.add_routes(
            [
                web.route("*", "/api/{method}", Api(self, METHODS).answer),
                web.get("/link/", self.sockets.connect),
                web.post("/upload/v1/{ticket}", self.files.upload),
                web.get("/files-pri/{place}/{name:.*}", self.files.download),
                web.post("/response/{key}", self.triggers.respond),
                web.get("/oauth/v2/authorize", self.oauth.page),
            ]
        )

    # --- the workspace ---

    @property
    def base_url(self) -> str:
        """What slack_sdk calls `base_url`."""
        return f"{self.url}/api/"

    @property
    def authorize_url(self) -> str:
        """What Bolt calls `authorization_url`."""
        return f"{self.url}/oauth/v2/authorize"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an app that talks to this server by Socket Mode, and what it needs for the rest."""
        return {
            "SLACK_API_BASE_URL": self.base_url,
            "SLACK_BOT_TOKEN": self.team.token,
            "SLACK_APP_TOKEN": self.app_token,
            "SLACK_SIGNING_SECRET": self.signing_secret,
            "SLACK_CLIENT_ID": self.client_id,
            "SLACK_CLIENT_SECRET": self.client_secret,
        }

    @property
    def mention(self) -> str:
        """The app's mention in the first workspace."""
        return self.team.mention

    def add_team(self, name: str, *, installed: bool = True) -> Team:
        """Another workspace; with `installed=False` the app comes there by OAuth."""
        user, bot = self.id("U"), self.id("B")
        team = Team(self, self.id("T"), name, f"xoxb-{self.number()}-simulated", user, bot, set(self.scopes))
        team.installed = installed
        team.standing = "" if installed else "account_inactive"
        self.teams[team.id] = team
        return team

    def install(self, team: Team, scopes: set[str]) -> None:
        """Install the app, or install it again; the token is another than before."""
        self.old_tokens[team.token] = "token_revoked"
        team.token, team.scopes = f"xoxb-{self.number()}-installed", set(scopes)
        team.installed, team.standing = True, ""

    async def uninstall(self, team: Team) -> None:
        """Somebody takes the app out of a workspace: two events, and the token is good no more."""
        team.installed, team.standing = False, "account_inactive"
        self.events.happened(team, "app_uninstalled")
        self.events.happened(team, "tokens_revoked", tokens={"oauth": [], "bot": [team.user]})

    def person(
        self, name: str = "Ann", *, locale: str = "en-US", admin: bool = False, team: Team | None = None
    ) -> Person:
        """Somebody in a workspace."""
        made = Person(self, team or self.team, self.id("U"), name, locale, admin)
        self.people[made.id] = made
        return made

    def robot(self, name: str = "Deploybot", *, team: Team | None = None) -> Person:
        """Another app's bot."""
        made = self.person(name, team=team)
        made.bot_id = self.id("B")
        return made

    def dm(self, person: Person) -> Channel:
        """The person's conversation with the app."""
        for channel in self.channels.values():
            if channel.kind == "im" and person.id in channel.members:
                return channel
        return self._add("im", "", [person], bot=True)

    def channel(
        self, name: str, members: Sequence[Person] = (), *, private: bool = False, bot: bool = True
    ) -> Channel:
        """A channel; with people of other workspaces it is a Slack Connect channel of the first one's."""
        return self._add("group" if private else "channel", name, members, bot=bot)

    def group_dm(self, members: Sequence[Person]) -> Channel:
        """A direct message of several people and the app."""
        return self._add("mpim", "mpdm-" + "--".join(p.name.lower() for p in members), members, bot=True)

    def _add(self, kind: str, name: str, members: Sequence[Person], *, bot: bool) -> Channel:
        team = members[0].team if members else self.team
        made = Channel(self, team, self.id(_PREFIXES[kind]), kind, name, {p.id: p for p in members}, bot)
        self.channels[made.id] = made
        return made

    # --- what the app did ---

    def called(self, method: str) -> list[dict[str, Any]]:
        """The parameters of a method's calls that were carried out, in order."""
        return [call.params for call in self.calls if call.method == method and call.done]

    def refused(self, method: str | None = None) -> list[str]:
        """The codes of the refusals, in order; of one method where it is named."""
        return [call.error for call in self.calls if call.error and method in (None, call.method)]

    # --- the way to the app ---

    async def connected(self, count: int = 1, within: float = 30) -> None:
        """Wait until so many WebSockets are live."""
        await self.until(lambda: len(self.sockets.live) >= count, within)

    async def deliver_to(self, url: str, secret: str | None = None) -> None:
        """Send everything to an address, signed, from now on; AssertionError where it fails url_verification."""
        await self.deliveries.verify(url, self.signing_secret if secret is None else secret)

    async def disconnect(
        self, reason: str = "refresh_requested", connection: Connection | None = None
    ) -> None:
        """Send `disconnect` (warning, refresh_requested, link_disabled) to one connection or to all."""
        await self.sockets.disconnect(reason, connection)

    def cut(self, connection: Connection | None = None) -> None:
        """Let one connection, or all, die without a word."""
        self.sockets.cut(connection)

    async def settled(self, within: float = 30) -> None:
        """Wait until everything that the app was told is acknowledged or given up."""
        await self.until(lambda: all(delivery.over.is_set() for delivery in self.deliveries), within)

    async def until(self, condition: Callable[[], object], within: float | None = 30) -> None:
        """Wait until a condition of this state holds; AssertionError after `within` seconds."""
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await event.wait()
                    event.clear()
        except TimeoutError:
            last = [(call.method, call.error) for call in list(self.calls)[-8:]]
            raise AssertionError(f"not within {within} s; the last calls: {last}") from None
        finally:
            self._waiters.discard(event)

    # --- for the parts of the simulator ---

    def number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def id(self, prefix: str) -> str:
        """An id as Slack makes them."""
        return f"{prefix}0{self.number():08d}"

    def hash(self) -> str:
        """A view's hash."""
        return f"{self.ts()[:10]}.{self.number():08d}"

    def ts(self) -> str:
        """A timestamp that is later than all before it."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def name(self, id: str) -> str:
        """How a person or channel is called; the id where it is unknown."""
        if id in self.people:
            return self.people[id].name
        if id in self.channels:
            return self.channels[id].name
        return "Parley" if any(team.user == id for team in self.teams.values()) else id

    def show(self, message: Message, *, echo: bool = True) -> None:
        """Put a message on the screen, and tell the app of it unless `echo` is off."""
        message.channel.everybody.append(message)
        if message.by_app:
            self.agents.answered(message.thread)
        if echo:
            self.events.said(message)
        self.changed()

    def take_away(self, message: Message) -> None:
        """Delete a message."""
        before = message.json()
        message.deleted = True
        self.events.deleted(message, before)
        self.changed()

    def record(self, call: Call) -> None:
        """Keep a call."""
        self.calls.append(call)

    def changed(self) -> None:
        """Let those look who wait for something."""
        for event in self._waiters:
            event.set()

    async def close(self) -> None:
        """Stop what runs."""
        self.heal()
        await self.deliveries.close()
        await self.sockets.close()


@asynccontextmanager
async def slack_simulator(
    *,
    port: int = 0,
    clock: Callable[[], float] = time.time,
    scopes: Iterable[str] = SCOPES,
    prepare: Callable[[SlackSimulator], None] | None = None,
) -> AsyncIterator[SlackSimulator]:
    """The simulator on a free port of loopback, in the running loop; `prepare` is called before it serves."""
    simulator = SlackSimulator(clock=clock, scopes=scopes)
    if prepare is not None:
        prepare(simulator)
    runner = web.AppRunner(simulator.app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    simulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield simulator
    finally:
        await simulator.close()
        await runner.cleanup()
