// One question and its answer on the page.

import { button, copyButton, make } from "./elements.js";
import { attachments, Glimpse } from "./media.js";
import { Parts } from "./parts.js";

/** What may be done meanwhile, each with a word of the page's. */
const DOINGS = ["queued", "thinking", "typing", "drawing", "listening", "speaking"];

/**
 * One question and its answer. `item` is as `GET /api/history` gives it; `tools` are {say, clock, onChoose,
 * onResend, onTakeBack} where `clock` formats a `Date` as the time of day.
 */
export class Exchange {
  #doing;
  #foot;
  #offers;
  #delivery;
  #nothing;
  #glimpse;
  #said;

  constructor(item, tools) {
    this.tools = tools;
    this.message = item.message;
    this.at = item.at;
    this.question = item.question;
    this.command = item.command;
    this.attached = item.attached ?? [];
    this.ended = false;
    this.delivered = true;
    this.offers = [];
    this.#build();
    this.show(item);
  }

  #build() {
    const { say, clock } = this.tools;
    this.element = make("article", this.command ? "exchange command" : "exchange");
    this.element.setAttribute("aria-live", "off"); // the status line tells when it is finished
    this.element.dataset.message = this.message;

    const question = make("div", "question");
    question.setAttribute("role", "group");
    question.setAttribute("aria-label", say("you"));
    const text = make("p", "said", this.question);
    text.dir = "auto";
    text.title = clock(new Date(this.at * 1000));
    text.hidden = this.question === "";
    this.#delivery = make("div", "delivery");
    if (this.attached.length) question.append(attachments(this.attached, say));
    question.append(text, this.#delivery);

    this.answer = make("div", "answer");
    this.answer.setAttribute("role", "group");
    this.answer.setAttribute("aria-label", say("answer"));
    this.parts = new Parts(this.tools);
    this.#glimpse = new Glimpse(say);
    this.#doing = make("p", "doing");
    this.#doing.append(make("span", "dots"), make("span", "doing-word"));
    this.#doing.firstChild.append(make("i"), make("i"), make("i"));

    this.#foot = make("div", "foot");
    const time = make("time", "", clock(new Date(this.at * 1000)));
    time.dateTime = new Date(this.at * 1000).toISOString();
    this.#foot.append(copyButton("small", say("copyAnswer"), say, () => this.parts.text), time);
    this.#offers = make("div", "offers options");
    this.#nothing = make("p", "notice", say("nothingSaid"));
    this.answer.append(this.parts.element, this.#glimpse.element, this.#nothing, this.#doing, this.#foot, this.#offers);
    this.element.append(question, this.answer);
    this.#said = text;
  }

  /** Show the question as the button was called that sends it. */
  name(label) {
    if (this.#said.textContent !== label) this.#said.textContent = label;
  }

  /** Show the item as the server has it. */
  show(item) {
    this.parts.set(item.parts ?? []);
    this.ended = item.ended ?? false;
    this.offers = item.offers ?? [];
    this.status = item.status ?? null;
    this.joined = item.joined ?? false;
    this.#glimpse.show(item.preview ?? null);
    this.refresh();
  }

  /** The answer begins, perhaps for the second time. */
  begin() {
    this.parts.clear();
    this.ended = false;
    this.joined = false;
    this.offers = [];
    this.status = null;
    this.#glimpse.show(null);
    this.refresh();
  }

  /** A picture as far as it is drawn. */
  glimpse(picture) {
    this.#glimpse.show(picture);
    this.refresh();
  }

  /** The next words. False where something before them was missed. */
  grow({ delta, blocks }) {
    const whole = this.parts.grow(delta, blocks);
    this.status = null;
    this.#glimpse.show(null);
    this.refresh();
    return whole;
  }

  /** A notice, choices or media. */
  add(type, part) {
    this.parts.add({ ...part, type });
    this.#glimpse.hold(this.parts.element.lastElementChild);
    this.status = null;
    this.#glimpse.show(null);
    this.refresh();
  }

  /** What the server is doing meanwhile. */
  do(doing) {
    this.status = doing;
    this.refresh();
  }

  /** The answer is finished; what the server says now is what stands. */
  end({ parts, offers }) {
    // Only what is part of one question with the message before it ends out of its turn.
    this.show({ parts, offers, ended: true, joined: parts.length === 0 && this.queued });
  }

  /** How far the question has come: "sending", "waiting", "failed" or "sent". */
  deliver(state, reason) {
    const { say, onResend, onTakeBack } = this.tools;
    this.delivered = state === "sent";
    this.#delivery.className = `delivery ${state}`;
    this.#delivery.replaceChildren();
    if (state === "sending" || state === "waiting") this.#delivery.textContent = say(state);
    if (state === "failed") {
      this.#delivery.append(
        make("span", "", say("failed", { reason: reason || say("failedUnknown") })),
        button("small", say("resend"), () => onResend(this.message)),
        button("small", say("edit"), () => onTakeBack(this.message)),
      );
    }
    this.refresh();
  }

  /** `last`: nothing was asked after it; `queued`: something before it is not finished. */
  place({ last, queued }) {
    if (this.last === last && this.queued === queued) return;
    this.last = last;
    this.queued = queued;
    this.refresh();
  }

  /** Bring what surrounds the parts in line with the state. */
  refresh() {
    const { say } = this.tools;
    const running = this.delivered && !this.ended;
    const writing = this.parts.writing && (this.status ?? "typing") === "typing";
    this.answer.hidden = !this.delivered;
    this.answer.classList.toggle("writing", running && writing);
    this.answer.setAttribute("aria-busy", String(running));
    this.#doing.hidden = !running || writing;
    const doing = this.queued && this.parts.empty ? "queued" : (this.status ?? "thinking");
    const word = say(DOINGS.includes(doing) ? doing : "thinking");
    if (this.#doing.lastChild.textContent !== word) this.#doing.lastChild.textContent = word;
    this.#nothing.hidden = running || this.joined || !this.parts.empty;
    this.#foot.hidden = running || this.parts.text === "";
    this.#offer(this.last && this.ended ? this.offers : []);
  }

  #offer(offers) {
    const shown = JSON.stringify(offers);
    if (this.#offers.dataset.shown === shown) return;
    this.#offers.dataset.shown = shown;
    this.#offers.replaceChildren(
      ...offers.map((option) => button("option", option.label, () => this.tools.onChoose(option.value))),
    );
  }
}
