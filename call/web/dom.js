// Small DOM helpers. Each writes only what has changed, so rendering twice costs nothing.

/**
 * The element with an id.
 * @template {Element} [E=HTMLElement]
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
export function $(id, kind = /** @type {new () => any} */ (HTMLElement)) {
  /** @type {unknown} */
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/**
 * @param {Element} element
 * @param {string} words
 */
export function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value null removes the attribute
 */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {boolean} shown
 */
export function show(element, shown) {
  if (element.hasAttribute("hidden") === shown) element.toggleAttribute("hidden", !shown);
}

/**
 * @param {Element} button with an icon inside
 * @param {string} name of a symbol in index.html
 */
export function setIcon(button, name) {
  const use = button instanceof SVGUseElement ? button : button.querySelector("use");
  if (use) setAttribute(use, "href", `#i-${name}`);
}

/**
 * Sets the accessible name, which is also shown as a tooltip.
 * @param {HTMLElement} button
 * @param {string} words
 */
export function setLabel(button, words) {
  setAttribute(button, "aria-label", words);
  setAttribute(button, "data-tip", words);
}

/**
 * @param {HTMLElement} button
 * @param {boolean} pressed
 */
export function setPressed(button, pressed) {
  setAttribute(button, "aria-pressed", String(pressed));
}

/**
 * @param {HTMLImageElement} image
 * @param {string | null} url
 */
export function setImage(image, url) {
  if (url === null) image.removeAttribute("src");
  else if (image.getAttribute("src") !== url) image.src = url;
}

/**
 * @param {string} tag
 * @param {{class?: string, text?: string}} [with_]
 * @param {...Node} children
 */
export function make(tag, with_ = {}, ...children) {
  const element = document.createElement(tag);
  if (with_.class) element.className = with_.class;
  if (with_.text !== undefined) element.textContent = with_.text;
  element.append(...children);
  return element;
}

/**
 * A button with a text.
 * @param {string} words
 * @param {string} kind classes besides `button`
 * @param {() => void} press
 */
export function makeButton(words, kind, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `button ${kind}`.trim();
  button.textContent = words;
  button.addEventListener("click", press);
  return button;
}

/**
 * @param {string} name of a symbol in index.html
 */
export function makeIcon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
