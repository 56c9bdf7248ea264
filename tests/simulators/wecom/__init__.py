"""WeCom over real HTTP, as strict as the documents say: one company, its app, its customer service, and people.

    async with wecom_simulator() as wecom:
        ann, wang = wecom.member("ann"), wecom.customer("wm1")
        ...  # start the app with `wecom.environment`, and `wecom.deliver_to(url)` of its /wecom
        await ann.says("hello")                 # a sealed callback, up to three times until it is answered 200
        assert ann.shown == ["hello to you"]     # what she reads, without what was taken back
        await wang.says("你好")                  # into customer service's log, announced by a callback

`Member`: `says`, `sends(kind, data)`, `locates`, `links`, `opens()`, `clicks(key)`; `Customer`: `says`, `sends`,
`opens()` (with a welcome code), `recalls(id)`, `colleague` (somebody of the company serves them). Both: `shown`
(texts, and `<kind bytes>` for files) and `messages`. Each gives the `Delivery`, whose `statuses` are the answers.

The wire: `wecom.calls` (path, body, code), `called(path)`, `wecom.fail(times, status, path=)`, `wecom.lose(path)`
(carried out, but the connection breaks), `wecom.refuse(path, code, errmsg, times=)`, `heal()`, `wecom.rates`
(the real limits: what is too much is refused), `wecom.trusted` (False: 60020), `wecom.silent` (customer service's
callbacks are lost), `wecom.broken` (what no client may send: a test ends by looking that it is empty).
Time is `wecom.clock`, which is turned: `wecom.clock.turn(301)`.
"""

from tests.simulators.wecom.callbacks import Delivery
from tests.simulators.wecom.people import Customer, Member, Shown
from tests.simulators.wecom.simulator import Clock, WeComSimulator, wecom_simulator

__all__ = ["Clock", "Customer", "Delivery", "Member", "Shown", "WeComSimulator", "wecom_simulator"]
