"""Slack over real HTTP and WebSocket, as strict as the real one, with people who talk to the app.

    async with slack_simulator() as slack:
        ann = slack.person("Ann")  # locale="zh-CN", admin=True, team=... where it matters
        dm = slack.dm(ann)
        general = slack.channel("general", [ann, bob])  # private=True, bot=False (the app is not in it)
        ...  # start the app: SLACK_API_BASE_URL=slack.base_url, SLACK_BOT_TOKEN=slack.team.token, and for
        ...  # Socket Mode SLACK_APP_TOKEN=slack.app_token; then `await slack.connected(1)`.
        ...  # Over HTTP: SLACK_SIGNING_SECRET=slack.signing_secret, `await slack.deliver_to(url)`.
        question = await ann.says(dm, "hello")  # → Message; .ts, .thread
        answer = await question.thread.shows("hello", within=5)  # → Message of the app, AssertionError if not
        assert question.thread.visible() == ["hello to you"]  # the app's texts as a person reads them

People (`Person`): `says(channel, text, thread=, files=, broadcast=, attachments=, subtype=)`; a mention is
`slack.mention` in the text and arrives twice (`slack.mention_first` = "message" | "app_mention");
`edits(message, text)`, `deletes(message)`, `uploads(channel, File(...), text=, thread=)`, `speaks(channel,
data, mime=)`, `shares(channel, message, text)`, `presses(message_or_view, button)`, `selects(…, action_id,
option)`, `rates(message, good=True)`, `slash(channel, text, command="/parley")`, `shortcut(message,
callback_id)`, `global_shortcut(callback_id)`, `opens_home()`, `opens_messages()`, `submits({key: value})`,
`closes()`, `stops(thread)`, `invites(channel)`, `removes(channel)`, `joins`, `leaves`, `installs(url)`. What
they see: `ann.home`, `ann.modal` (`View`), `ann.whispers(channel)`, `await ann.sees(channel, text)`. Acts that
wait for the app's acknowledgement give an `Interaction`: `await interaction.answered(within=3)` → its body or
None; AssertionError where there was none within three seconds, as Slack shows an error then.

`Thread`: `visible()`, `messages`, `last`, `buttons`, `files`, `statuses`, `title`, `shows(text or
condition)`, `says_nothing()`, `until(condition)`. `Channel` has the same over all of its messages,
`thread(ts)`, `ephemerals` and `prompts`. `Message`: `shown`, `text`, `blocks`, `buttons`, `files`, `stream`, `edits`.

The wire: `slack.calls` (method, params, team, error, time), `called(method)`, `refused(method)`,
`slack.limit("chat.postMessage", retry_after=2, times=1, channel=…)`, `slack.fail(times, status, body,
method=…)`, `slack.refuse(method, error, times=…)` (ok:false with a code), `slack.hang(method)`, `slack.lose(method)`
(carried out, but the answer is a 502), `heal()`, `slack.streams.drop(message)`, `slack.streaming = False`,
`slack.rates = True` (the real tiers), `slack.sockets`, `slack.disconnect(reason)`, `slack.cut()` (connections
die without a word), `slack.deliveries` (each event's tries; `of(name)`, `again(delivery)` sends it once more),
`slack.settled()` (everything was acknowledged or given up).
Installation: `slack.scopes`/`team.scopes` (a set), `slack.add_team()`, `team.revoke()`, `slack.uninstall(team)`.
Time is `clock`; a `Clock` can be turned: `clock.turn(301)`.

As a process of its own: `python -m tests.simulators.slack --port 0` prints one line of JSON and serves.
"""

from tests.simulators.slack.deliveries import Delivery
from tests.simulators.slack.files import File
from tests.simulators.slack.interactions import Interaction
from tests.simulators.slack.person import Person
from tests.simulators.slack.simulator import Call, Clock, SlackSimulator, slack_simulator
from tests.simulators.slack.views import View
from tests.simulators.slack.world import Channel, Ephemeral, Message, Stream, Team, Thread

__all__ = [
    "Call",
    "Channel",
    "Clock",
    "Delivery",
    "Ephemeral",
    "File",
    "Interaction",
    "Message",
    "Person",
    "SlackSimulator",
    "Stream",
    "Team",
    "Thread",
    "View",
    "slack_simulator",
]
