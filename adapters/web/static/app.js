// The chat page: brings the conversation, the composer and the wire together.

import { Composer } from "./composer.js";
import { button } from "./elements.js";
import { Outbox, freshId } from "./outbox.js";
import { Transcript, dayNamer } from "./transcript.js";
import { Refusal, Stream, commands, stop } from "./wire.js";
import { chooseLanguage, translate } from "./words.js";

const PATIENCE = 1000; // milliseconds before a lost connection is told: most come back sooner
const ABSENCE = 60_000; // a page that was away for longer asks for what it missed
const FORGOTTEN = "forget.done"; // the notice after which nothing is kept of what was said before
const SPOKEN = 4000; // characters of an answer that are read out

const find = (id) => document.getElementById(id);
const language = chooseLanguage(navigator.languages ?? [navigator.language]);
const say = translate(document, language);
document.body.classList.remove("loading");
const precise = matchMedia("(pointer: fine)").matches;
const timeOfDay = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });

const transcript = new Transcript(
  find("log"),
  find("scroller"),
  {
    say,
    clock: (date) => timeOfDay.format(date),
    day: dayNamer(language),
    onChoose: (value) => ask(value),
    onResend: (message) => outbox.again(message),
    onTakeBack: takeBack,
  },
  (away) => (find("jump").hidden = !away),
);

const outbox = new Outbox({
  onChange: (message, state, reason) => {
    if (state === "silent") transcript.drop(message);
    else transcript.get(message)?.deliver(state, reason);
    if (state === "failed") announce(say("failed", { reason: reason || say("failedUnknown") }));
    settle();
  },
  onShut: enterAgain,
});

const stream = new Stream({ onPicture: showPicture, onEvent: hear, onState: connected, onShut: enterAgain });

const composer = new Composer(find("composer"), {
  say,
  language,
  onSend: ask,
  recall: () => transcript.lastQuestion,
  announce,
});

/** Say something: shown at once, sent when it can be. */
function ask(text, attached = []) {
  const letter = { id: freshId(), text, attached, at: Date.now() / 1000 };
  transcript.ensure(asItem(letter)).deliver("sending", "");
  outbox.put(letter);
  transcript.follower.follow();
  settle();
  if (precise) composer.focus(); // elsewhere it would bring the keyboard up
}

/** A message that was not sent goes back into the box. */
function takeBack(message) {
  composer.restore(outbox.take(message));
  transcript.drop(message);
  settle();
}

function asItem({ id, text, attached, at }) {
  const command = text.startsWith("/");
  return { message: id, question: text, attached, at, command, parts: [], ended: false, offers: [] };
}

function showPicture({ items }) {
  const known = new Set(items.map((item) => item.message));
  for (const id of known) outbox.arrived(id);
  transcript.show([...items, ...outbox.letters.map(asItem)]);
  for (const id of known) transcript.get(id).deliver("sent", "");
  for (const { id, state, reason } of outbox.letters) transcript.get(id).deliver(state, reason);
  settle();
  outbox.hurry();
  learnCommands();
}

let learned = false;

async function learnCommands() {
  if (learned) return;
  try {
    composer.suggestions.commands = await commands();
    learned = true;
  } catch (fault) {
    if (!(fault instanceof Refusal)) throw fault; // the next picture brings another chance
  }
}

function hear(name, data) {
  if (name === "away" || name === "back") {
    connected(name === "back");
    return;
  }
  if (name === "asked" || name === "begin") {
    outbox.arrived(data.message);
    const exchange = transcript.ensure(data);
    if (name === "begin") exchange.begin();
  } else if (!transcript.get(data.message)) {
    stream.refresh();
    return;
  } else if (!tell(transcript.get(data.message), name, data)) {
    stream.refresh();
    return;
  }
  if (name !== "text") settle();
}

/** One event of an exchange. False where something before it was missed. */
function tell(exchange, name, data) {
  if (name === "text") return exchange.grow(data);
  if (name === "status") {
    exchange.do(data.doing);
  } else if (name === "preview") {
    exchange.glimpse(data);
  } else if (name === "end") {
    exchange.end(data);
    announce(`${say("answer")}: ${exchange.parts.spoken.slice(0, SPOKEN)}`);
    if (data.parts.some((part) => part.key === FORGOTTEN)) return false; // the server has let go of all before it
  } else {
    exchange.add(name, data);
  }
  return true;
}

/** Have a screen reader say it, once. */
function announce(text) {
  find("status").textContent = text;
}

/** What depends on the state of the whole. */
function settle() {
  transcript.arrange();
  find("welcome").hidden = !transcript.empty;
  find("stop").hidden = !transcript.running;
}

let telling = 0;

function connected(yes) {
  const banner = find("banner");
  if (yes) {
    clearTimeout(telling);
    telling = 0;
    banner.hidden = true;
    outbox.hurry();
    return;
  }
  telling ||= setTimeout(() => {
    banner.textContent = say("away");
    banner.hidden = false;
    settle();
  }, PATIENCE);
}

/** The session is over: the server's front page begins a new one, or asks for the password. */
function enterAgain() {
  const KEY = "parley.entered";
  const last = Number(sessionStorage.getItem(KEY) ?? 0);
  if (Date.now() - last < 10_000) {
    connected(false); // no good came of it a moment ago
    setTimeout(enterAgain, 10_000);
    return;
  }
  sessionStorage.setItem(KEY, String(Date.now()));
  location.reload();
}

async function halt() {
  try {
    await stop();
  } catch (fault) {
    announce(say("stopFailed", { reason: fault.reason || say("unreachable") }));
  }
}

function wireButtons() {
  find("new").addEventListener("click", () => ask("/new"));
  find("role").addEventListener("click", () => ask("/role"));
  find("stop").addEventListener("click", halt);
  for (const id of ["send", "stop"]) {
    // The box keeps the focus, so that a phone's keyboard stays.
    find(id).addEventListener("pointerdown", (event) => event.preventDefault());
  }
  find("jump").addEventListener("click", () => transcript.follower.follow());
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing && transcript.running) halt();
  });
  const examples = [say("exampleWhat"), say("exampleTable"), say("exampleEcho"), ["/role", say("exampleCommand")]];
  for (const each of examples) {
    const [text, label] = Array.isArray(each) ? each : [each, each];
    find("examples").append(button("example", label, () => ask(text)));
  }
}

function watchAbsence() {
  let left = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) left = Date.now();
    else if (Date.now() - left > ABSENCE) stream.refresh();
  });
  addEventListener("online", () => stream.refresh());
  addEventListener("pageshow", (event) => event.persisted && stream.refresh());
}

wireButtons();
watchAbsence();
if (precise) composer.focus();
for (const letter of outbox.letters) transcript.ensure(asItem(letter)).deliver(letter.state, letter.reason);
await stream.refresh();
