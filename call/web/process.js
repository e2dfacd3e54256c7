// The WebSocket to this call's process: connecting, reconnecting, and what each close code means.

import { CLOSED, VERSION } from "./protocol.js";

/** @typedef {"connecting" | "open" | "lost" | "elsewhere" | "outdated" | "ended" | "gone"} LinkState */
/** @typedef {{url: string} | {turnedAway: import("./guest.js").TurnedAway}} Address */

const RETRY_MS = 1000;
const GIVE_UP_AFTER = 10;
/** Names this tab, so that it may replace a connection of its own that hangs. */
const TAB = crypto.randomUUID();

export class ProcessLink {
  /** @type {WebSocket | null} */ #socket = null;
  #failures = 0;
  #wasOpen = false;
  #retry = 0;
  #attempt = 0;

  /**
   * @param {object} to
   * @param {(message: import("./protocol.js").FromProcess) => void} to.message
   * @param {(state: LinkState) => void} to.state
   * @param {(anew: boolean) => Promise<Address>} to.address where the WebSocket is; anew: the last one led nowhere
   * @param {(why: import("./guest.js").TurnedAway) => void} to.turnedAway
   */
  constructor(to) {
    this.to = to;
  }

  open() {
    clearTimeout(this.#retry);
    const attempt = ++this.#attempt;
    this.to.address(this.#failures > 0).then(
      (address) => {
        if (attempt !== this.#attempt) return;
        if ("turnedAway" in address) this.to.turnedAway(address.turnedAway);
        else this.#connect(address.url);
      },
      () => attempt === this.#attempt && this.#closed(0),
    );
  }

  /** @param {string} url relative to the page */
  #connect(url) {
    const socket = new WebSocket(new URL(`${url}?tab=${TAB}`, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.onopen = () => this.send({ type: "hello", version: VERSION });
    socket.onmessage = (event) => {
      const message = /** @type {import("./protocol.js").FromProcess} */ (JSON.parse(event.data));
      if (message.type === "hello") {
        this.#failures = 0;
        this.#wasOpen = true;
        this.to.state("open");
      }
      this.to.message(message);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
  }

  /** Connects afresh in place of a connection that may hang: the network has changed. */
  refresh() {
    const before = this.#socket;
    this.#socket = null;
    before?.close();
    this.to.state("lost");
    this.open();
  }

  /** Connects afresh, after another tab was closed or the program was restarted at the same address. */
  reopen() {
    this.#failures = 0;
    this.to.state("connecting");
    this.open();
  }

  /**
   * Sends a message if connected. The state is what the process answers.
   * @param {import("./protocol.js").ToProcess} message
   */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {number} code */
  #closed(code) {
    this.#socket = null;
    if (code === CLOSED.ELSEWHERE) return this.to.state("elsewhere");
    if (code === CLOSED.OUTDATED) return this.to.state("outdated");
    if (code === CLOSED.ENDED) return this.to.state("ended");
    this.#failures += 1;
    if (this.#failures > GIVE_UP_AFTER) return this.to.state("gone");
    this.to.state(this.#wasOpen ? "lost" : "connecting");
    this.#retry = window.setTimeout(() => this.open(), RETRY_MS);
  }
}
