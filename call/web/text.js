// The language in use, and filling its texts into the page. Import another file here for another language.

import { texts } from "./texts.en.js";

export const text = texts;

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
  let value = texts;
  for (const key of (path ?? "").split(".")) value = /** @type {Record<string, unknown>} */ (value)?.[key];
  if (typeof value !== "string") throw new Error(`no text is called ${path}`);
  return value;
}
