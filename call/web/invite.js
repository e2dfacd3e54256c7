// How somebody else gets into the room: a link where the server is a gateway, otherwise the command for a facewire of theirs.

import { $ } from "./dom.js";

/** @typedef {import("./state.js").State} State */

/**
 * What to send, and whether a link can be made in its place.
 * @param {State} state
 */
export function invitation({ hello, invitation: made }) {
  return { words: made?.link ?? hello?.invite.command ?? "", make: made !== null && made.link === null };
}

/**
 * The server through which the call of a guest goes.
 * @param {State} state
 */
export function hostOf({ hello }) {
  return new URL(hello?.server.replace(/^(?!\w+:\/\/)/, "wss://") ?? "wss://server").hostname;
}

/** @param {(message: import("./protocol.js").ToProcess) => void} send */
export function listenToInvite(send) {
  for (const place of ["lobby", "veil"]) $(`${place}-invite-make`).addEventListener("click", () => send({ type: "invite" }));
}
