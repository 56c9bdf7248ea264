"""How long WeChat waits, and how long we do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. WeChat ends a delivery after five and makes three of them, each when the one before has ended.

    Source: "接收普通消息", developers.weixin.qq.com.
    """

    hold: float = 4.5
    """A delivery is answered within so long, or not at all."""

    write: float = 4.8
    """What is not on its way by then does not arrive."""

    leave: float = 8.0
    """After so long nobody listens to a delivery any more, even where a proxy keeps its connection."""

    last: float = 9.0
    """A delivery that comes so long after its message was sent is the last one."""

    silence: float = 16.0
    """So long after the first delivery there will be no other."""

    typing: float = 3.0
    """An answer that takes so long is announced as being typed."""

    typing_again: float = 8.0
    """How often that is said again."""

    deliveries: int = 3
    """How often WeChat delivers a message."""
