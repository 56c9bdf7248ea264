// The wire to the server: requests with plain refusals, and one stream of events that comes back by itself.

const TIMEOUT = 20_000; // milliseconds
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 10_000;

export const EVENTS = ["asked", "begin", "text", "notice", "choices", "media", "preview", "status", "end", "away", "back"];

/** A request that was not granted. `status` is HTTP's, 0 where no answer came; `reason` is fit for the reader. */
export class Refusal extends Error {
  constructor(status, reason = "") {
    super(reason || `HTTP ${status}`);
    this.status = status;
    this.reason = reason;
  }

  /** Whether the same request may succeed a little later. */
  get passing() {
    return this.status === 0 || this.status >= 500;
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT), ...options });
  } catch {
    throw new Refusal(0);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, typeof body?.error === "string" ? body.error : "");
  return body;
}

function post(path, body) {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

export const history = () => request("/api/history");
export const commands = () => request("/api/commands");
export const send = (id, text, attachments) => post("/api/messages", { id, text, attachments });
export const stop = () => post("/api/stop", {});

/**
 * Upload a file; `onProgress(share)` tells how much is there, `signal` ends it. What the server says of it. Not by
 * `fetch`, which tells nothing of what is on its way. Raises `Refusal`.
 */
export function upload(file, onProgress, signal) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/media?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status === 201 && request.response) done(request.response);
      else failed(new Refusal(request.status, request.response?.error ?? ""));
    });
    for (const end of ["error", "abort"]) request.addEventListener(end, () => failed(new Refusal(0)));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** How long to wait before attempt `n` (from 0), in milliseconds: doubling, with a little chance. */
export function pause(n) {
  return Math.min(FIRST_PAUSE * 2 ** n, LONGEST_PAUSE) * (0.8 + 0.4 * Math.random());
}

/**
 * The stream of events, behind a picture of the conversation.
 *
 * `onPicture(history)` is called with every history fetched, `onEvent(name, data)` with every event behind it,
 * `onState(connected)` when the connection is lost or found, `onShut()` when the session is not valid any more.
 * A stream that breaks is resumed once by its cursor; when that fails too, the history is fetched again.
 */
export class Stream {
  #cursor = "0";
  #source = null;
  #timer = 0;
  #tries = 0;
  #fetching = false;

  constructor({ onPicture, onEvent, onState, onShut }) {
    this.onPicture = onPicture;
    this.onEvent = onEvent;
    this.onState = onState;
    this.onShut = onShut;
  }

  /** Fetch the history and follow what comes behind it; also the way back when a gap is suspected. */
  async refresh() {
    if (this.#fetching) return;
    this.#fetching = true;
    this.#close();
    try {
      const picture = await history();
      this.#cursor = picture.cursor;
      this.onPicture(picture);
      this.#open();
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      if (fault.status === 401) {
        this.onShut();
      } else {
        this.onState(false);
        this.#later(() => this.refresh());
      }
    } finally {
      this.#fetching = false;
    }
  }

  #open() {
    const source = new EventSource(`/api/events?after=${encodeURIComponent(this.#cursor)}`);
    this.#source = source;
    source.onopen = () => {
      this.#tries = 0;
      this.onState(true);
    };
    source.onerror = () => {
      if (source !== this.#source) return;
      this.#close();
      const again = this.#tries === 0 ? () => this.#open() : () => this.refresh();
      if (this.#tries > 0) this.onState(false);
      this.#later(again);
    };
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        if (event.lastEventId) this.#cursor = event.lastEventId;
        this.onEvent(name, event.data ? JSON.parse(event.data) : {});
      });
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #later(again) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(again, pause(this.#tries));
    this.#tries += 1;
  }
}
