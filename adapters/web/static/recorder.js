// A message by microphone: a button, the time that has passed, and an end or none.

const LONGEST = 20 * 60; // seconds; more is not listened to
const FORMS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"]; // Chromium and Firefox, Safari

/** Whether this browser, on this page, may have a microphone: without TLS it has none. */
export function canRecord() {
  return Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/**
 * Recording in `panel`, which has `.recording-time` and the buttons `[data-do=cancel]` and `[data-do=finish]`.
 * `onFile(file)` gets what was recorded, `onState(recording)` and `onFault()` tell.
 */
export class Recorder {
  #recorder = null;
  #timer = 0;
  #asking = false;

  constructor(panel, { name, onFile, onState, onFault }) {
    this.panel = panel;
    this.time = panel.querySelector(".recording-time");
    this.finish = panel.querySelector("[data-do=finish]");
    this.name = name;
    this.onFile = onFile;
    this.onState = onState;
    this.onFault = onFault;
    this.finish.addEventListener("click", () => this.#end(true));
    panel.querySelector("[data-do=cancel]").addEventListener("click", () => this.#end(false));
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#end(false);
    });
  }

  /** Ask for the microphone, and begin. */
  async start() {
    if (this.#recorder || this.#asking) return;
    this.#asking = true;
    try {
      this.#record(await navigator.mediaDevices.getUserMedia({ audio: true }));
    } catch (fault) {
      if (!(fault instanceof DOMException)) throw fault;
      this.onFault(); // no microphone, or no leave to use it
    } finally {
      this.#asking = false;
    }
  }

  #record(stream) {
    const mimeType = FORMS.find((form) => MediaRecorder.isTypeSupported(form));
    const recorder = new MediaRecorder(stream, { ...(mimeType && { mimeType }), audioBitsPerSecond: 48_000 });
    const pieces = [];
    recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      if (recorder.wanted) this.onFile(this.#file(pieces, recorder.mimeType));
    });
    recorder.start();
    this.#recorder = recorder;
    const begun = Date.now();
    const tick = () => {
      const seconds = Math.floor((Date.now() - begun) / 1000);
      this.time.textContent = clock(seconds);
      if (seconds >= LONGEST) this.#end(true);
    };
    tick();
    this.#timer = setInterval(tick, 250);
    this.panel.hidden = false;
    this.finish.focus();
    this.onState(true);
  }

  #file(pieces, mime) {
    const type = mime.split(";")[0] || "audio/webm";
    const ending = { "audio/mp4": "m4a", "audio/ogg": "ogg" }[type] ?? "webm";
    return new File(pieces, `${this.name}.${ending}`, { type });
  }

  #end(wanted) {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    clearInterval(this.#timer);
    recorder.wanted = wanted;
    if (recorder.state !== "inactive") recorder.stop();
    this.panel.hidden = true;
    this.onState(false);
  }
}
