// The parts of an answer as the page shows them: text, notices, choices, media.

const COPIED_FOR = 1600; // milliseconds

/** An element with a class and, where given, a text. */
export function make(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

/** A button with a text. */
export function button(className, text, onClick) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make("textarea", "unseen"); // a page that is not served over TLS has no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new DOMException("refused", "NotAllowedError");
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(className, label, say, text) {
  const node = button(className, label, async () => {
    let key = "copied";
    try {
      await copy(text());
    } catch {
      key = "copyFailed";
    }
    node.textContent = say(key);
    setTimeout(() => (node.textContent = label), COPIED_FOR);
  });
  return node;
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // inert: nothing is run or fetched while it is in a template
  return template.content;
}

function dressCode(block, say) {
  const head = make("div", "code-head");
  const language = block.dataset.language || say("code");
  head.append(
    make("span", "code-language", language),
    copyButton("small", say("copy"), say, () => block.querySelector("pre").textContent),
  );
  block.prepend(head);
  const pre = block.querySelector("pre");
  pre.tabIndex = 0; // scrollable by keyboard
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", language);
}

function dress(block, say) {
  const all = (selector) => [...(block.matches(selector) ? [block] : []), ...block.querySelectorAll(selector)];
  for (const code of all("div.code")) dressCode(code, say);
  for (const image of all("img")) {
    if (/^(data:|blob:|\/(?!\/))/.test(image.getAttribute("src") ?? "")) continue;
    const link = make("a", "", image.alt || image.getAttribute("src")); // nothing is fetched from elsewhere
    link.href = image.getAttribute("src") ?? "";
    image.replaceWith(link);
  }
  for (const link of all("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  for (const table of all("table")) {
    const frame = make("div", "table");
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
    if (table === block) return frame;
  }
  return block;
}

function growCode(shown, fresh) {
  if (!shown.matches("div.code") || !fresh.matches("div.code")) return false;
  if (shown.dataset.language !== fresh.dataset.language) return false;
  const code = shown.querySelector("code");
  const next = fresh.querySelector("code")?.textContent ?? "";
  if (!code || !next.startsWith(code.textContent)) return false;
  const more = next.slice(code.textContent.length);
  if (code.firstChild) code.firstChild.appendData(more);
  else code.append(more);
  return true;
}

/**
 * Markdown that the server rendered, kept as its top-level blocks so that only changed ones are touched.
 *
 * What comes within one frame is shown in that frame at once; a page in the background shows it when it is looked at.
 */
export class TextPart {
  type = "text";
  #blocks = []; // {source, node}
  #coming = null; // {from, html}: blocks for the next frame

  constructor(say) {
    this.say = say;
    this.text = "";
    this.element = make("div", "text");
    this.element.dir = "auto";
  }

  /** What a reader hears of it. */
  get spoken() {
    const heard = this.#blocks.map(({ node }) => {
      const copy = node.cloneNode(true);
      for (const head of copy.querySelectorAll(".code-head")) head.remove();
      return copy.textContent.trim();
    });
    return heard.join("\n");
  }

  /** Show `html` and nothing else. */
  set(text, html) {
    this.text = text;
    this.#coming = null;
    this.#put(0, [...parse(html).children]);
  }

  /** The next `delta`; the blocks from `from` on are now `html`, one a block. False where a block was missed. */
  grow(delta, { from, html }) {
    const coming = this.#coming;
    const size = coming ? coming.from + coming.html.length : this.#blocks.length;
    if (from > size) return false;
    this.text += delta;
    if (!coming) {
      this.#coming = { from, html };
      requestAnimationFrame(() => this.#flush());
    } else if (from < coming.from) {
      this.#coming = { from, html };
    } else {
      coming.html = [...coming.html.slice(0, from - coming.from), ...html];
    }
    return true;
  }

  #flush() {
    if (!this.#coming) return;
    const { from, html } = this.#coming;
    this.#coming = null;
    this.#put(
      from,
      html.flatMap((each) => [...parse(each).children]),
    );
  }

  #put(from, fresh) {
    fresh.forEach((element, i) => {
      const block = this.#blocks[from + i];
      const source = element.outerHTML;
      if (block?.source === source) return;
      if (block && growCode(block.node, element)) {
        block.source = source;
        return;
      }
      const node = dress(element, this.say);
      if (block) block.node.replaceWith(node);
      else this.element.append(node);
      this.#blocks[from + i] = { source, node };
    });
    for (const { node } of this.#blocks.splice(from + fresh.length)) node.remove();
  }
}

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

function media(part, { say }) {
  const bytes = Uint8Array.from(atob(part.data), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: part.mime }));
  const node = make("figure", "media");
  const shown = make({ image: "img", audio: "audio", video: "video" }[part.media] ?? "a");
  if (shown.localName === "a") {
    shown.href = url;
    shown.download = part.caption || "";
    shown.textContent = part.caption || say("file", { mime: part.mime });
  } else {
    shown.src = url;
    if (part.media === "image") shown.alt = part.caption;
    else shown.controls = true;
    if (part.caption) node.append(make("figcaption", "", part.caption));
  }
  node.prepend(shown);
  return { element: node, release: () => URL.revokeObjectURL(url) };
}

const FIELDS = { notice: ["text"], choices: ["text", "options"], media: ["media", "mime", "caption", "data"] };

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
      part.release?.();
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
    return { type: part.type, part, ...media(part, this.tools) };
  }
}
