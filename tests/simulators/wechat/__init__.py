"""A simulator of WeChat's Official Accounts over real HTTP, on a clock that can run faster than ours."""

from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.people import BUBBLE, Person, Shown, Told
from tests.simulators.wechat.simulator import WeChatSimulator, wechat_simulator

__all__ = ["BUBBLE", "Account", "Clock", "Person", "Shown", "Told", "WeChatSimulator", "wechat_simulator"]
