// The message view: the call has ended, another tab has it, the program is gone, the versions differ. A heading, a sentence, what to do.

import { $, make, makeButton, setAttribute, setIcon, setText, show } from "./dom.js";
import { bytes, duration, oneDecimal } from "./format.js";
import { GUEST } from "./guest.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{words: string, press: () => void, strong?: boolean}} Button */
/**
 * @typedef {object} Message
 * @property {string} icon
 * @property {string} title
 * @property {string} [text]
 * @property {string} [command]
 * @property {[string, string][]} [summary]
 * @property {Button[]} [buttons]
 * @property {string} [foot]
 */

const FEW_FRAMES = 15;
const LOSSY = 0.05;

export class MessageView {
  #shown = "";

  /**
   * @param {import("./state.js").Store} store
   * @param {import("./process.js").ProcessLink} link
   */
  constructor(store, link) {
    this.store = store;
    this.link = link;
    store.watch((state) => this.#render(state));
  }

  /**
   * The message to show in place of lobby and call, if any.
   * @param {State} state
   * @returns {Message | null}
   */
  message(state) {
    return linkMessage(state, this.link) ?? phaseMessage(state, this.link);
  }

  /** @param {State} state */
  #render(state) {
    const message = this.message(state);
    const key = message ? JSON.stringify(message) : "";
    if (key === this.#shown) return;
    this.#shown = key;
    if (!message) return;
    setIcon($("message-icon-use", SVGUseElement), message.icon);
    setAttribute($("view-message"), "data-icon", message.icon);
    setText($("message-title"), message.title);
    setText($("message-text"), message.text ?? "");
    setAttribute($("message-text"), "lang", message.text && message.text === state.phase?.detail ? "en" : null); // the process speaks English
    show($("message-text"), Boolean(message.text));
    setText($("message-foot"), message.foot ?? "");
    show($("message-command-line"), Boolean(message.command));
    setText($("message-command"), message.command ?? "");
    const summary = message.summary ?? [];
    show($("message-summary"), summary.length > 0);
    $("message-summary").replaceChildren(
      ...summary.map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value }))),
    );
    $("message-buttons").replaceChildren(
      ...(message.buttons ?? []).map((button) => makeButton(button.words, button.strong ? "primary" : "", button.press)),
    );
    $("message-title").focus({ preventScroll: true }); // for a view already shown; main.js does it when the view changes
  }
}

/**
 * @param {State} state
 * @param {import("./process.js").ProcessLink} link
 * @returns {Message | null}
 */
function linkMessage({ link: state, hello, turnedAway }, link) {
  const command = GUEST ? "" : (hello?.invite.command ?? "facewire call");
  const retry = { strong: true, press: () => link.reopen() };
  if (turnedAway) {
    const again = turnedAway === "used" || turnedAway === "gone" ? [] : [{ ...retry, words: text.turnedAway.retry }];
    return { icon: "info", ...text.turnedAway[turnedAway], buttons: again };
  }
  switch (state) {
    case "elsewhere":
      return { icon: "copy", ...text.elsewhere, buttons: [{ ...retry, words: text.elsewhere.retry }] };
    case "outdated":
      return {
        icon: "info",
        ...text.outdated,
        buttons: [{ words: text.outdated.retry, strong: true, press: () => location.reload() }],
      };
    case "ended":
      return {
        icon: "check",
        title: text.gone.ended,
        text: text.gone.endedText,
        command,
        buttons: GUEST ? [{ ...retry, words: text.ended.again }] : [],
      };
    case "gone":
      return { icon: "warn", title: text.gone.title, text: text.gone.text, command, buttons: [{ ...retry, words: text.gone.retry }] };
    default:
      return null;
  }
}

/**
 * @param {State} state
 * @param {import("./process.js").ProcessLink} link
 * @returns {Message | null}
 */
function phaseMessage(state, link) {
  const { phase, call } = state;
  const quit = { press: () => link.send({ type: "quit" }) };
  if (phase?.phase === "broken") {
    return { icon: "warn", title: text.broken.title, text: phase.detail ?? "", buttons: [{ ...quit, words: text.broken.quit }] };
  }
  if (phase?.phase !== "ended") return null;
  if (phase.code === "invitation-used") return { icon: "info", ...text.turnedAway.used };
  if (phase.code === "invitation-gone") return { icon: "info", ...text.turnedAway.gone };
  const { title, line, icon } = ending(phase.code ?? "other", call?.other?.name ?? "");
  const summary = summaryOf(state);
  return {
    icon,
    title,
    text: line || (phase.code === "other" || phase.code === "refused" ? (phase.detail ?? "") : ""),
    summary,
    buttons: [
      { words: text.ended.again, strong: true, press: () => link.send({ type: "join", name: state.name }) },
      ...(GUEST ? [] : [{ ...quit, words: text.ended.quit }]),
    ],
    foot: line && phase.detail ? phase.detail : "",
  };
}

/**
 * @param {import("./protocol.js").EndCode} code
 * @param {string} name of the other person
 * @returns {{title: string, line: string, icon: string}}
 */
function ending(code, name) {
  const words = text.ended;
  switch (code) {
    case "left":
      return { title: words.left, line: "", icon: "check" };
    case "other-left":
    case "other-ended":
      return { title: words.otherLeft(name), line: "", icon: "check" };
    case "server":
      return { title: words.server, line: words.serverText, icon: "warn" };
    case "token-missing":
      return { title: words.tokenMissing, line: words.tokenMissingText, icon: "warn" };
    case "token-expired":
      return { title: words.tokenExpired, line: words.tokenExpiredText, icon: "warn" };
    case "token":
      return { title: words.token, line: words.tokenText, icon: "warn" };
    case "replaced":
      return { title: words.replaced, line: words.replacedText, icon: "info" };
    case "refused":
      return { title: words.refused, line: "", icon: "warn" };
    case "room-full":
      return { title: words.full, line: words.fullText, icon: "info" };
    case "versions":
      return { title: words.versions, line: words.versionsText, icon: "warn" };
    case "time":
      return { title: words.time, line: "", icon: "check" };
    case "nobody":
      return { title: words.nobody, line: "", icon: "info" };
    default:
      return { title: words.other, line: "", icon: "info" };
  }
}

/**
 * @param {State} state
 * @returns {[string, string][]}
 */
function summaryOf({ call, figures, recording }) {
  if (!figures || call?.seconds == null) return [];
  const sent = figures.sent.bytes;
  const h264 = figures.h264?.bytes;
  /** @type {[string, string][]} */
  const rows = [[text.ended.lasted, duration(figures.seconds)]];
  const why = figures.slow ? text.ended.slow : (figures.loss ?? 0) > LOSSY ? text.ended.lossy : text.ended.theirs;
  if (figures.fps !== null && figures.fps < FEW_FRAMES) rows.push([text.facts.frames, `${oneDecimal(figures.fps)}: ${why}`]);
  if (sent !== null) rows.push([text.ended.sent, bytes(sent)]);
  if (h264) rows.push([text.ended.instead, bytes(h264)]);
  if (recording.file) rows.push([text.ended.recording, recording.file]);
  return rows;
}
