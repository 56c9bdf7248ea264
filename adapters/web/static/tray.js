// What is to go with the next message: chosen, dropped or pasted files, uploaded at once and shown above the box.

import { iconButton, make } from "./elements.js";
import { size } from "./media.js";
import { Refusal, pause, upload } from "./wire.js";

const MOST = 8; // as many as are looked at
const LARGEST = 20 * 1024 * 1024; // bytes; the server refuses more
const TOGETHER = 40 * 1024 * 1024;
const TRIES = 4; // some seconds of back-off, then the reader decides
const KEY = "parley.tray";
const CROSS = "M5.5 5.5l9 9M14.5 5.5l-9 9";
const AGAIN = "M15.8 7.2A6.3 6.3 0 1 0 16.3 10M16.2 3.4v4h-4";

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // forbidden storage, or not ours
  }
}

/**
 * The tray in `element`. `onChange()` is called when `ready` or `empty` may have changed, `announce(text)` says it to a
 * screen reader.
 */
export class Tray {
  #things = []; // {node, kept, file, state: "waiting" | "failed" | "kept", abort}
  #running = false;

  constructor(element, note, { say, onChange, announce }) {
    this.element = element;
    this.note = note;
    this.say = say;
    this.onChange = onChange;
    this.announce = announce;
    this.restore(kept());
  }

  get empty() {
    return this.#things.length === 0;
  }

  /** Whether everything in it is with the server. */
  get ready() {
    return this.#things.every((thing) => thing.state === "kept");
  }

  /** Put files in; those that do not fit are refused in words. */
  add(files) {
    const refused = [];
    for (const file of files) {
      const reason = this.#refusal(file);
      if (reason) refused.push(reason);
      else this.#put({ file, state: "waiting", name: file.name, size: file.size, kept: null });
    }
    this.#tell([...new Set(refused)].join(" "));
    this.#settle();
    this.#run();
  }

  /** Put in what is with the server already. */
  restore(list) {
    for (const each of list) this.#put({ file: null, state: "kept", name: each.name, size: each.size, kept: each });
    this.#settle();
  }

  /** Empty it; what was in it, as `POST /api/media` told it. */
  take() {
    const taken = this.#things.map((thing) => thing.kept);
    for (const thing of [...this.#things]) this.#drop(thing);
    this.#tell("");
    return taken;
  }

  #refusal({ name, size: bytes }) {
    const together = this.#things.reduce((sum, thing) => sum + thing.size, bytes);
    if (this.#things.length >= MOST) return this.say("tooMany", { count: MOST });
    if (bytes === 0) return this.say("emptyFile", { name });
    if (bytes > LARGEST) return this.say("tooLarge", { name, limit: "20 MB" });
    return together > TOGETHER ? this.say("tooLargeTogether", { name, limit: "40 MB" }) : "";
  }

  #put(thing) {
    thing.abort = new AbortController();
    thing.node = make("li", "thing");
    this.#things.push(thing);
    this.element.append(thing.node);
    this.#draw(thing);
  }

  #draw(thing) {
    const { say } = this;
    const name = thing.name || say("file");
    const type = thing.file?.type ?? thing.kept.mime;
    const remove = iconButton("thing-button", CROSS, say("remove", { name }), () => {
      this.#drop(thing);
      this.#tell("");
      document.getElementById("question").focus();
    });
    thing.bar = make("progress");
    thing.bar.max = 1;
    thing.bar.value = 0;
    thing.bar.setAttribute("aria-label", say("uploading", { name }));
    thing.again = iconButton("thing-button", AGAIN, say("retryUpload", { name }), () => this.#again(thing));
    thing.node.classList.toggle("pictured", type.startsWith("image/") && type !== "image/svg+xml");
    thing.node.append(this.#preview(thing, type, name), thing.bar, thing.again, remove);
    this.#become(thing, thing.state);
  }

  #preview(thing, type, name) {
    thing.url = thing.file ? URL.createObjectURL(thing.file) : `/api/media/${thing.kept.id}`;
    if (thing.node.classList.contains("pictured")) {
      const image = make("img");
      image.src = thing.url;
      image.alt = name;
      return image;
    }
    if (type.startsWith("audio/")) {
      const player = make("audio");
      player.controls = true;
      player.src = thing.url;
      player.setAttribute("aria-label", name);
      return player;
    }
    const about = make("span", "thing-about");
    about.append(make("span", "chip-name", name), make("span", "chip-size", size(thing.size)));
    return about;
  }

  #become(thing, state) {
    thing.state = state;
    thing.bar.hidden = state !== "waiting";
    thing.again.hidden = state !== "failed";
    thing.node.classList.toggle("failed", state === "failed");
    this.#settle();
  }

  #again(thing) {
    this.#become(thing, "waiting");
    this.#tell("");
    this.#run();
  }

  #drop(thing) {
    thing.abort.abort();
    if (thing.file) URL.revokeObjectURL(thing.url);
    thing.node.remove();
    this.#things = this.#things.filter((each) => each !== thing);
    this.#settle();
  }

  #tell(text) {
    this.note.textContent = text;
    this.note.hidden = text === "";
  }

  #settle() {
    this.element.hidden = this.empty;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.#things.map((thing) => thing.kept).filter(Boolean)));
    } catch {
      document.documentElement.dataset.unkept = "true"; // forbidden storage: it lives as long as the page
    }
    this.onChange();
  }

  /** Upload what waits, one after the other. */
  async #run() {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let thing; (thing = this.#things.find((each) => each.state === "waiting")); ) await this.#upload(thing);
    } finally {
      this.#running = false;
    }
  }

  async #upload(thing) {
    const name = thing.name || this.say("file");
    for (let tries = 1; this.#things.includes(thing); tries += 1) {
      try {
        thing.kept = await upload(thing.file, (share) => (thing.bar.value = share), thing.abort.signal);
        this.#become(thing, "kept");
        this.announce(this.say("uploaded", { name }));
        return;
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault;
        if (!this.#things.includes(thing)) return;
        if (tries >= TRIES || !(fault.passing || fault.status === 429)) {
          this.#become(thing, "failed");
          this.#tell(this.say("uploadFailed", { name, reason: fault.reason || this.say("unreachable") }));
          return;
        }
        await new Promise((done) => setTimeout(done, pause(tries)));
      }
    }
  }
}

/** Files that are dropped anywhere on the page, or pasted without words, go to `onFiles`; `veil` shows where. */
export function catchFiles(veil, onFiles) {
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // a drag enters each element on its way before it leaves the one around it
  const enter = (step) => {
    depth = Math.max(0, depth + step);
    veil.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => brings(event) && enter(1));
  addEventListener("dragleave", (event) => brings(event) && enter(-1));
  addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    enter(-depth);
    onFiles(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (files.length === 0 || types.includes("text/plain")) return; // a copied table is a picture, too
    event.preventDefault();
    onFiles(files);
  });
}
