// The call page: assembles its parts and chooses the view. `state.js` holds the state, `process.js` receives it, and each other module
// renders one part of it.

import { Banners } from "./banners.js";
import { Chat } from "./chat.js";
import { Dialogs } from "./dialogs.js";
import { Dock, listenToKeys } from "./dock.js";
import { $, setAttribute, setIcon, setText } from "./dom.js";
import { Entrance, GUEST, keep, kept } from "./guest.js";
import { listenToInvite } from "./invite.js";
import { Lobby } from "./lobby.js";
import { Media } from "./media.js";
import { MessageView } from "./message.js";
import { Plot } from "./plot.js";
import { ProcessLink } from "./process.js";
import { Quality } from "./quality.js";
import { Rail } from "./rail.js";
import { Stage } from "./stage.js";
import { Store, reduce } from "./state.js";
import { fillTexts, text } from "./text.js";
import { Turn } from "./turn.js";

/** @typedef {"starting" | "lobby" | "call" | "message"} ViewName */

const TOAST_MS = 5000;
const NOTICE_MS = 4000;
const COPIED_MS = 1600;

document.documentElement.lang = text.locale;
document.documentElement.toggleAttribute("data-guest", GUEST);
fillTexts(document);
const store = new Store();
const entrance = new Entrance();
const link = new ProcessLink({
  message: receive,
  state: linked,
  address: async (anew) => (GUEST ? entrance.address(anew) : { url: "ws" }),
  turnedAway: (why) => store.set({ turnedAway: why }),
});
const media = new Media(store, send);
const dialogs = new Dialogs(store, media, send);
const turn = new Turn(store, send, announce);
const messages = new MessageView(store, link);
new Lobby(store, media, send);
new Stage(store);
new Banners(store, media, send);
new Quality(store);
new Rail(store);
new Chat(store, send, announce);
new Plot(store);
const dock = new Dock(store, media, send, dialogs, announce);
listenToKeys(store, turn, dialogs);
listenToInvite(send);
store.watch(chooseView);
store.watch(keepAwake);
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => void copy(button));

if (Media.supported()) link.open();
else unsupported();

if (GUEST) {
  const changed = () => store.state.link === "open" && link.refresh();
  window.addEventListener("online", changed);
  /** @type {Navigator & {connection?: EventTarget}} */ (navigator).connection?.addEventListener("change", changed); // Chromium has it
}

/** @param {import("./protocol.js").ToProcess} message */
function send(message) {
  if (GUEST && message.type === "keep") return keep(message.what, message.value);
  if (GUEST && message.type === "join") keep("name", message.name);
  return link.send(message);
}

/** @param {import("./process.js").LinkState} state */
function linked(state) {
  store.set({ link: state, turnedAway: null });
  if (state !== "open") media.lost();
}

/** @param {import("./protocol.js").FromProcess} message */
function receive(message) {
  if (GUEST && message.type === "hello") {
    message.kept = kept();
    message.name ||= message.kept.name ?? "";
  }
  store.set(reduce(store.state, message));
  if (message.type === "hello") {
    dock.begin();
    dialogs.begin(message.kept);
  }
  if (message.type === "own") void media.begin(message);
  if (message.type === "phase") media.follow();
  if (message.type === "answer") media.answer(message.sdp);
  if (message.type === "problem") problem(message);
}

/** @param {import("./protocol.js").Problem} message */
function problem({ code, detail }) {
  if (code === "bad-message") throw new Error(detail); // a bug in this page: log it
  if (code === "notice" && store.state.phase?.phase === "call") {
    announce(detail);
    return store.set({ notice: detail, noticeUntil: performance.now() + NOTICE_MS });
  }
  const words = { disk: text.problem.disk, webrtc: text.problem.webrtc, notice: "" }[code];
  toast([words, detail].filter(Boolean).join(" "));
  if (code === "webrtc") media.connectSoon();
  return undefined;
}

/** @type {ViewName} */
let view = "starting";

/** @param {import("./state.js").State} state */
function chooseView(state) {
  const next = viewOf(state);
  const body = document.body;
  setText(document.head.querySelector("title") ?? body, titleOf(state, next));
  if (view === next) return;
  const before = view;
  view = next;
  const change = () => {
    body.dataset["view"] = next;
    if (next !== "lobby") $(next === "call" ? "main" : "message-title").focus({ preventScroll: true });
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (calm || before === "starting" || !document.startViewTransition) change();
  else document.startViewTransition(change).ready.catch(() => undefined); // skipped when the view changes again
}

/**
 * @param {import("./state.js").State} state
 * @returns {ViewName}
 */
function viewOf(state) {
  if (messages.message(state)) return "message";
  if (!state.hello) return "starting";
  return state.phase?.phase === "call" ? "call" : "lobby";
}

/**
 * @param {import("./state.js").State} state
 * @param {ViewName} view
 */
function titleOf({ hello, call, recording }, view) {
  if (!hello || view === "starting") return text.name;
  if (view === "message") return text.title.ended;
  const title = view === "call" ? text.title.call(call?.other?.name ?? "", hello.room) : text.title.lobby(hello.room);
  return view === "call" && (recording.here === "on" || recording.there === "on") ? text.title.recording(title) : title;
}

/** @type {Promise<WakeLockSentinel | undefined> | null} */
let wakeLock = null;

/**
 * Keeps the screen on during a call.
 * @param {import("./state.js").State} state
 */
function keepAwake(state) {
  const wanted = state.phase?.phase === "call" && !document.hidden;
  if (wanted && !wakeLock) {
    wakeLock = navigator.wakeLock?.request("screen").catch(() => undefined) ?? null;
  } else if (!wanted && wakeLock) {
    void wakeLock.then((lock) => lock?.release());
    wakeLock = null;
  }
}

/** @param {Element} button */
async function copy(button) {
  const words = $(button.getAttribute("data-copy") ?? "").textContent ?? "";
  try {
    await navigator.clipboard.writeText(words);
    setAttribute(button, "data-done", "");
    setIcon(button, "check");
    setTimeout(() => {
      setAttribute(button, "data-done", null);
      setIcon(button, "copy");
    }, COPIED_MS);
    announce(text.invite.copied);
  } catch {
    toast(text.invite.notCopied);
  }
}

/** @param {string} words for screen readers */
function announce(words) {
  $("live").textContent = words;
}

let toastTimer = 0;

/** @param {string} words */
function toast(words) {
  const place = $("toast");
  place.textContent = words;
  place.showPopover();
  clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => place.hidePopover(), TOAST_MS);
}

function unsupported() {
  setText($("message-title"), text.unsupported.title);
  setText($("message-text"), text.unsupported.text);
  document.body.dataset["view"] = "message";
}
