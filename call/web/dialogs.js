// The dialogs: settings, devices, portrait, shortcuts, safety words and recording.

import { $, make, setAttribute, setImage, setText, show } from "./dom.js";
import { GUEST } from "./guest.js";
import { text } from "./text.js";
import { timeOfDay } from "./format.js";

/** @typedef {import("./state.js").State} State */

const MODIFIER = "⇧";
const MAX_PICTURE_BYTES = 20_000_000;
/** Steps of the slider for the rate limit, kbit/s; beyond the last one there is no limit. */
const BUDGETS = [8, 10, 12, 15, 18, 20, 24, 30, 40, 60, 100, 200];

export class Dialogs {
  #devices = "";
  singleKeys = true;

  /**
   * @param {import("./state.js").Store} store
   * @param {import("./media.js").Media} media
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   */
  constructor(store, media, send) {
    this.store = store;
    this.media = media;
    this.send = send;
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.addEventListener("click", (event) => {
        const close = event.target instanceof Element && event.target.closest("[data-close]");
        if (close || event.target === dialog) dialog.close();
      });
    }
    for (const name of ["settings", "keys", "words"]) $(`${name}-open`).addEventListener("click", () => this.open(name));
    $("badge").addEventListener("click", () => this.open("about"));
    $("record-start").addEventListener("click", () => {
      send({ type: "record", on: true });
      $("record-dialog", HTMLDialogElement).close();
    });
    $("stop-recording").addEventListener("click", () => this.#stopRecording());
    this.#listenToDevices();
    this.#listenToBudget();
    this.#listenToPortrait();
    this.#listenToPicture();
    this.#listenToTheme();
    fillKeys();
    store.watch((state) => this.#render(state));
  }

  /** @param {string} id */
  open(id) {
    const dialog = $(id, HTMLDialogElement);
    if (!dialog.open) dialog.showModal();
  }

  /**
   * Takes over what the process remembers of earlier calls.
   * @param {import("./protocol.js").Hello["kept"]} kept
   */
  begin({ theme = "system", keys = "on" }) {
    setTheme(theme);
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName("theme"))) {
      radio.checked = radio.value === theme;
    }
    this.singleKeys = $("single-keys", HTMLInputElement).checked = keys !== "off";
  }

  /** Opened by the red mark: stop one's own recording, or withdraw consent to the other side's. */
  recording() {
    this.open("recording");
  }

  #stopRecording() {
    const { here } = this.store.state.recording;
    this.send(here === "on" || here === "asking" ? { type: "record", on: false } : { type: "consent", allow: false });
    $("recording", HTMLDialogElement).close();
  }

  #listenToDevices() {
    for (const place of ["lobby", "settings"]) {
      for (const device of /** @type {const} */ (["camera", "microphone", "speaker"])) {
        $(`${place}-${device}`, HTMLSelectElement).addEventListener("change", (event) => {
          void this.media.choose(device, /** @type {HTMLSelectElement} */ (event.target).value);
        });
      }
      show($(`${place}-speaker-field`), "setSinkId" in HTMLMediaElement.prototype);
    }
  }

  #listenToBudget() {
    const rate = $("rate", HTMLInputElement);
    rate.max = String(BUDGETS.length);
    const chosen = () => BUDGETS[rate.valueAsNumber] ?? null;
    rate.addEventListener("input", () => setBudgetText(chosen()));
    rate.addEventListener("change", () => this.send({ type: "budget", max_kbps: chosen() }));
  }

  #listenToPicture() {
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName("picture"))) {
      radio.addEventListener("change", () => {
        this.send({ type: "picture", mode: /** @type {import("./protocol.js").Picture["mode"]} */ (radio.value) });
      });
    }
  }

  #listenToPortrait() {
    const file = $("portrait-file", HTMLInputElement);
    $("portrait-choose").addEventListener("click", () => file.click());
    $("new-source").addEventListener("click", () => this.send({ type: "new-source" }));
    $("portrait-clear").addEventListener("click", () => this.send({ type: "portrait", on: false }));
    $("appear-self").addEventListener("click", () => this.send({ type: "portrait", on: false }));
    $("appear-portrait").addEventListener("click", (event) => {
      event.preventDefault(); // checked only once the process has accepted a picture
      if (this.store.state.own?.portrait && this.store.state.own.picture !== "portrait") this.send({ type: "portrait", on: true });
      else file.click();
    });
    file.addEventListener("change", () => {
      const picture = file.files?.[0];
      file.value = "";
      if (picture) void this.#post(picture);
    });
  }

  /** @param {File} picture */
  async #post(picture) {
    const words = text.portrait;
    if (picture.size > MAX_PICTURE_BYTES) return this.store.set({ portraitProblem: words.tooLarge });
    this.store.set({ portraitProblem: "", portraitSending: true });
    try {
      const answer = await fetch("portrait", { method: "POST", body: picture });
      const { ok, code, detail } = /** @type {{ok: boolean, code?: string, detail?: string}} */ (await answer.json());
      if (!ok) {
        const known = { "no-face": words.noFace, "not-a-picture": words.notAPicture, "too-large": words.tooLarge }[code ?? ""];
        return this.store.set({ portraitProblem: known ?? detail ?? words.failed });
      }
      if (this.store.state.portraitUrl) URL.revokeObjectURL(this.store.state.portraitUrl);
      this.store.set({ portraitUrl: URL.createObjectURL(picture) });
      this.send({ type: "portrait", on: true });
    } catch {
      this.store.set({ portraitProblem: words.failed });
    } finally {
      this.store.set({ portraitSending: false });
    }
    return undefined;
  }

  #listenToTheme() {
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName("theme"))) {
      radio.addEventListener("change", () => {
        this.send({ type: "keep", what: "theme", value: radio.value });
        setTheme(radio.value);
        this.store.set({});
      });
    }
    const keys = $("single-keys", HTMLInputElement);
    keys.addEventListener("change", () => {
      this.singleKeys = keys.checked;
      this.send({ type: "keep", what: "keys", value: keys.checked ? "on" : "off" });
    });
  }

  /** @param {State} state */
  #render(state) {
    this.#renderDevices(state);
    renderPortrait(state);
    const { hello, budget, recording } = state;
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName("picture"))) {
      radio.checked = radio.value === state.picture.mode;
    }
    const why = state.phase?.phase === "call" ? (state.own?.why ?? "") : "";
    setText($("picture-note"), why ? text.picture.why[why] : text.picture.note);
    const rate = $("rate", HTMLInputElement);
    if (document.activeElement !== rate) {
      const index = budget.max_kbps === null ? -1 : BUDGETS.findIndex((step) => step >= (budget.max_kbps ?? 0));
      rate.value = String(index < 0 ? BUDGETS.length : index);
      setBudgetText(budget.max_kbps);
    }
    setText($("record-where"), hello?.folder ? text.record.whereFolder(hello.folder) : text.record.where);
    const here = recording.here === "on" || recording.here === "asking";
    setText($("recording-title"), here ? text.record.hereTitle : text.record.there(state.call?.other?.name ?? ""));
    setText($("recording-text"), here ? text.record.hereText : text.record.thereText);
    setText($("stop-recording"), here ? text.record.stopHere : text.record.stopThere);
    if (!here && recording.there !== "on") $("recording", HTMLDialogElement).close();
    renderAbout(state);
  }

  /** @param {State} state */
  #renderDevices({ devices, camera, microphone, hello }) {
    const inUse = /** @type {const} */ (["camera", "microphone", "speaker"]).map((device) => this.media.chosen(device));
    const key = JSON.stringify([devices.map((device) => [device.deviceId, device.label]), camera, microphone, inUse]);
    if (key === this.#devices) return;
    this.#devices = key;
    const kinds = /** @type {const} */ ([
      ["camera", "videoinput", hello?.sends.camera],
      ["microphone", "audioinput", hello?.sends.microphone],
      ["speaker", "audiooutput", true],
    ]);
    for (const [device, kind, ours] of kinds) {
      const options = ours === false ? [] : optionsOf(devices, kind, text.devices[device]);
      for (const place of ["lobby", "settings"]) {
        const select = $(`${place}-${device}`, HTMLSelectElement);
        const none = ours === false ? text.devices.file : device === "speaker" ? text.devices.systemSpeaker : text.devices.none;
        select.replaceChildren(...(options.length ? options.map(({ id, name }) => new Option(name, id)) : [new Option(none, "")]));
        select.disabled = options.length < 2;
        const chosen = this.media.chosen(device);
        if (chosen) select.value = chosen;
      }
    }
  }
}

/** @param {string} theme */
function setTheme(theme) {
  setAttribute(document.documentElement, "data-theme", theme === "light" || theme === "dark" ? theme : null);
}

/**
 * @param {MediaDeviceInfo[]} devices
 * @param {string} kind
 * @param {string} word to number unnamed devices with
 */
function optionsOf(devices, kind, word) {
  return devices
    .filter((device) => device.kind === kind && device.deviceId)
    .map((device, index) => ({ id: device.deviceId, name: device.label || text.devices.unnamed(word, index + 1) }));
}

/** @param {number | null} kbps */
function setBudgetText(kbps) {
  const words = kbps === null ? text.settings.noLimit : text.settings.kbps(kbps);
  const rate = $("rate", HTMLInputElement);
  setText($("rate-text"), words);
  setAttribute(rate, "aria-valuetext", words);
  rate.style.setProperty("--at", String(rate.valueAsNumber / BUDGETS.length));
}

/** @param {State} state */
function renderPortrait({ own, ownSource, portraitUrl, portraitProblem, portraitSending }) {
  const on = own?.picture === "portrait";
  const words = text.portrait;
  const live = !on && ownSource !== null;
  const appears = on ? words.isPortrait : live ? words.isSource : words.isSelf;
  const state = portraitProblem || (portraitSending ? words.sending : appears);
  setText($("portrait-state"), state);
  setAttribute($("portrait-state"), "data-problem", portraitProblem ? "" : null);
  const thumb = $("portrait-thumb", HTMLImageElement);
  const url = on ? (portraitUrl ?? ownSource?.url ?? null) : (ownSource?.url ?? null);
  setImage(thumb, url);
  thumb.alt = on ? words.alt : text.source.ownAlt;
  show(thumb, url !== null);
  show($("new-source"), live);
  show($("portrait-clear"), on);
  $("appear-self", HTMLInputElement).checked = !on;
  $("appear-portrait", HTMLInputElement).checked = on;
  show($("appear-note"), Boolean(on || portraitProblem || portraitSending));
  setText($("appear-note"), portraitProblem || (portraitSending ? words.sending : words.note));
  setAttribute($("appear-note"), "data-problem", portraitProblem ? "" : null);
}

/** @param {State} state */
function renderAbout({ otherSource }) {
  show($("about-source"), otherSource !== null);
  if (!otherSource) return;
  const image = $("about-image", HTMLImageElement);
  setImage(image, otherSource.url);
  image.alt = text.source.alt;
  const taken = otherSource.taken_ms;
  setText($("about-caption"), [text.source.caption, taken ? text.source.takenShort(timeOfDay(taken)) : ""].filter(Boolean).join(", "));
}

function fillKeys() {
  const words = text.keys;
  /** @type {[string[], string][]} */
  const keys = [
    [["M"], words.microphone],
    [["C"], words.camera],
    [["E"], words.eye],
    [["T"], words.turn],
    [["←", "→", "↑", "↓"], words.arrows],
    [["0"], words.reset],
    [["R"], words.record],
    [["P"], words.pip],
    [["F"], words.full],
    [["S"], words.figures],
    [["X"], words.texts],
    [["W"], words.words],
    [[MODIFIER, "Q"], words.leave],
    [["?"], words.help],
  ];
  for (const [caps, words_] of keys) {
    if (GUEST && words_ === words.record) continue;
    const combination = make("dt", {}, ...caps.map((cap) => make("kbd", { text: cap })));
    $("keys-list").append(make("div", {}, combination, make("dd", { text: words_ })));
  }
}
