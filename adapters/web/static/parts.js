// The parts of an answer as the page shows them: text, notices, choices, media.

import { button, make } from "./elements.js";
import { media } from "./media.js";
import { TextPart } from "./text.js";

function notice(part) {
  const node = make("p", "notice", part.text);
  node.dir = "auto";
  return node;
}

function choices(part, { onChoose }) {
  const node = make("div", "choices");
  const text = make("p", "", part.text);
  text.dir = "auto";
  const buttons = make("div", "options");
  buttons.setAttribute("role", "group");
  buttons.setAttribute("aria-label", part.text);
  for (const option of part.options) buttons.append(button("option", option.label, () => onChoose(option.value)));
  node.append(text, buttons);
  return node;
}

const FIELDS = { notice: ["text"], choices: ["text", "options"], media: ["media", "mime", "caption", "name", "id"] };

function same(shown, part) {
  const fields = FIELDS[part.type] ?? [];
  return shown.type === part.type && fields.every((f) => JSON.stringify(shown.part[f]) === JSON.stringify(part[f]));
}

/** The parts of one answer, in order, in `element`. */
export class Parts {
  #parts = [];

  constructor(tools) {
    this.tools = tools; // {say, onChoose}
    this.element = make("div", "parts");
  }

  get empty() {
    return this.#parts.length === 0;
  }

  /** Whether the next words belong to a text that is already there. */
  get writing() {
    return this.#parts.at(-1)?.type === "text";
  }

  /** The Markdown of the answer. */
  get text() {
    return this.#parts
      .filter((part) => part.type === "text")
      .map((part) => part.text)
      .join("\n\n");
  }

  /** What may be chosen, each a {label, value}. */
  get options() {
    return this.#parts.filter((part) => part.type === "choices").flatMap((part) => part.part.options);
  }

  /** What a reader hears of the answer. */
  get spoken() {
    return this.#parts
      .map((part) => (part.type === "text" ? part.spoken : (part.part.text ?? part.part.caption ?? "")))
      .join("\n");
  }

  clear() {
    this.#cut(0);
  }

  /** The next piece of text. False where something before it was missed. */
  grow(delta, blocks) {
    let part = this.#parts.at(-1);
    if (part?.type !== "text") {
      part = new TextPart(this.tools.say);
      this.#parts.push(part);
      this.element.append(part.element);
    }
    return part.grow(delta, blocks);
  }

  /** Add a part that is not text. */
  add(part) {
    const shown = this.#build(part);
    this.#parts.push(shown);
    this.element.append(shown.element);
  }

  /** Show these parts and nothing else, leaving alone what is shown already. */
  set(parts) {
    parts.forEach((part, i) => {
      const shown = this.#parts[i];
      if (shown?.type === "text" && part.type === "text") {
        shown.set(part.text, part.html);
      } else if (!shown || !same(shown, part)) {
        this.#cut(i);
        this.add(part);
      }
    });
    this.#cut(parts.length);
  }

  #cut(from) {
    for (const part of this.#parts.splice(from)) {
      part.element.remove();
    }
  }

  #build(part) {
    if (part.type === "text") {
      const text = new TextPart(this.tools.say);
      text.set(part.text, part.html);
      return text;
    }
    if (part.type === "notice") return { type: part.type, part, element: notice(part) };
    if (part.type === "choices") return { type: part.type, part, element: choices(part, this.tools) };
    return { type: part.type, part, element: media(part, this.tools.say) };
  }
}
