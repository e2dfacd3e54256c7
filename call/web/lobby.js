// The lobby: preview with the framed square, name, devices, how to appear, and joining.

import { $, setAttribute, setIcon, setLabel, setPressed, setText, show } from "./dom.js";
import { GUEST } from "./guest.js";
import { hostOf, invitation } from "./invite.js";
import { cameraOn, microphoneOn } from "./state.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{icon: string, title: string, text: string, retry: boolean}} Veil */

export class Lobby {
  #named = false;

  /**
   * @param {import("./state.js").Store} store
   * @param {import("./media.js").Media} media
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   */
  constructor(store, media, send) {
    this.name = $("name", HTMLInputElement);
    $("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (store.state.phase?.phase !== "lobby") return;
      const name = this.name.value.trim();
      store.set({ name });
      send({ type: "join", name });
    });
    $("preview-retry").addEventListener("click", () => void media.retry());
    $("lobby-mic").addEventListener("click", () => media.microphone(!microphoneOn(store.state)));
    $("lobby-cam").addEventListener("click", () => void media.camera(!cameraOn(store.state)));
    store.watch((state) => this.#render(state));
  }

  /** @param {State} state */
  #render(state) {
    const { hello, phase } = state;
    if (!hello) return;
    if (!this.#named) {
      this.#named = true;
      this.name.value = hello.name;
      this.name.maxLength = hello.name_characters;
    }
    setText($("lobby-title"), hello.room);
    const { words, make } = invitation(state);
    const link = Boolean(state.invitation?.link);
    setText($("lobby-invite"), words);
    show($("lobby-invite-make"), make);
    setText($("lobby-invite-label"), link ? text.invite.link(hostOf(state)) : text.invite.label);
    setText($("lobby-presence"), hello.invite.token && !link ? text.invite.token : "");
    const join = $("join", HTMLButtonElement);
    const name = phase?.phase;
    join.disabled = name !== "lobby";
    setAttribute(join, "data-busy", name === "lobby" ? null : "");
    setText(join, name === "lobby" ? text.lobby.join : name === "joining" ? text.lobby.joining : text.lobby.loading);
    this.#renderPreview(state);
    this.#renderButtons(state);
  }

  /** @param {State} state */
  #renderPreview(state) {
    const { own } = state;
    const veil = veilOf(state);
    show($("preview-veil"), veil !== null);
    if (veil) {
      setIcon($("preview-veil-icon", SVGUseElement), veil.icon);
      setText($("preview-veil-title"), veil.title);
      setText($("preview-veil-text"), veil.text);
      show($("preview-retry"), veil.retry);
    }
    const square = veil ? null : (own?.framing ?? null);
    const [width, height] = [own?.width ?? 640, own?.height ?? 480];
    $("preview").style.setProperty("--ratio", String(width / height));
    const frame = $("preview-frame");
    show(frame, square !== null);
    if (square) {
      frame.style.left = `${(100 * (width - square.x - square.side)) / width}%`; // the preview is mirrored
      frame.style.top = `${(100 * square.y) / height}%`;
      frame.style.width = `${(100 * square.side) / width}%`;
    }
    const lost = own?.camera === "no-face";
    setAttribute($("preview"), "data-face", lost ? "lost" : square ? "found" : null);
    const note = veil ? "" : noteOf(state);
    setText($("preview-note"), note);
    setAttribute($("preview-note"), "data-quiet", note === text.lobby.framed ? "" : null); // the corners of the square show it
  }

  /** @param {State} state */
  #renderButtons(state) {
    const [heard, seen] = [microphoneOn(state), cameraOn(state)];
    setPressed($("lobby-mic"), !heard);
    setIcon($("lobby-mic"), heard ? "mic" : "mic-off");
    setLabel($("lobby-mic"), heard ? text.call.microphoneOff : text.call.microphoneOn);
    setPressed($("lobby-cam"), !seen);
    setIcon($("lobby-cam"), seen ? "cam" : "cam-off");
    setLabel($("lobby-cam"), seen ? text.call.cameraOff : text.call.cameraOn);
  }
}

/**
 * What is shown in place of the camera's picture.
 * @param {State} state
 * @returns {Veil | null}
 */
function veilOf({ camera, wantCamera }) {
  const words = text.lobby;
  if (!wantCamera) return { icon: "cam-off", title: words.offTitle, text: words.offText, retry: false };
  switch (camera) {
    case "asking":
      return { icon: "cam", title: words.askTitle, text: words.askText, retry: false };
    case "denied":
      return { icon: "cam-off", title: words.deniedTitle, text: words.deniedText, retry: true };
    case "missing":
      return { icon: "cam-off", title: words.missingTitle, text: words.missingText, retry: true };
    case "busy":
      return { icon: "cam-off", title: words.busyTitle, text: words.busyText, retry: true };
    case "lost":
      return { icon: "cam-off", title: words.lostTitle, text: words.lostText, retry: true };
    case "file":
      return { icon: "cam", title: words.file, text: "", retry: false };
    default:
      return null;
  }
}

/** @param {State} state */
function noteOf({ own, microphone, wantMicrophone, mediaBlocked }) {
  const words = text.lobby;
  if (mediaBlocked) return `${text.advice.mediaBlocked.what} ${text.advice.mediaBlocked.helps}`;
  if (wantMicrophone && microphone === "denied") return text.advice.microphoneDenied.what;
  if (wantMicrophone && (microphone === "missing" || microphone === "lost")) return text.advice.microphoneMissing.what;
  if (wantMicrophone && microphone === "busy") return text.advice.microphoneBusy.what;
  if (GUEST) return ""; // the gateway sees nothing before the guest joins
  if (own?.camera === "no-face") return words.noFace;
  if (own?.camera === "sending" || own?.framing) return words.framed;
  return words.searching;
}
