// The stage: the other person, what is shown when there is no picture, the permanent label, and one's own small picture.

import { $, setAttribute, setIcon, setImage, setText, show } from "./dom.js";
import { timeOfDay } from "./format.js";
import { GUEST } from "./guest.js";
import { hostOf, invitation } from "./invite.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{title: string, text: string, icon?: string, invite?: boolean, glass?: boolean}} Veil */

const MOMENT_MS = 2600;
/** How long the real picture is shown before it starts to move. */
const AMBIENT_MS = 1000;
const YOUNG_CALL_S = 8;

export class Stage {
  #remote = $("remote", HTMLVideoElement);
  #momentUntil = 0;
  #momentOf = "";

  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    store.watch((state) => this.#render(state));
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) setInterval(() => this.#drawAmbient(), AMBIENT_MS);
  }

  /** @param {State} state */
  #render(state) {
    if (state.phase?.phase !== "call") {
      this.#momentOf = "";
      return;
    }
    const other = state.call?.other ?? null;
    setAttribute($("portrait"), "data-peer", other ? "here" : "none");
    this.#renderMoment(state);
    const veil = veilOf(state);
    this.#renderVeil(veil);
    setAttribute($("portrait"), "data-shown", other?.shown ? "" : null);
    setAttribute($("portrait"), "data-still", other?.camera === "no-face" || state.call?.state === "stalled" ? "" : null);
    show($("plate"), other !== null);
    if (other) {
      const kind = { live: "", portrait: text.plate.portrait, file: text.plate.file }[other.picture];
      setText($("plate-name"), other.name || text.call.somebody);
      setText($("plate-kind"), kind);
      show($("plate-kind"), kind !== "");
      const silent = other.muted || !other.sends_sound;
      show($("plate-mic", SVGElement), silent);
      setAttribute($("plate-mic", SVGElement), "aria-label", text.call.theirMicrophoneOff);
    }
    show($("badge"), other?.shown === true && (veil === null || veil.glass === true)); // over everything synthesised
    setText($("badge-text"), other?.layer === "camera" ? text.badge.camera : text.badge.text);
    setAttribute($("badge"), "data-layer", other?.layer ?? null);
    $("remote").setAttribute("aria-label", other?.layer === "camera" ? text.call.remoteCameraLabel : text.call.remoteLabel);
    renderSelf(state);
  }

  /**
   * Shows the one real picture, before it starts to move, at the start of a call.
   * @param {State} state
   */
  #renderMoment({ otherSource, call }) {
    const url = otherSource?.url ?? "";
    if (url && call?.other && !this.#momentOf) {
      this.#momentOf = url;
      this.#momentUntil = (call.seconds ?? 0) < YOUNG_CALL_S ? performance.now() + MOMENT_MS : 0;
      if (this.#momentUntil) setTimeout(() => this.store.set({}), MOMENT_MS + 50);
    }
    const usable = Boolean(url) && call?.other != null && call.other.camera !== "paused";
    const alone = usable && (performance.now() < this.#momentUntil || !call?.other?.shown);
    const image = $("source-full", HTMLImageElement);
    if (url) setImage(image, url);
    image.alt = text.source.alt;
    show(image, Boolean(url));
    setAttribute(image, "data-away", alone ? null : "");
    const caption = $("source-caption");
    setAttribute(caption, "data-away", alone && call?.state !== "stalled" ? null : "");
    const taken = otherSource?.taken_ms;
    if (taken) setText($("source-caption-time"), text.source.takenShort(timeOfDay(taken)));
  }

  /** @param {Veil | null} veil */
  #renderVeil(veil) {
    setAttribute($("veil"), "data-away", veil ? null : "");
    setAttribute($("veil"), "data-glass", veil?.glass ? "" : null);
    if (!veil) return;
    show($("veil-beacon"), Boolean(veil.invite));
    show($("veil-spinner"), !veil.icon && !veil.invite);
    show($("veil-icon", SVGElement), Boolean(veil.icon));
    if (veil.icon) setIcon($("veil-icon-use", SVGUseElement), veil.icon);
    setText($("veil-title"), veil.title);
    const { words, make } = invitation(this.store.state);
    setText($("veil-text"), veil.text);
    show($("veil-invite-make"), Boolean(veil.invite) && make);
    show($("veil-invite-line"), Boolean(veil.invite));
    setText($("veil-invite"), words);
  }

  /** A glow around the picture. Drawn here once a second, since a CSS filter would be computed for every frame. */
  #drawAmbient() {
    const { phase, call } = this.store.state;
    if (document.hidden || phase?.phase !== "call" || !call?.other?.shown || !this.#remote.videoWidth) return;
    const canvas = $("ambient", HTMLCanvasElement);
    const context = canvas.getContext("2d");
    if (!context) return;
    const side = canvas.width;
    context.globalAlpha = 0.4;
    context.globalCompositeOperation = "source-over";
    context.filter = "blur(6px) saturate(1.3)";
    context.drawImage(this.#remote, 0, 0, side, side);
    const fade = context.createRadialGradient(side / 2, side / 2, 0.35 * side, side / 2, side / 2, side / 2);
    fade.addColorStop(0, "#000");
    fade.addColorStop(1, "transparent");
    context.globalAlpha = 1;
    context.globalCompositeOperation = "destination-in";
    context.filter = "none";
    context.fillStyle = fade;
    context.fillRect(0, 0, side, side);
  }
}

/**
 * @param {State} state
 * @returns {Veil | null}
 */
function veilOf(state) {
  const { call, hello, otherSource, wantMicrophone, microphone } = state;
  const words = text.veil;
  const other = call?.other;
  if (!call || call.state === "waiting") {
    if (GUEST) return { title: words.waitingTitle, text: words.waitingText };
    const line = hello?.invite.token && !state.invitation?.link ? words.waitingToken : words.waitingText;
    return { title: words.waitingTitle, text: state.invitation?.link ? text.invite.link(hostOf(state)) : line, invite: true };
  }
  if (call.state === "stalled") return { title: words.stalledTitle, text: words.stalledText, glass: true };
  if (call.state === "connecting" || !other) return { title: words.connectingTitle, text: words.connectingText };
  const [theirs, mine] = [other.sends_sound && !other.muted, wantMicrophone && (microphone === "on" || microphone === "file")];
  const still = theirs && mine ? words.soundOnly : theirs ? words.theirSoundOnly : mine ? words.ownSoundOnly : words.noSound;
  if (!other.sends_video || other.camera === "none") return { title: words.noCameraTitle(other.name), text: still, icon: "portrait" };
  if (other.camera === "paused") return { title: words.cameraOffTitle(other.name), text: still, icon: "cam-off" };
  if (!other.shown && !otherSource) return { title: words.pictureTitle(other.name), text: words.pictureText };
  return null;
}

/** @param {State} state */
function renderSelf({ own, ownSource, portraitUrl, name, camera, wantCamera }) {
  const asPortrait = own?.picture === "portrait";
  const portrait = $("self-portrait", HTMLImageElement);
  setImage(portrait, asPortrait ? (portraitUrl ?? ownSource?.url ?? null) : null);
  portrait.alt = text.portrait.alt;
  show(portrait, asPortrait);
  const video = $("self-video", HTMLVideoElement);
  const square = own?.framing;
  if (square && own.width && own.height) {
    const [x, y, scale] = [square.x / square.side, square.y / square.side, own.width / square.side];
    video.style.transform = `translate(${-100 * x}%, ${(-100 * y * own.width) / own.height}%) scale(${scale})`;
    setAttribute(video, "data-framed", "");
  }
  const off = !asPortrait && (!wantCamera || camera !== "on");
  show($("self-veil"), off);
  setAttribute($("self"), "data-face", own?.camera === "no-face" ? "lost" : null);
  const asCamera = own?.layer === "camera";
  setText($("self-caption"), asPortrait && !asCamera ? text.call.asPortrait : asCamera ? text.call.asCamera : name || text.call.you);
}
