// Markdown that the server rendered, as it grows.

import { copyButton, make } from "./elements.js";

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
