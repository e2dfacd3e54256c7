// The call's buttons and their keyboard shortcuts.

import { $, setAttribute, setIcon, setLabel, setPressed, setText, show } from "./dom.js";
import { duration, shortName } from "./format.js";
import { GUEST } from "./guest.js";
import { cameraOn, microphoneOn } from "./state.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */

/** Whether the browser tells the page about picture in picture. */
const PIP = Boolean(document.pictureInPictureEnabled);
const IDLE_MS = 3500;
const TICK_MS = 250;

export class Dock {
  #remote = $("remote", HTMLVideoElement);
  #idle = 0;

  /**
   * @param {import("./state.js").Store} store
   * @param {import("./media.js").Media} media
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   * @param {import("./dialogs.js").Dialogs} dialogs
   * @param {(words: string) => void} announce
   */
  constructor(store, media, send, dialogs, announce) {
    this.store = store;
    this.send = send;
    const press = (/** @type {string} */ id, /** @type {() => void} */ action) => $(id).addEventListener("click", action);
    press("mic", () => {
      media.microphone(!microphoneOn(store.state));
      announce(store.state.wantMicrophone ? text.said.micOn : text.said.micOff);
    });
    press("cam", () => {
      void media.camera(!cameraOn(store.state));
      announce(store.state.wantCamera ? text.said.camOn : text.said.camOff);
    });
    press("record", () => this.#record(dialogs));
    press("recording-mark", () => dialogs.recording());
    press("pip", () => void this.#pip());
    press("full", () => void this.#full());
    for (const id of ["figures", "advice-figures"]) press(id, () => this.#panel());
    press("leave", () => send({ type: "leave" }));
    show($("pip"), PIP);
    show($("full"), Boolean(document.fullscreenEnabled));
    this.#remote.addEventListener("enterpictureinpicture", () => this.#pipIs(true));
    this.#remote.addEventListener("leavepictureinpicture", () => this.#pipIs(false));
    document.addEventListener("fullscreenchange", () => store.set({}));
    for (const name of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(name, () => this.#awake());
    setInterval(() => this.#clock(store.state), TICK_MS);
    store.watch((state) => this.#render(state));
  }

  /** @param {import("./dialogs.js").Dialogs} dialogs */
  #record(dialogs) {
    const { here } = this.store.state.recording;
    if (here === "on" || here === "asking") this.send({ type: "record", on: false });
    else dialogs.open("record-dialog");
  }

  /** Called after each hello. Where the browser alone controls picture in picture, the label is always burnt into the picture. */
  begin() {
    this.send({ type: "badge", burnt: !PIP || this.store.state.pip });
  }

  #panel() {
    const panel = this.store.state.chat || !this.store.state.panel;
    this.store.set({ panel, chat: false });
    this.send({ type: "keep", what: "panel", value: panel ? "open" : "closed" });
  }

  async #pip() {
    if (document.pictureInPictureElement) return document.exitPictureInPicture();
    this.send({ type: "badge", burnt: true }); // first, so that no picture appears there without the label
    await this.#remote.requestPictureInPicture().catch(() => this.send({ type: "badge", burnt: false }));
    return undefined;
  }

  /** @param {boolean} pip */
  #pipIs(pip) {
    this.send({ type: "badge", burnt: pip });
    this.store.set({ pip });
  }

  async #full() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen().catch(() => undefined);
  }

  /** Shows the controls; in full screen they disappear again after a while without input, all but the picture and its label. */
  #awake() {
    setAttribute(document.body, "data-idle", null);
    clearTimeout(this.#idle);
    if (!document.fullscreenElement) return;
    this.#idle = window.setTimeout(() => document.fullscreenElement && setAttribute(document.body, "data-idle", ""), IDLE_MS);
  }

  /** @param {State} state */
  #render(state) {
    const words = text.call;
    const { call, recording } = state;
    const connected = call?.other != null;
    const heard = microphoneOn(state);
    setPressed($("mic"), !heard);
    setIcon($("mic"), heard ? "mic" : "mic-off");
    setLabel($("mic"), heard ? words.microphoneOff : words.microphoneOn);
    const seen = cameraOn(state);
    setPressed($("cam"), !seen);
    setIcon($("cam"), seen ? "cam" : "cam-off");
    setLabel($("cam"), seen ? words.cameraOff : words.cameraOn);
    const records = recording.here === "on" || recording.here === "asking";
    setPressed($("record"), records);
    setLabel($("record"), records ? words.recordStop : words.record);
    setAttribute($("record"), "data-state", recording.here);
    for (const id of ["record", "pip", "figures", "chat-open"]) $(id, HTMLButtonElement).disabled = !connected;
    setPressed($("pip"), state.pip);
    setLabel($("pip"), state.pip ? words.pipOff : words.pip);
    const full = document.fullscreenElement !== null;
    setPressed($("full"), full);
    setIcon($("full"), full ? "full-off" : "full");
    setLabel($("full"), full ? words.fullOff : words.full);
    const shown = state.panel && !state.chat;
    setPressed($("figures"), shown);
    setLabel($("figures"), shown ? words.figuresOff : words.figuresOn);
    setText($("advice-figures"), shown ? words.figuresOff : words.figuresOn);
    setLabel($("leave"), words.leave);
    this.#clock(state);
  }

  /**
   * The status with the time of the call, and the red mark with that of a recording.
   * @param {State} state
   */
  #clock(state) {
    const { phase, call, recording, hello } = state;
    const inCall = phase?.phase === "call";
    const there = state.link === "open" || state.link === "lost";
    show($("status"), inCall && call !== null && there);
    setText($("bar-room"), hello && (inCall || phase?.phase === "ended") ? hello.room : "");
    if (!inCall || !call) return show($("recording-mark"), false);
    setAttribute($("status"), "data-state", state.link === "open" ? call.state : "stalled");
    const status = statusOf(state, call);
    setText($("status-text"), status);
    setAttribute($("status-text"), "lang", status === state.notice ? "en" : null); // the process speaks English
    const since = (performance.now() - state.callAt) / 1000;
    setText($("status-clock"), call.seconds === null ? "" : duration(call.seconds + since));
    show($("recording-mark"), recording.here === "on" || recording.here === "asking" || recording.there === "on");
    const time = duration((recording.seconds ?? 0) + (performance.now() - state.recordingAt) / 1000);
    const here = recording.here === "on" ? text.record.here(time) : recording.here === "asking" ? text.record.asking : "";
    setText($("recording-mark-text"), here || text.record.there(shortName(call.other?.name ?? "")));
    setAttribute($("recording-mark"), "data-state", recording.here === "asking" ? "asking" : "on");
    return undefined;
  }
}

/**
 * @param {State} state
 * @param {import("./protocol.js").Call} call
 */
function statusOf(state, call) {
  if (state.link !== "open") return text.status.stalled;
  if (performance.now() < state.noticeUntil) return state.notice;
  return text.status[call.state];
}

/** @type {Record<string, string>} key to button id */
const KEYS = { m: "mic", c: "cam", e: "eye", t: "turn", r: "record", p: "pip", f: "full", s: "figures", x: "chat-open", w: "words-open" };
const TYPING = "input:not([type=range]):not([type=radio]):not([type=checkbox]), select, textarea, dialog";

/**
 * Handles single-key shortcuts during a call, except while something is being typed. The settings can switch them off.
 * @param {import("./state.js").Store} store
 * @param {import("./turn.js").Turn} turn
 * @param {import("./dialogs.js").Dialogs} dialogs
 */
export function listenToKeys(store, turn, dialogs) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !dialogs.singleKeys) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    if (event.key === "?") return dialogs.open("keys");
    if (store.state.phase?.phase !== "call") return;
    if (event.key === "Escape") return store.set({ turnOpen: false });
    if (event.key === "0") return turn.reset();
    if (event.key === "Q" && event.shiftKey) return $("leave").click();
    const id = KEYS[event.key.toLowerCase()];
    if (id && !$(id, HTMLButtonElement).disabled && !(GUEST && id === "record")) $(id).click();
    return undefined;
  });
}
