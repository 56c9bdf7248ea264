// What was written here and is not yet with the server: kept over a reload, sent in order, tried again.

import { Refusal, pause, send } from "./wire.js";

const KEY = "parley.outbox";
const TRIES = 30; // some four minutes of back-off, then the reader decides

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // forbidden storage, or not ours
  }
}

/** A new message's id: 22 characters of [A-Za-z0-9_-]. */
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The queue of messages on their way. `onChange(id, state, reason)` tells of each: state is "sending", "waiting"
 * (the server cannot be reached, it is tried again), "failed" (with the reason), "sent" or "silent" (sent, and no answer
 * will come). `onShut()`: the session
 * is over.
 */
export class Outbox {
  #letters = kept(); // {id, text, attached, at, state, reason}
  #running = false;
  #wake = null;

  constructor({ onChange, onShut }) {
    this.onChange = onChange;
    this.onShut = onShut;
  }

  /** The messages that are not with the server, oldest first. */
  get letters() {
    return [...this.#letters];
  }

  /** Put a message on its way. */
  put(letter) {
    this.#letters.push({ ...letter, state: "sending", reason: "" });
    this.#keep();
    this.run();
  }

  /** Send a failed message again, with the same id. */
  again(id) {
    const letter = this.#letters.find((each) => each.id === id);
    if (letter) this.#become(letter, "sending");
    this.run();
  }

  /** Give a failed message up; what it was: {text, attached}. */
  take(id) {
    const letter = this.#letters.find((each) => each.id === id);
    this.#letters = this.#letters.filter((each) => each !== letter);
    this.#keep();
    return { text: letter?.text ?? "", attached: letter?.attached ?? [] };
  }

  /** The server has the message, whatever became of our request. */
  arrived(id, state = "sent") {
    const before = this.#letters.length;
    this.#letters = this.#letters.filter((letter) => letter.id !== id);
    if (this.#letters.length !== before) {
      this.#keep();
      this.onChange(id, state, "");
    }
  }

  /** Try now instead of at the end of the pause: the connection is back. */
  hurry() {
    this.#wake?.();
    this.run();
  }

  /** Send what is there, one after the other. */
  async run() {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let letter; (letter = this.#letters.find((each) => each.state !== "failed")); ) {
        if (!(await this.#deliver(letter))) return;
      }
    } finally {
      this.#running = false;
    }
  }

  async #deliver(letter) {
    for (let tries = 0; this.#letters.includes(letter); tries += 1) {
      try {
        const ids = (letter.attached ?? []).map((each) => each.id);
        const told = await send(letter.id, letter.text, ids);
        this.arrived(letter.id, told?.silent ? "silent" : "sent");
        return true;
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault;
        if (fault.status === 401) {
          this.onShut();
          return false;
        }
        if (!fault.passing || tries + 1 >= TRIES) {
          this.#become(letter, "failed", fault.reason);
          return true;
        }
        this.#become(letter, "waiting", fault.reason);
        await this.#rest(pause(tries));
      }
    }
    return true;
  }

  #rest(milliseconds) {
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  #become(letter, state, reason = "") {
    letter.state = state;
    letter.reason = reason;
    this.#keep();
    if (this.#letters.includes(letter)) this.onChange(letter.id, state, reason);
  }

  #keep() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.#letters));
    } catch {
      document.documentElement.dataset.unkept = "true"; // forbidden storage: it lives as long as the page
    }
  }
}
