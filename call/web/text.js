// The texts in the language of the browser, and filling them into the page.

import { GUEST, guestTexts } from "./guest.js";
import { texts as german } from "./texts.de.js";
import { texts as english } from "./texts.en.js";

/**
 * All languages, by the first part of their tags.
 * @type {Record<string, typeof english>}
 */
export const LANGUAGES = { en: english, de: german };

export const text = GUEST ? guestTexts(chosen(navigator.languages)) : chosen(navigator.languages);

/**
 * The first language that the person wants and that there is; English if there is none.
 * @param {readonly string[]} wanted tags such as "de-AT", the most wanted first
 */
function chosen(wanted) {
  for (const tag of wanted) {
    const texts = LANGUAGES[tag.toLowerCase().split("-")[0] ?? ""];
    if (texts) return texts;
  }
  return english;
}

/**
 * Fills in the texts that elements below `root` refer to: `data-t` as content, `data-t-label` as accessible name.
 * @param {ParentNode} root
 */
export function fillTexts(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = named(element.getAttribute("data-t"));
  for (const element of root.querySelectorAll("[data-t-label]")) {
    const words = named(element.getAttribute("data-t-label"));
    element.setAttribute("aria-label", words);
    if (element instanceof HTMLButtonElement) element.dataset["tip"] = words;
  }
}

/**
 * @param {string | null} path such as "lobby.join"
 * @returns {string}
 */
function named(path) {
  /** @type {unknown} */
  let value = text;
  for (const key of (path ?? "").split(".")) value = /** @type {Record<string, unknown>} */ (value)?.[key];
  if (typeof value !== "string") throw new Error(`no text is called ${path}`);
  return value;
}
