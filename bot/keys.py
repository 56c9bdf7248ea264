"""Where Redis is, what its keys are called, and what counts as its being away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.errors import SettingsError, StoreAway

BLOCK = 2.0
"""Seconds that one command may wait inside Redis at the most: well under the time-out of an answer."""

_TIMEOUT = 5.0  # seconds for an answer; a server that needs longer is away
_CONNECTIONS = 64  # managed services count connections; a thousand conversations take turns on these
_SILENCE = 15.0  # seconds after which a quiet connection is asked whether it is alive

# What a server says that lives but cannot serve: loading its file, a replica after a failover, full, unable
# to write its file, too few replicas, inside a long script, a cluster that moves. Where a script's error wraps
# it, the client does not know its class.
_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
)
_SAYS_AWAY = re.compile(
    r"(?:^|[\s-])(?:LOADING|READONLY|MASTERDOWN|OOM|MISCONF|NOREPLICAS|BUSY|CLUSTERDOWN|TRYAGAIN|UNBLOCKED)\b"
)


def connect(url: str) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://` (`valkey://` too), with answers as text.

    Text that is not Unicode is replaced, not refused. A command waits its turn where all connections are
    taken. A broken connection is made anew and the command sent again, so a command may be carried out twice.
    RESP2, because its handshake is the same on every server since Redis 6.2. Raises `SettingsError`, which
    never quotes the URL: it may hold a password.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            re.sub(r"^valkey", "redis", url),
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            protocol=2,
            decode_responses=True,
            encoding_errors="replace",
            # `reaching` sets the time-out. With this one redis-py sends inside `asyncio.wait_for`, which before
            # Python 3.12 can swallow a cancellation (bpo-37658): a task that was to stop would go on.
            socket_timeout=None,
            socket_connect_timeout=_TIMEOUT,
            health_check_interval=_SILENCE,
            # Not after a time-out: it has cost seconds already, and somebody waits.
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2, (RedisConnectionError,)),
        )
        _connection(pool)  # an option in the URL that does not exist is found here
    except (ValueError, TypeError):
        raise SettingsError("REDIS_URL: this is no address of a Redis (redis://host:6379/0)") from None
    return Redis.from_pool(pool)


@asynccontextmanager
async def reaching(seconds: float | None = _TIMEOUT) -> AsyncIterator[None]:
    """Around commands, or on a coroutine function: raises `StoreAway` where Redis does not serve them in time.

    A mistake in a command stays what it is.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*_AWAY, OSError) as error:
        raise StoreAway(str(error) or type(error).__name__) from error
    except ResponseError as error:
        if _SAYS_AWAY.search(str(error)) is None:
            raise
        raise StoreAway(str(error)) from error


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of all keys. Those of the queue share a hash tag, so that they are together on a cluster."""

    prefix: str

    # --- the inbox ------------------------------------------------------------------------------------------

    @property
    def ready(self) -> str:
        """Stream: one token for each conversation with something to do."""
        return self._queue("ready")

    @property
    def active(self) -> str:
        """Set: the conversations that have a token."""
        return self._queue("active")

    @property
    def dead(self) -> str:
        """Stream: messages that were given up."""
        return self._queue("dead")

    @property
    def interrupts(self) -> str:
        """Channel: stop answering."""
        return self._queue("interrupts")

    def lane(self, conversation: str) -> str:
        """List: a conversation's messages, oldest first."""
        return self._queue(f"lane:{conversation}")

    def journal(self, conversation: str) -> str:
        """Hash: what was done so far about the oldest message of a lane.

        It is named by the conversation, because a script must be told its keys before it can look which
        message is the oldest.
        """
        return self._queue(f"journal:{conversation}")

    def seen(self, message: str) -> str:
        """String: a message was accepted before."""
        return self._queue(f"seen:{message}")

    # --- the rest -------------------------------------------------------------------------------------------

    def window(self, conversation: str) -> str:
        """List: a conversation's turns."""
        return f"{self.prefix}window:{conversation}"

    def asked(self, conversation: str) -> str:
        """What a conversation was asked and has not answered."""
        return f"{self.prefix}asked:{conversation}"

    def folded(self, conversation: str) -> str:
        """Hash: what became of a window's older exchanges: their summary, or that they were cleared away."""
        return f"{self.prefix}folded:{conversation}"

    def pictures(self, conversation: str) -> str:
        """List: the pictures that a conversation was last about, oldest first."""
        return f"{self.prefix}pictures:{conversation}"

    def attached(self, conversation: str) -> str:
        """String: what was found in the attachments of a conversation's last question."""
        return f"{self.prefix}attached:{conversation}"

    def easel(self, conversation: str) -> str:
        """Hash: the last picture that was drawn in a conversation."""
        return f"{self.prefix}easel:{conversation}"

    def tape(self, conversation: str) -> str:
        """Hash: the last speech that was made in a conversation."""
        return f"{self.prefix}tape:{conversation}"

    def dictation(self, conversation: str) -> str:
        """Hash: what was heard in the recordings of a conversation's last message."""
        return f"{self.prefix}dictation:{conversation}"

    def recordings(self, conversation: str) -> str:
        """Hash: where the last recordings are that each person sent in a conversation."""
        return f"{self.prefix}recordings:{conversation}"

    def kept(self, part: str) -> str:
        """What is known of all kept pictures together; one hash tag, because one script writes it."""
        return f"{self.prefix}{{kept}}:{part}"

    def members(self, home: str) -> str:
        """Sorted set: the windows (threads, sessions) that belong to a conversation outside all threads."""
        return f"{self.prefix}members:{home}"

    def sessions(self, conversation: str) -> str:
        """Hash: the names of a conversation's sessions."""
        return f"{self.prefix}sessions:{conversation}"

    def overheard(self, place: str) -> str:
        """List: what was said in a group lately, and not to us."""
        return f"{self.prefix}overheard:{place}"

    def denied(self, person: str) -> str:
        """That a person was told a while ago that the bot is not for them."""
        return f"{self.prefix}denied:{person}"

    def profile(self, conversation: str) -> str:
        """Hash: a conversation's choices."""
        return f"{self.prefix}profile:{conversation}"

    def roles(self, owner: str) -> str:
        """Hash: the roles that a person made, or that were shared in a group."""
        return f"{self.prefix}roles:{owner}"

    # --- people and money: one hash tag, because one script reads and writes all that a request may cost ----

    @property
    def people_admitted(self) -> str:
        """Hash: who was let in or shut out at run time."""
        return f"{self.prefix}access:people"

    @property
    def people_waiting(self) -> str:
        """Hash: pairing codes and who waits with them."""
        return f"{self.prefix}access:waiting"

    @property
    def reloads(self) -> str:
        """String: how often the operator's files were to be read again."""
        return f"{self.prefix}reloads"

    @property
    def correspondents(self) -> str:
        """Sorted set: who wrote in private, and where, by the time of the last message."""
        return f"{self.prefix}correspondents"

    def announcement(self, name: str) -> str:
        """String: what an admin wants everybody to hear."""
        return f"{self.prefix}announcement:{name}"

    def trace(self, ref: str) -> str:
        """Hash: what became of a message, by its reference id."""
        return f"{self.prefix}trace:{ref}"

    @property
    def budgets(self) -> str:
        """Hash: budgets of single people, set at run time."""
        return self._money("budgets")

    @property
    def holds(self) -> str:
        """Sorted set: running requests by when they are given up."""
        return self._money("holds")

    @property
    def hold(self) -> str:
        """Hash: what each running request has set aside, and for whom."""
        return self._money("hold")

    @property
    def held(self) -> str:
        """Hash: the sums of what is set aside, and how many requests of a person run."""
        return self._money("held")

    def charged(self, request: str) -> str:
        """Hash: what a message was charged so far."""
        return self._money(f"charged:{request}")

    def rate(self, person: str) -> str:
        """String: when a person's questions would be spread evenly."""
        return self._money(f"rate:{person}")

    def flood(self, person: str) -> str:
        """String: the same for whatever they send."""
        return self._money(f"flood:{person}")

    def tally(self, scope: str, when: str) -> str:
        """Hash: what a person, a group or all together used in a day or a month."""
        return self._money(f"tally:{scope}:{when}")

    def people(self, when: str) -> str:
        """Sorted set: who used anything in a day or a month, by when last."""
        return self._money(f"people:{when}")

    def _money(self, name: str) -> str:
        return f"{self.prefix}{{money}}:{name}"

    @property
    def default_role(self) -> str:
        """String: the role of new conversations, where an admin has chosen one."""
        return f"{self.prefix}default_role"

    def value(self, adapter: str, key: str) -> str:
        """String: a value in an adapter's drawer."""
        return f"{self.prefix}store:{adapter}:value:{key}"

    def log(self, adapter: str, log: str) -> str:
        """Stream: a log in an adapter's drawer. The channel of the same name says that it has grown."""
        return f"{self.prefix}store:{adapter}:log:{log}"

    def leader(self, adapter: str, name: str) -> str:
        """String: who leads."""
        return f"{self.prefix}leader:{adapter}:{name}"

    def _queue(self, name: str) -> str:
        return f"{self.prefix}{{inbox}}:{name}"


@dataclass(frozen=True, slots=True)
class Heard:
    """News from a channel. `text` is None where a subscription begins: what came before was missed."""

    channel: str
    text: str | None


class Subscription:
    """One connection that hears channels, and notices when it hears nothing because it is broken.

    It never reconnects by itself: whoever listens must know that something may have been missed.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis) -> AsyncIterator[Subscription]:
        """A connection beside the pool. Raises `StoreAway`."""
        connection = _connection(redis.connection_pool)
        try:
            async with reaching():
                await connection.connect()  # type: ignore[no-untyped-call]
            yield cls(connection)
        finally:
            await connection.disconnect(nowait=True)

    async def add(self, *channels: str) -> None:
        """Hear `channels` too. Raises `StoreAway`."""
        await self._send("SUBSCRIBE", *channels)

    async def drop(self, *channels: str) -> None:
        """Hear `channels` no longer. Raises `StoreAway`."""
        await self._send("UNSUBSCRIBE", *channels)

    async def hear(self) -> Heard:
        """The next news. Raises `StoreAway`."""
        asked = False
        while True:
            async with reaching(None):
                reply = await self._connection.read_response(
                    timeout=_TIMEOUT if asked else _SILENCE, disconnect_on_error=False
                )
            if reply is None:
                if asked:
                    raise StoreAway("no answer on the connection for news")
                await self._send("PING")
            asked = reply is None
            if isinstance(reply, list) and reply[0] in ("message", "subscribe"):
                return Heard(reply[1], reply[2] if reply[0] == "message" else None)

    async def _send(self, *command: str) -> None:
        # The connection would open itself again, but without its channels.
        if not self._connection.is_connected:
            raise StoreAway("the connection for news is broken")
        async with reaching():
            await self._connection.send_command(*command, check_health=False)


def _connection(pool: ConnectionPool) -> AbstractConnection:
    made: AbstractConnection = pool.connection_class(**pool.connection_kwargs)
    return made
