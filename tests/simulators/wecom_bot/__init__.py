"""WeCom's smart bot, simulated: its callback and its long connection, strict, on a time that is scaled and turned.

    async with webhook_simulator() as wecom:  # or socket_simulator()
        exchange = await wecom.says("ann", "Hello?")
        await wecom.until(lambda: exchange.finished)

Rules: developer.work.weixin.qq.com/document/path/100719, 101031, 101138, 101463; what those pages leave open is taken
from WecomTeam/wecom-openclaw-plugin (errcodes 846605, 846607, 846608, six minutes for a stream).
"""

from tests.simulators.wecom_bot.clock import Clock
from tests.simulators.wecom_bot.files import new_key
from tests.simulators.wecom_bot.socket import SocketSimulator, socket_simulator
from tests.simulators.wecom_bot.webhook import WebhookSimulator, webhook_simulator
from tests.simulators.wecom_bot.world import Broken, Chat, Exchange

__all__ = [
    "Broken",
    "Chat",
    "Clock",
    "Exchange",
    "SocketSimulator",
    "WebhookSimulator",
    "new_key",
    "socket_simulator",
    "webhook_simulator",
]
