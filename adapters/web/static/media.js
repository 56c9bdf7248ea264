// Pictures, recordings and files as the page shows them: of an answer, and of a question.

import { icon, make } from "./elements.js";

const SHEET = "M11.5 2.8H6A1.5 1.5 0 0 0 4.5 4.3v11.4A1.5 1.5 0 0 0 6 17.2h8a1.5 1.5 0 0 0 1.5-1.5V6.8zM11.5 2.8v4h4";
const ARROW = "M10 3.5v9M6 9l4 4 4-4M4 16.5h12";
const UNITS = ["byte", "kilobyte", "megabyte"];

/** Where the bytes are. */
const address = (part) => `/api/media/${encodeURIComponent(part.id)}`;

/** A number of bytes for a reader. */
export function size(bytes) {
  const power = bytes < 1000 ? 0 : bytes < 1_000_000 ? 1 : 2;
  const options = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(document.documentElement.lang, options).format(bytes / 1000 ** power);
}

/** The name of a thing, or what it is. */
export function title(part, say) {
  return part.name || part.caption || say({ image: "image", audio: "audio", video: "video" }[part.media] ?? "file");
}

function link(className, part, inside) {
  const node = make("a", className);
  node.href = address(part);
  node.append(...inside);
  return node;
}

function download(className, part, inside) {
  const node = link(className, part, inside);
  node.download = part.name || part.caption || "";
  return node;
}

function chip(part, say) {
  const inside = [icon(SHEET), make("span", "chip-name", title(part, say))];
  if (part.size) inside.push(make("span", "chip-size", size(part.size)));
  return download("chip", part, inside);
}

/** What stands where the bytes are not there any more. */
function lost(part, say) {
  return make("p", "lost", say("mediaGone", { name: title(part, say) }));
}

function lose(node, part, say) {
  node.parentNode.querySelector(".save")?.remove();
  node.replaceWith(lost(part, say));
}

function picture(part, say) {
  const image = make("img");
  image.src = address(part);
  image.alt = part.caption || title(part, say);
  const whole = link("picture", part, [image]);
  whole.target = "_blank";
  whole.rel = "noopener";
  whole.title = say("openPicture");
  image.addEventListener("error", () => lose(whole, part, say));
  return whole;
}

function player(part, say) {
  const node = make(part.media);
  node.controls = true;
  node.preload = "metadata";
  node.src = address(part);
  node.setAttribute("aria-label", title(part, say));
  node.addEventListener("error", () => lose(node, part, say));
  return node;
}

function body(part, say) {
  if (!part.id) return lost(part, say);
  if (part.media === "image") return picture(part, say);
  return part.media === "audio" || part.media === "video" ? player(part, say) : chip(part, say);
}

/** A part of an answer: the thing, its caption, and how to save it. */
export function media(part, say) {
  const node = make("figure", `media ${part.media}`);
  node.append(body(part, say));
  const below = make("figcaption");
  if (part.caption && (part.media !== "file" || part.name)) {
    const caption = make("span", "", part.caption);
    caption.dir = "auto";
    below.append(caption);
  }
  if (part.id && part.media !== "file") {
    below.append(download("small save", part, [icon(ARROW), make("span", "", say("save"))]));
  }
  if (below.textContent) node.append(below);
  return node;
}

/** The one place of a picture that is not finished: each takes the place of the one before it. */
export class Glimpse {
  #shown = "";
  #data = "";

  constructor(say) {
    this.element = make("figure", "media image glimpse");
    this.element.hidden = true;
    this.image = make("img");
    this.image.alt = say("unfinished");
    this.image.addEventListener("load", () => {
      // As large as the finished one will be, although it has fewer pixels.
      this.image.style.setProperty("--ratio", this.image.naturalWidth / this.image.naturalHeight);
    });
  }

  /** Give the finished picture in `figure` this place until its own bytes are there. */
  hold(figure) {
    const image = figure.querySelector("img");
    if (this.element.hidden || !image || image.complete) return;
    [image.width, image.height] = [this.image.clientWidth, this.image.clientHeight];
    for (const end of ["load", "error"]) {
      image.addEventListener(end, () => ["width", "height"].forEach((name) => image.removeAttribute(name)));
    }
  }

  /** Show a picture, {mime, data} with its bytes as base64; nothing for null. */
  show(picture) {
    const data = picture?.data ?? "";
    if (data === this.#data) return;
    this.#data = data;
    this.element.hidden = !picture;
    const before = this.#shown;
    this.#shown = picture ? URL.createObjectURL(blob(picture)) : "";
    if (picture) this.image.src = this.#shown;
    this.element.replaceChildren(...(picture ? [this.image] : []));
    if (before) URL.revokeObjectURL(before);
  }
}

function blob({ mime, data }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: /^image\/(png|jpeg|webp|gif)$/.test(mime) ? mime : "application/octet-stream" });
}

/** What came with a question. */
export function attachments(list, say) {
  const node = make("ul", "attached");
  node.setAttribute("aria-label", say("attachments"));
  for (const part of list) {
    const item = make("li", part.media);
    item.append(body(part, say));
    node.append(item);
  }
  return node;
}
