// The panel beside the picture: data saved, statistics, the one real picture, the safety words. `chat.js` puts the texts in their place.

import { $, make, setAttribute, setImage, setText, show } from "./dom.js";
import { bytes, kbps, milliseconds, number, oneDecimal, percent, timeOfDay } from "./format.js";
import { GUEST } from "./guest.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./protocol.js").Figures} Figures */

/** @typedef {[string, (figures: Figures) => string]} Fact */

/** @type {Fact[]} */
const FACTS = [
  [text.facts.delay, (f) => milliseconds(f.delay_ms)],
  [text.facts.frames, (f) => oneDecimal(f.fps)],
  [text.facts.concealed, (f) => percent(f.concealed)],
  [text.facts.loss, (f) => percent(f.loss)],
  [text.facts.sent, (f) => bytes(f.sent.bytes)],
  ...(GUEST ? [] : [/** @type {Fact} */ ([text.facts.instead, (f) => bytes(f.h264?.bytes)])]),
];

const MEAN_S = 30;

export class Rail {
  #values = FACTS.map(([name]) => {
    const value = make("dd", { text: text.units.unknown });
    $("facts").append(make("div", {}, make("dt", { text: name }), value));
    return value;
  });

  /** @param {import("./state.js").Store} store */
  constructor(store) {
    store.watch((state) => this.#render(state));
  }

  /** @param {State} state */
  #render(state) {
    const shows = state.call?.other ? (state.chat ? "texts" : state.panel ? "figures" : null) : null;
    setAttribute(document.body, "data-panel", shows);
    if (state.phase?.phase !== "call") return;
    this.#renderFigures(state);
    renderSource(state);
    renderWords(state);
  }

  /** @param {State} state */
  #renderFigures({ figures, history, own }) {
    const { headline, note } = saving(figures, history, own?.camera !== "sending");
    setText($("savings-factor"), headline);
    setText($("savings-note"), note);
    setText($("value-h264"), kbps(figures?.h264?.wire_kbps));
    setText($("value-wire"), kbps(figures?.sent.wire_kbps));
    setText($("value-payload"), kbps(figures?.sent.payload_kbps));
    const h264 = figures?.h264;
    $("legend-h264").title = h264 ? text.savings.psnr(String(h264.crf), oneDecimal(h264.psnr_db)) : "";
    FACTS.forEach(([, value], index) => {
      const place = this.#values[index];
      if (place) setText(place, figures ? value(figures) : text.units.unknown);
    });
  }
}

/**
 * The headline and its note, over the last `MEAN_S`: a source frame or a pause in speech must not swing it. Both rates include the same sound.
 * @param {Figures | null} figures
 * @param {State["history"]} history
 * @param {boolean} off whether no camera is sending
 */
function saving(figures, history, off) {
  const words = text.savings;
  if (off) return { headline: words.off, note: words.offNote };
  const recent = history.filter(({ at, wire, h264 }) => at > (figures?.seconds ?? 0) - MEAN_S && wire && h264);
  const wire = recent.reduce((sum, sample) => sum + (sample.wire ?? 0), 0);
  const h264 = recent.reduce((sum, sample) => sum + (sample.h264 ?? 0), 0);
  if (!wire || !h264) return { headline: words.pending, note: words.pendingNote };
  if (h264 < 1.05 * wire) return { headline: words.more, note: "" };
  return { headline: words.factor(number(h264 / wire)), note: words.note };
}

/** @param {State} state */
function renderSource({ otherSource }) {
  show($("source-card"), otherSource !== null);
  if (!otherSource) return;
  const image = $("source-thumb", HTMLImageElement);
  setImage(image, otherSource.url);
  image.alt = text.source.alt;
  const { taken_ms: taken, picture } = otherSource;
  const several = otherSource.set.length > 1;
  const words = taken ? (several ? text.source.newestTaken : text.source.taken)(timeOfDay(taken)) : text.source.untimed;
  setText($("source-text"), picture === "live" ? words : picture === "portrait" ? text.source.portrait : text.source.file);
  setText($("source-title"), several ? text.source.titles(otherSource.set.length) : text.source.title);
  renderSet(otherSource.set);
  setAttribute($("source-card"), "data-kind", picture);
}

/**
 * All real pictures that came, the newest last, each with its time. What is there already is left alone, so that nothing is loaded again.
 *
 * @param {import("./protocol.js").Source["set"]} set
 */
function renderSet(set) {
  const list = $("source-set");
  show(list, set.length > 1);
  const shown = [...list.children].map((item) => item.getAttribute("data-url"));
  if (shown.join() === set.map((one) => one.url).join()) return;
  list.replaceChildren(
    ...set.map(({ url, taken_ms: taken }) => {
      const item = document.createElement("li");
      item.setAttribute("data-url", url);
      const image = document.createElement("img");
      const words = taken ? text.source.takenShort(timeOfDay(taken)) : "";
      image.src = url;
      image.alt = words || text.source.alt;
      image.title = words;
      item.append(image);
      return item;
    }),
  );
}

/** @param {State} state */
function renderWords({ safety, call }) {
  show($("words-card"), safety.words !== null);
  for (const id of ["words-list", "words-big"]) {
    const place = $(id);
    const words = safety.words ?? [];
    if (place.textContent !== words.join("")) place.replaceChildren(...words.map((word) => make("span", { text: word })));
  }
  const through = call?.other?.through;
  setText($("words-how"), !safety.words ? text.words.none : through && !GUEST ? text.words.through(through) : text.words.how);
}
