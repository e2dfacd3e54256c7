// Texts that the two people write to each other, in the panel beside the picture.

import { $, make, setLabel, setPressed, setText, show } from "./dom.js";
import { shortName, timeOfDay } from "./format.js";
import { unreadTexts } from "./state.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./protocol.js").Written} Written */

const REACTIONS = ["👍", "👏", "😂", "❤️", "🤔", "👋"];
/** A text of one or two pictographs is shown large. */
const PICTOGRAPHS = /^\p{RGI_Emoji}{1,2}$/v;

export class Chat {
  #list = $("texts");
  #field = $("write-text", HTMLInputElement);
  #shown = "";
  #open = false;
  #announcedTo = 0;

  /**
   * @param {import("./state.js").Store} store
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   * @param {(words: string) => void} announce
   */
  constructor(store, send, announce) {
    this.store = store;
    this.announce = announce;
    $("chat-open").addEventListener("click", () => store.set({ chat: !store.state.chat }));
    $("chat-close").addEventListener("click", () => {
      store.set({ chat: false });
      $("chat-open").focus();
    });
    $("write", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const words = this.#field.value.trim();
      if (words) send({ type: "write", text: words });
      this.#field.value = "";
    });
    for (const one of REACTIONS) {
      const button = make("button", { class: "reaction", text: one });
      button.setAttribute("type", "button");
      button.addEventListener("click", () => send({ type: "write", text: one }));
      $("reactions").append(button);
    }
    store.watch((state) => this.#render(state));
  }

  /** @param {State} state */
  #render(state) {
    const { texts, hello, call } = state;
    if (hello) this.#field.maxLength = hello.text_characters;
    const newest = texts.at(-1)?.at_ms ?? 0;
    if (state.chat && state.textsReadTo !== newest) this.store.set({ textsReadTo: newest });
    const unread = unreadTexts(state).length;
    setPressed($("chat-open"), state.chat);
    setLabel($("chat-open"), state.chat ? text.chat.close : unread ? text.chat.unread(unread) : text.chat.open);
    show($("unread"), unread > 0 && !state.chat);
    show($("chat-empty"), texts.length === 0);
    this.#renderTexts(texts, shortName(call?.other?.name ?? ""));
    if (state.chat && !this.#open) queueMicrotask(() => this.#begin());
    this.#open = state.chat;
  }

  /** The panel has just been opened: the newest text is seen, and the next one can be written. */
  #begin() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#field.focus({ preventScroll: true });
  }

  /**
   * @param {Written[]} texts
   * @param {string} name of the other person
   */
  #renderTexts(texts, name) {
    const key = JSON.stringify([texts, name]);
    if (key === this.#shown) return;
    this.#shown = key;
    const atEnd = this.#list.scrollTop + this.#list.clientHeight > this.#list.scrollHeight - 40;
    this.#list.replaceChildren(...texts.map((one) => line(one, name)));
    const newest = texts.at(-1);
    if (atEnd || newest?.whose === "own") this.#list.scrollTop = this.#list.scrollHeight;
    if (newest?.whose === "other" && newest.at_ms > this.#announcedTo) this.announce(text.chat.said(name, newest.text));
    this.#announcedTo = newest?.at_ms ?? 0;
  }
}

/**
 * @param {Written} one
 * @param {string} name of the other person
 */
function line(one, name) {
  const words = make("p", { class: PICTOGRAPHS.test(one.text) ? "large" : "", text: one.text });
  words.dir = "auto";
  const who = one.whose === "own" ? text.call.you : name || text.call.somebody;
  const note = make("span", { class: "text-note" });
  setText(note, one.arrived ? `${who}, ${timeOfDay(one.at_ms)}` : text.chat.waiting);
  const item = make("li", { class: one.whose }, words, note);
  item.toggleAttribute("data-waiting", !one.arrived);
  return item;
}
