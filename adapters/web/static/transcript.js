// The conversation on the page: exchanges in order, days between them, and where the reader is in it.

import { make } from "./elements.js";
import { Exchange } from "./exchange.js";

const LONGEST = 400; // exchanges on the page; older ones are let go
const NEAR = 24; // pixels from the bottom that still count as being there

/** A function that names the day of a `Date`: today and yesterday in words, else the date. */
export function dayNamer(language, now = () => new Date()) {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const near = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
  const far = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
  const capital = (text) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
  return (date) => {
    const today = now();
    const midnight = (day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
    const days = Math.round((midnight(date) - midnight(today)) / 86_400_000);
    if (days === 0 || days === -1) return capital(relative.format(days, "day"));
    return (date.getFullYear() === today.getFullYear() ? near : far).format(date);
  };
}

/** Keeps the end of the conversation in view while the reader is there; `onAway(away)` when that changes. */
class Follower {
  #stuck = true;
  #top = 0;

  constructor(scroller, content, onAway) {
    this.scroller = scroller;
    this.onAway = onAway;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const watch = new ResizeObserver(() => (this.#stuck ? this.#pin() : this.#scrolled()));
    watch.observe(scroller);
    watch.observe(content);
  }

  /** Go to the end and stay there. */
  follow() {
    this.#stuck = true;
    this.#pin();
    this.onAway(false);
  }

  #pin() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#top = this.scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const rest = scrollHeight - clientHeight - scrollTop;
    const up = scrollTop < this.#top - 1;
    this.#top = scrollTop;
    const stuck = rest <= NEAR || (this.#stuck && !up);
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    this.onAway(!stuck);
  }
}

/** All exchanges. `tools` are those of `Exchange`, and `day`, which names the day of a `Date`. */
export class Transcript {
  #exchanges = new Map();

  constructor(log, scroller, tools, onAway) {
    this.log = log;
    this.tools = tools;
    this.follower = new Follower(scroller, scroller.firstElementChild, onAway);
  }

  get empty() {
    return this.#exchanges.size === 0;
  }

  /** Whether the server works at an answer that is shown here. */
  get running() {
    return [...this.#exchanges.values()].some((each) => each.delivered && !each.ended);
  }

  /** The last question that was no command, or an empty text. */
  get lastQuestion() {
    return [...this.#exchanges.values()].findLast((each) => !each.command)?.question ?? "";
  }

  get(message) {
    return this.#exchanges.get(message);
  }

  /** The exchange of `item.message`, made at the end where there is none. */
  ensure(item) {
    let exchange = this.#exchanges.get(item.message);
    if (!exchange) {
      exchange = new Exchange(item, this.tools);
      this.#exchanges.set(item.message, exchange);
      this.log.append(exchange.element);
      this.arrange();
    }
    return exchange;
  }

  /** Take an exchange off the page. */
  drop(message) {
    const exchange = this.#exchanges.get(message);
    exchange?.parts.clear();
    exchange?.element.remove();
    this.#exchanges.delete(message);
  }

  /** Show exactly these items, in this order; what is the same stays untouched. */
  show(items) {
    const before = this.#exchanges;
    this.#exchanges = new Map();
    for (const item of items) {
      const exchange = before.get(item.message);
      if (exchange) exchange.show(item);
      this.#exchanges.set(item.message, exchange ?? new Exchange(item, this.tools));
    }
    for (const [message, { element, parts }] of before) {
      if (this.#exchanges.has(message)) continue;
      parts.clear();
      element.remove();
    }
    this.#forgetDays();
    let next = null;
    for (const { element } of [...this.#exchanges.values()].reverse()) {
      const there = element.parentNode === this.log && element.nextElementSibling === next;
      if (!there) this.log.insertBefore(element, next);
      next = element;
    }
    this.arrange();
  }

  /** After any change of state: who is last, who waits, which days are named. */
  arrange() {
    while (this.#exchanges.size > LONGEST) this.drop(this.#exchanges.keys().next().value);
    const all = [...this.#exchanges.values()];
    const last = all.findLast((exchange) => !exchange.joined);
    const labels = new Map();
    let open = false;
    all.forEach((exchange) => {
      if (exchange.command && labels.has(exchange.question)) exchange.name(labels.get(exchange.question));
      for (const { label, value } of exchange.parts.options) labels.set(value, label);
      exchange.place({ last: exchange === last, queued: open });
      open ||= exchange.delivered && !exchange.ended;
    });
    this.#nameDays(all);
  }

  #forgetDays() {
    for (const day of this.log.querySelectorAll(":scope > .day")) day.remove();
  }

  #nameDays(all) {
    this.#forgetDays();
    let shown = "";
    for (const exchange of all) {
      const name = this.tools.day(new Date(exchange.at * 1000));
      if (name === shown) continue;
      shown = name;
      const day = make("p", "day");
      day.append(make("span", "", name));
      exchange.element.before(day);
    }
  }
}
