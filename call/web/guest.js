// What is different where this page belongs to a guest: a gateway serves it at /j/ and holds the call, instead of a program on this computer,
// and an invitation opens it. Its code is the fragment of the address.

/** Whether this page is a guest's. */
export const GUEST = location.pathname.endsWith("/j/");
/** What the guest is told about: the gateway, which sees and hears everything. */
export const SERVER = location.hostname;

/** @typedef {"used" | "gone" | "full" | "closing" | "slow"} TurnedAway why the gateway lets nobody in */

const KEPT = "facewire";
const ID = "facewire-guest";

export class Entrance {
  /** @type {string | null} */ #id = sessionStorage.getItem(ID);

  /**
   * The address of the WebSocket of this guest, who enters by the invitation if need be.
   * @param {boolean} anew whether the address known so far led nowhere
   * @returns {Promise<{url: string} | {turnedAway: TurnedAway}>} rejected while the gateway cannot be reached
   */
  async address(anew) {
    if (!this.#id || anew) {
      const answer = await fetch("enter", { method: "POST", body: JSON.stringify({ code: location.hash.slice(1) }) });
      const { guest, code } = /** @type {{guest?: string, code?: TurnedAway}} */ (await answer.json());
      if (!guest) return { turnedAway: code ?? "gone" };
      this.#id = guest;
      sessionStorage.setItem(ID, guest);
    }
    return { url: `${this.#id}/ws` };
  }
}

/** What this browser remembers for the next call, as a program remembers it for its own page. */
export function kept() {
  try {
    return /** @type {import("./protocol.js").Hello["kept"]} */ (JSON.parse(localStorage.getItem(KEPT) ?? "{}"));
  } catch {
    return {}; // not ours, or no storage
  }
}

/**
 * @param {string} what
 * @param {string} value
 */
export function keep(what, value) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...kept(), [what]: value }));
  } catch {
    // a private window: nothing is remembered
  }
}

/**
 * The texts of a guest's page: those of `texts`, with what its part `guest` says instead.
 * @template {{guest: object}} T
 * @param {T} texts
 * @returns {T}
 */
export function guestTexts(texts) {
  const merge = (/** @type {any} */ base, /** @type {any} */ other) => {
    const merged = { ...base };
    for (const [key, value] of Object.entries(other)) merged[key] = typeof value === "function" ? value(SERVER) : merge(base[key], value);
    return merged;
  };
  return merge(texts, texts.guest);
}
