// Small pieces of the page: elements, buttons, copying.

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

/** A drawing of 20 by 20, by the data of its path. */
export function icon(path) {
  const SVG = "http://www.w3.org/2000/svg";
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("viewBox", "0 0 20 20");
  node.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  node.append(line);
  return node;
}

/** A small button that shows a drawing and has its text as its name. */
export function iconButton(className, path, text, onClick) {
  const node = button(className, null, onClick);
  node.setAttribute("aria-label", text);
  node.title = text;
  node.append(icon(path));
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
