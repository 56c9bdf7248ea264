"""Tencent's iLink over real HTTP, as strict as what is known of it, with people who write to their bots.

Whatever a bot does that the protocol does not allow is in `violations`, and fails the test at its end. In a test:

    async with ilink_simulator() as ilink:
        ann = ilink.person("ann")
        bot = ilink.sign_in(ann)
        ...  # start an adapter with ilink.url, bot.id and bot.token, or let it sign in: ilink.codes
        await ann.says("hello")
        await ann.sees(1)
        assert ann.texts == ["hello to you"]
"""

from tests.simulators.ilink.codes import Code
from tests.simulators.ilink.simulator import ILinkSimulator, ilink_simulator
from tests.simulators.ilink.world import Bot, Clock, Person, Shown

__all__ = ["Bot", "Clock", "Code", "ILinkSimulator", "Person", "Shown", "ilink_simulator"]
