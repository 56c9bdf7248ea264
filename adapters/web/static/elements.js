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
