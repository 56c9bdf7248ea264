// The box that messages are written in: keys, draft, length, suggested commands.

import { make } from "./elements.js";
import { Recorder, canRecord } from "./recorder.js";
import { Tray, catchFiles } from "./tray.js";

const DRAFT = "parley.draft";
const LIMIT = 32_000; // characters; the server refuses more
const COUNT_FROM = 30_000;

function kept() {
  try {
    return sessionStorage.getItem(DRAFT) ?? "";
  } catch {
    return ""; // forbidden storage
  }
}

/** Characters as the server counts them: code points, not UTF-16 units. */
function length(text) {
  if (text.length < COUNT_FROM) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The commands that begin with what is written. */
class Suggestions {
  #commands = [];
  #shown = [];
  #at = -1;

  constructor(box, list, language, onTake) {
    this.box = box;
    this.list = list;
    this.language = language;
    this.onTake = onTake;
    // The box keeps the focus, so that a tap does not close a phone's keyboard.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  set commands(commands) {
    this.#commands = commands;
    this.update();
  }

  get open() {
    return this.#shown.length > 0;
  }

  update() {
    const written = this.box.value;
    const fits = (each) => `/${each.name}`.startsWith(written) && `/${each.name}` !== written;
    this.#show(/^\/\w*$/.test(written) ? this.#commands.filter(fits) : []);
  }

  close() {
    this.#show([]);
  }

  /** Whether the key was meant for the list. */
  key(name) {
    if (!this.open) return false;
    if (name === "Escape") this.close();
    else if (name === "ArrowDown") this.#move(1);
    else if (name === "ArrowUp") this.#move(-1);
    else if (name === "Tab" || (name === "Enter" && this.#at >= 0)) this.#take(Math.max(this.#at, 0));
    else return false;
    return true;
  }

  #move(step) {
    this.#at = (this.#at + step + this.#shown.length + (this.#at < 0 && step < 0 ? 1 : 0)) % this.#shown.length;
    [...this.list.children].forEach((node, i) => node.setAttribute("aria-selected", String(i === this.#at)));
    this.list.children[this.#at].scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", this.list.children[this.#at].id);
  }

  #take(i) {
    const name = this.#shown[i].name;
    this.close();
    this.onTake(`/${name}`);
  }

  #show(commands) {
    this.#shown = commands;
    this.#at = -1;
    this.box.removeAttribute("aria-activedescendant");
    this.list.hidden = commands.length === 0;
    this.list.replaceChildren(
      ...commands.map((command, i) => {
        const node = make("div", "suggestion");
        node.id = `suggestion-${i}`;
        node.setAttribute("role", "option");
        node.setAttribute("aria-selected", "false");
        node.append(make("b", "", `/${command.name}`), make("span", "", command.descriptions[this.language] ?? ""));
        node.addEventListener("click", () => this.#take(i));
        return node;
      }),
    );
  }
}

/**
 * The composer in `form`. `onSend(text, attached)` is called with a message; `recall()` gives the last question, and
 * `announce(text)` has a screen reader say something.
 */
export class Composer {
  constructor(form, { say, language, onSend, recall, announce }) {
    this.form = form;
    this.say = say;
    this.onSend = onSend;
    this.recall = recall;
    this.box = form.querySelector("textarea");
    this.button = form.querySelector('[type="submit"]');
    this.counter = document.getElementById("counter");
    const list = document.getElementById("suggestions");
    this.suggestions = new Suggestions(this.box, list, language, (text) => this.write(`${text} `));
    this.box.value = kept();
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("blur", () => this.suggestions.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    addEventListener("resize", () => this.#fit());
    const note = document.getElementById("note");
    this.tray = new Tray(document.getElementById("tray"), note, { say, announce, onChange: () => this.#count() });
    this.#wireFiles();
    this.#wireRecorder(note);
    this.#changed();
    this.suggestions.close();
  }

  /** Put `text` into the box, the cursor behind it. */
  write(text) {
    this.box.value = text;
    this.box.setSelectionRange(text.length, text.length);
    this.box.focus();
    this.#changed();
  }

  /** Put back what was not sent. */
  restore({ text, attached }) {
    this.tray.restore(attached);
    this.write(text);
  }

  #wireFiles() {
    const input = document.getElementById("files");
    document.getElementById("attach").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.tray.add([...input.files]);
      input.value = ""; // the same file may be chosen again
      this.focus();
    });
    catchFiles(document.getElementById("veil"), (files) => this.tray.add([...files]));
  }

  #wireRecorder(note) {
    const button = document.getElementById("record");
    button.hidden = !canRecord();
    const recorder = new Recorder(document.getElementById("recording"), {
      name: this.say("recorded"),
      onFile: (file) => this.tray.add([file]),
      onState: (recording) => {
        this.form.classList.toggle("recording-now", recording);
        note.hidden = true;
        if (!recording) this.focus();
      },
      onFault: () => {
        note.textContent = this.say("recordFailed");
        note.hidden = false;
      },
    });
    button.addEventListener("click", () => recorder.start());
  }

  focus() {
    this.box.focus({ preventScroll: true });
  }

  #key(event) {
    // While a word is being composed, its keys belong to the input method (229: Safari's last key of it).
    if (event.isComposing || event.keyCode === 229) return;
    if (this.suggestions.key(event.key)) {
      event.preventDefault();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && this.box.value === "") {
      const last = this.recall();
      if (!last) return;
      event.preventDefault();
      this.write(last);
    }
  }

  #submit() {
    const text = this.box.value.trim();
    if ((!text && this.tray.empty) || !this.tray.ready || length(text) > LIMIT) return;
    this.box.value = "";
    const attached = this.tray.take();
    this.#changed();
    this.onSend(text, attached);
  }

  #changed() {
    const text = this.box.value;
    try {
      sessionStorage.setItem(DRAFT, text);
    } catch {
      document.documentElement.dataset.unkept = "true"; // forbidden storage: it lives as long as the page
    }
    this.#count();
    this.#fit();
    this.suggestions.update();
  }

  #count() {
    const count = length(this.box.value.trim());
    const over = count > LIMIT;
    const number = (value) => value.toLocaleString(document.documentElement.lang);
    this.counter.hidden = count < COUNT_FROM;
    this.counter.textContent = this.say("counter", { count: number(count), limit: number(LIMIT) });
    if (over) this.counter.textContent += ` ${this.say("tooLong")}`;
    this.counter.classList.toggle("over", over);
    this.box.setAttribute("aria-invalid", String(over));
    // The tray asks for this while it is being built.
    this.button.disabled = !this.tray || (count === 0 && this.tray.empty) || !this.tray.ready || over;
  }

  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`; // its longest height is the style sheet's
  }
}
