// The lines above the picture: questions, faults and notes, the most important first.

import { $, make, makeButton, makeIcon } from "./dom.js";
import { shortName } from "./format.js";
import { GUEST, SERVER } from "./guest.js";
import { unreadTexts } from "./state.js";
import { text } from "./text.js";

/**
 * @typedef {object} Banner
 * @property {string} id
 * @property {"ask" | "bad" | "note"} kind
 * @property {string} icon
 * @property {string} words
 * @property {{words: string, press: () => void, strong?: boolean}[]} [buttons]
 */

const NOTE_MS = 8000;

export class Banners {
  #shown = "";
  #dismissed = new Set();
  /** @type {Map<string, number>} */ #since = new Map();
  /** @type {{recording: string, until: number}} */ #recorded = { recording: "", until: 0 };

  /**
   * @param {import("./state.js").Store} store
   * @param {import("./media.js").Media} media
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   */
  constructor(store, media, send) {
    this.store = store;
    this.media = media;
    this.send = send;
    this.place = $("banners");
    store.watch((state) => this.#render(state));
  }

  /** @param {import("./state.js").State} state */
  #render(state) {
    if (state.phase?.phase === "joining") {
      this.#dismissed.clear();
      this.#since.clear();
    }
    const banners = state.phase?.phase === "call" ? this.#banners(state) : [];
    const key = banners.map(keyOf).join("\n");
    if (key === this.#shown) return;
    this.#shown = key;
    const kept = new Map([...this.place.children].map((line) => [line.getAttribute("data-key"), line])); // lines that stay keep the focus
    this.place.replaceChildren(...banners.map((banner) => kept.get(keyOf(banner)) ?? element(banner)));
  }

  /**
   * @param {import("./state.js").State} state
   * @returns {Banner[]}
   */
  #banners(state) {
    const [words, advice] = [text.banner, text.advice];
    const { call, own, figures, recording } = state;
    const other = call?.other;
    const name = shortName(other?.name ?? "");
    const through = GUEST ? SERVER : other?.through;
    /** @type {(Banner | false | null | undefined)[]} */
    const all = [
      recording.there === "asking" && {
        id: "consent",
        kind: "ask",
        icon: "record",
        words: words.consent(name),
        buttons: [
          { words: words.refuse, press: () => this.send({ type: "consent", allow: false }) },
          { words: words.allow, strong: true, press: () => this.send({ type: "consent", allow: true }) },
        ],
      },
      state.link !== "open" && { id: "process", kind: "bad", icon: "warn", words: both(advice.process) },
      state.link === "open" && state.mediaBlocked && { id: "media", kind: "bad", icon: "warn", words: both(advice.mediaBlocked) },
      state.soundBlocked && {
        id: "sound",
        kind: "ask",
        icon: "speaker",
        words: advice.sound.what,
        buttons: [{ words: words.soundButton, strong: true, press: () => void this.media.unblock() }],
      },
      other && other.picture !== "live" && !this.#dismissed.has(other.picture) && {
        id: other.picture,
        kind: "note",
        icon: "portrait",
        words: (other.picture === "portrait" ? words.portrait : words.file)(name),
        buttons: [{ words: words.dismiss, press: () => this.#dismiss(other.picture) }],
      },
      other && through != null && !this.#dismissed.has("through") && {
        id: "through",
        kind: "note",
        icon: "info",
        words: words.through(through),
        buttons: [{ words: words.dismiss, press: () => this.#dismiss("through") }],
      },
      this.#recordingNote(state),
      own?.layer === "camera" && own.why !== "" && { id: "camera-picture", kind: "note", icon: "cam", words: text.picture.why[own.why] },
      own?.layer === "motion" && own.why !== "" && own.camera !== "no-face" && {
        id: "no-camera-picture",
        kind: "note",
        icon: "info",
        words: text.picture.why[own.why],
      },
      this.#newText(state, name),
      own?.camera === "no-face" && { id: "face", kind: "bad", icon: "warn", words: advice.ownNoFace.what },
      own?.camera === "camera-lost" && state.wantCamera && { id: "camera", kind: "bad", icon: "cam-off", words: advice.cameraLost.what },
      call?.state === "connected" &&
        other?.camera === "no-face" && { id: "their-face", kind: "note", icon: "info", words: advice.theirNoFace(name).what },
      other && figures?.slow && this.#isRecent("slow") && { id: "slow", kind: "note", icon: "info", words: both(advice.slow) },
      call?.server === false && { id: "server", kind: "note", icon: "info", words: both(advice.serverGone) },
    ];
    return all.filter((banner) => typeof banner === "object" && banner !== null).slice(0, 3);
  }

  /**
   * Whether a condition began in the last few seconds. After that the quality sign alone shows it.
   * @param {string} what
   */
  #isRecent(what) {
    const since = this.#since.get(what) ?? performance.now();
    if (!this.#since.has(what)) {
      this.#since.set(what, since);
      setTimeout(() => this.store.set({}), NOTE_MS + 50);
    }
    return performance.now() < since + NOTE_MS;
  }

  /**
   * The newest text of the other person, for some seconds where the texts are not open.
   * @param {import("./state.js").State} state
   * @param {string} name
   * @returns {Banner | undefined}
   */
  #newText(state, name) {
    const newest = unreadTexts(state).at(-1);
    if (!newest || state.chat || !this.#isRecent(`text ${newest.at_ms}`)) return undefined;
    const press = () => this.store.set({ chat: true });
    return { id: "text", kind: "note", icon: "text", words: text.chat.said(name, newest.text), buttons: [{ words: text.chat.show, press }] };
  }

  /** @param {string} what */
  #dismiss(what) {
    this.#dismissed.add(what);
    this.store.set({});
  }

  /**
   * The state of a recording; its end is shown for a few seconds.
   * @param {import("./state.js").State} state
   * @returns {Banner | undefined}
   */
  #recordingNote({ recording, call }) {
    const name = shortName(call?.other?.name ?? "");
    if (recording.here === "asking") return { id: "asking", kind: "note", icon: "record", words: text.banner.asking(name) };
    if (recording.here === "on") {
      this.#recorded = { recording: "", until: 0 };
      return undefined;
    }
    const words = [
      recording.here === "refused" ? text.banner.refused(name) : recording.here === "unable" ? text.banner.unable(name) : "",
      recording.file ? text.banner.saved(recording.file) : "",
    ].join(" ").trim();
    if (words !== this.#recorded.recording) {
      this.#recorded = { recording: words, until: performance.now() + NOTE_MS };
      setTimeout(() => this.store.set({}), NOTE_MS + 50);
    }
    if (!words || performance.now() > this.#recorded.until) return undefined;
    return { id: "recorded", kind: "note", icon: recording.here === "off" ? "check" : "info", words };
  }
}

/** @param {{what: string, helps: string}} advice */
const both = ({ what, helps }) => `${what} ${helps}`;

/** @param {Banner} banner */
const keyOf = (banner) => `${banner.id}: ${banner.words}`;

/** @param {Banner} banner */
function element(banner) {
  const buttons = (banner.buttons ?? []).map((button) =>
    makeButton(button.words, button.strong ? "small primary" : "small", button.press),
  );
  const line = make("div", { class: `banner ${banner.kind}` }, makeIcon(banner.icon), make("p", { text: banner.words }));
  line.dataset["key"] = keyOf(banner);
  if (buttons.length) line.append(make("div", { class: "banner-buttons" }, ...buttons));
  return line;
}
