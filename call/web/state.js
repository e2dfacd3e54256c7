// The page's state in one object, and its watchers. The process owns the state of the call: its latest messages are kept here, beside what
// only the page knows (devices, permissions, open panels).

/** @typedef {"off" | "asking" | "on" | "denied" | "missing" | "busy" | "lost" | "file"} DeviceState */

/**
 * @typedef {object} Sample one moment of the plot, kbit/s
 * @property {number} at seconds of the call
 * @property {number | null} payload
 * @property {number | null} wire
 * @property {number | null} h264
 *
 * @typedef {object} State
 * @property {import("./process.js").LinkState} link
 * @property {import("./guest.js").TurnedAway | null} turnedAway why the gateway does not let this guest in
 * @property {import("./protocol.js").Hello | null} hello
 * @property {import("./protocol.js").Phase | null} phase
 * @property {import("./protocol.js").Call | null} call
 * @property {import("./protocol.js").Own | null} own
 * @property {import("./protocol.js").View} view
 * @property {import("./protocol.js").Budget} budget
 * @property {import("./protocol.js").Picture} picture which the other side is shown
 * @property {import("./protocol.js").Source | null} otherSource
 * @property {import("./protocol.js").Source | null} ownSource
 * @property {import("./protocol.js").Safety} safety
 * @property {import("./protocol.js").Recording} recording
 * @property {import("./protocol.js").Invitation | null} invitation null where the server makes no links
 * @property {import("./protocol.js").Written[]} texts what the two have written to each other
 * @property {number} textsReadTo `at_ms` of the newest of them that was seen
 * @property {import("./protocol.js").Figures | null} figures
 * @property {Sample[]} history
 * @property {number} callAt `performance.now()` when `call` came
 * @property {number} recordingAt `performance.now()` when `recording` came
 * @property {DeviceState} camera of this browser
 * @property {DeviceState} microphone of this browser
 * @property {boolean} wantCamera
 * @property {boolean} wantMicrophone
 * @property {MediaDeviceInfo[]} devices
 * @property {boolean} soundBlocked until a click, by the browser
 * @property {boolean} mediaBlocked whether the local connection failed again and again: no picture or sound gets through
 * @property {boolean} panel whether the statistics are shown
 * @property {boolean} chat whether the texts are shown, in place of the statistics
 * @property {boolean} turnOpen
 * @property {boolean} pip
 * @property {string | null} portraitUrl of the picture chosen in this page
 * @property {string} portraitProblem
 * @property {boolean} portraitSending
 * @property {string} name as the other person sees it
 * @property {string} notice shown for a moment in place of the status
 * @property {number} noticeUntil `performance.now()`
 */

/** @returns {State} */
export function firstState() {
  return {
    link: "connecting",
    turnedAway: null,
    hello: null,
    phase: null,
    call: null,
    own: null,
    view: { type: "view", yaw: 0, pitch: 0, roll: 0, frontal: false },
    budget: { type: "budget", max_kbps: null },
    picture: { type: "picture", mode: "auto" },
    otherSource: null,
    ownSource: null,
    safety: { type: "safety", words: null },
    recording: { type: "recording", here: "off", there: "off" },
    invitation: null,
    texts: [],
    textsReadTo: 0,
    figures: null,
    history: [],
    callAt: 0,
    recordingAt: 0,
    camera: "asking",
    microphone: "asking",
    wantCamera: true,
    wantMicrophone: true,
    devices: [],
    soundBlocked: false,
    mediaBlocked: false,
    panel: false,
    chat: false,
    turnOpen: false,
    pip: false,
    portraitUrl: null,
    portraitProblem: "",
    portraitSending: false,
    name: "",
    notice: "",
    noticeUntil: 0,
  };
}

export class Store {
  /** @type {((state: State) => void)[]} */ #watchers = [];
  #told = true;

  constructor() {
    this.state = firstState();
  }

  /** @param {(state: State) => void} watcher called in a microtask after a change, once for several changes */
  watch(watcher) {
    this.#watchers.push(watcher);
  }

  /** @param {Partial<State>} change */
  set(change) {
    Object.assign(this.state, change);
    if (!this.#told) return;
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      for (const watcher of this.#watchers) watcher(this.state);
    });
  }
}

const HISTORY_S = 120;

/**
 * The changes that a message from the process makes.
 * @param {State} state
 * @param {import("./protocol.js").FromProcess} message
 * @returns {Partial<State>}
 */
export function reduce(state, message) {
  switch (message.type) {
    case "hello":
      return { hello: message, invitation: null, name: message.name, panel: message.kept.panel === "open" };
    case "phase":
      return { phase: message, ...(startsAnew(state, message) ? anew() : {}) };
    case "call":
      return { call: message, callAt: performance.now() };
    case "own":
      return { own: message };
    case "view":
      return { view: message };
    case "budget":
      return { budget: message };
    case "picture":
      return { picture: message };
    case "source":
      return message.whose === "other" ? { otherSource: message } : { ownSource: message };
    case "safety":
      return { safety: message };
    case "recording":
      return { recording: message, recordingAt: performance.now() };
    case "invitation":
      return { invitation: message };
    case "texts":
      return { texts: message.texts };
    case "figures":
      return { figures: message, history: grown(state.history, message) };
    case "answer":
    case "problem":
      return {};
  }
}

/**
 * Whether the camera is on, as its button shows it: not where the browser refuses it.
 * @param {State} state
 */
export function cameraOn({ wantCamera, camera }) {
  return wantCamera && (camera === "on" || camera === "file" || camera === "asking");
}

/**
 * The same of the microphone.
 * @param {State} state
 */
export function microphoneOn({ wantMicrophone, microphone }) {
  return wantMicrophone && (microphone === "on" || microphone === "file" || microphone === "asking");
}

/**
 * The texts of the other person that were not seen yet. The process keeps the newest only, so their number says nothing.
 * @param {State} state
 */
export function unreadTexts({ texts, textsReadTo }) {
  return texts.filter(({ whose, at_ms: at }) => whose === "other" && at > textsReadTo);
}

/**
 * @param {State} state
 * @param {import("./protocol.js").Phase} phase
 */
function startsAnew(state, phase) {
  return phase.phase === "joining" && state.phase?.phase !== "joining";
}

/** @returns {Partial<State>} */
function anew() {
  return { call: null, texts: [], textsReadTo: 0, chat: false, figures: null, history: [], otherSource: null, safety: { type: "safety", words: null } };
}

/**
 * @param {Sample[]} history
 * @param {import("./protocol.js").Figures} figures
 */
function grown(history, figures) {
  const sample = {
    at: figures.seconds,
    payload: figures.sent.payload_kbps,
    wire: figures.sent.wire_kbps,
    h264: figures.h264?.wire_kbps ?? null,
  };
  return [...history.filter((old) => old.at > figures.seconds - HISTORY_S && old.at < figures.seconds), sample];
}
