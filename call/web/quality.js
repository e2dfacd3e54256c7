// The quality sign in the bar: three bars, and on a press what is wrong with the call and what helps.

import { $, make, setAttribute, setLabel, setText, show } from "./dom.js";
import { number, oneDecimal, percent, shortName } from "./format.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {"good" | "fair" | "poor"} Level */
/** @typedef {{id: string, level: "fair" | "poor", what: string, helps: string}} Trouble */

/** Where a figure begins to be fair, and where poor. */
const LOSS = { fair: 0.03, poor: 0.15 };
const CONCEALED = { fair: 0.05, poor: 0.2 };
const DELAY_MS = { fair: 700, poor: 1500 };
const FPS = { fair: 15, poor: 6 };
/** Before this the figures say more about the start than about the call. */
const YOUNG_CALL_S = 5;
/** A figure's trouble stays for this long, so that the sign does not flicker. */
const HOLD_MS = 4000;

export class Quality {
  /** @type {Map<string, {trouble: Trouble, until: number}>} */ #measured = new Map();
  #shown = "";

  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    store.watch((state) => this.#render(state));
  }

  /** @param {State} state */
  #render(state) {
    const known = state.phase?.phase === "call" && state.call?.other != null;
    show($("quality"), known);
    show($("dot"), !known);
    if (!known) {
      this.#measured.clear();
      if (state.phase?.phase !== "call") $("advice").hidePopover();
      return;
    }
    const troubles = [...stated(state), ...this.#held(measured(state))];
    const level = troubles.some((one) => one.level === "poor") ? "poor" : troubles.length ? "fair" : "good";
    const label = text.quality.label(text.quality[level]);
    setAttribute($("quality"), "data-level", level);
    setLabel($("quality"), label);
    setText($("advice-title"), label);
    show($("advice-fine"), level === "good");
    const key = JSON.stringify(troubles);
    if (key === this.#shown) return;
    this.#shown = key;
    $("advice-list").replaceChildren(
      ...troubles.map(({ what, helps }) => make("li", {}, make("strong", { text: what }), make("span", { text: helps }))),
    );
  }

  /** @param {Trouble[]} troubles */
  #held(troubles) {
    const now = performance.now();
    for (const trouble of troubles) this.#measured.set(trouble.id, { trouble, until: now + HOLD_MS });
    for (const [id, { until }] of this.#measured) if (until < now) this.#measured.delete(id);
    return [...this.#measured.values()].map(({ trouble }) => trouble);
  }
}

/**
 * What the states say is wrong.
 * @param {State} state
 * @returns {Trouble[]}
 */
function stated(state) {
  const words = text.advice;
  const { call, own, link } = state;
  if (link !== "open") return [{ id: "process", level: "poor", ...words.process }];
  const other = call?.state === "connected" ? call.other : null;
  const name = shortName(other?.name ?? "");
  return listed([
    state.mediaBlocked && { id: "media", level: "poor", ...words.mediaBlocked },
    call?.state === "stalled" && { id: "stalled", level: "poor", ...words.stalled },
    state.soundBlocked && { id: "sound", level: "fair", ...words.sound },
    call?.server === false && { id: "server", level: "fair", ...words.serverGone },
    own?.camera === "no-face" && { id: "face", level: "fair", ...words.ownNoFace },
    cameraTrouble(state),
    microphoneTrouble(state),
    other?.camera === "no-face" && { id: "their-face", level: "fair", ...words.theirNoFace(name) },
    other?.camera === "camera-lost" && { id: "their-camera", level: "fair", ...words.theirCameraLost(name) },
  ]);
}

/**
 * @param {State} state
 * @returns {Trouble | false}
 */
function cameraTrouble({ camera, own, wantCamera }) {
  if (!wantCamera) return false;
  const words = text.advice;
  if (camera === "denied") return { id: "camera", level: "fair", ...words.cameraDenied };
  if (camera === "missing") return { id: "camera", level: "fair", ...words.cameraMissing };
  if (camera === "busy") return { id: "camera", level: "fair", ...words.cameraBusy };
  return (camera === "lost" || own?.camera === "camera-lost") && { id: "camera", level: "fair", ...words.cameraLost };
}

/**
 * @param {State} state
 * @returns {Trouble | false}
 */
function microphoneTrouble({ microphone, wantMicrophone }) {
  if (!wantMicrophone) return false;
  const words = text.advice;
  if (microphone === "denied") return { id: "microphone", level: "fair", ...words.microphoneDenied };
  if (microphone === "busy") return { id: "microphone", level: "fair", ...words.microphoneBusy };
  return (microphone === "missing" || microphone === "lost") && { id: "microphone", level: "fair", ...words.microphoneMissing };
}

/**
 * What the figures say is wrong.
 * @param {State} state
 * @returns {Trouble[]}
 */
function measured({ call, figures, link }) {
  const other = link === "open" && call?.state === "connected" ? call.other : null;
  if (!other || !figures || figures.seconds < YOUNG_CALL_S) return [];
  const words = text.advice;
  const { slow, loss, concealed, delay_ms: delay, fps } = figures;
  const moving = other.camera === "sending" && other.shown;
  const gaps = moving && !slow ? level(concealed, CONCEALED) : null;
  const late = moving ? level(delay, DELAY_MS) : null;
  const lossy = level(loss, LOSS);
  const few = moving && fps !== null && fps < FPS.fair ? (fps < FPS.poor ? "poor" : "fair") : null;
  return listed([
    slow && { id: "slow", level: few ?? "fair", ...words.slow },
    lossy && { id: "loss", level: lossy, ...words.loss(percent(loss)) },
    gaps && { id: "gaps", level: gaps, ...words.gaps(percent(concealed)) },
    late && { id: "delay", level: late, ...words.delay(oneDecimal((delay ?? 0) / 1000)) },
    few && !slow && !gaps && { id: "few", level: few, ...words.few(shortName(other.name), number(fps ?? 0)) },
  ]);
}

/**
 * @param {number | null} value
 * @param {{fair: number, poor: number}} from
 * @returns {Trouble["level"] | null}
 */
function level(value, from) {
  if (value === null || value < from.fair) return null;
  return value < from.poor ? "fair" : "poor";
}

/** @param {(Trouble | false | null | undefined)[]} troubles */
function listed(troubles) {
  return troubles.filter((one) => typeof one === "object" && one !== null);
}
