// Turning the other person's head by dragging, arrow keys or sliders, and the small sphere that shows its angle. On the screen right and
// up are positive; the protocol has both signs reversed (docs/page.md).

import { $, setAttribute, setLabel, setPressed, setText, show } from "./dom.js";
import { angle } from "./format.js";
import { text } from "./text.js";

const STEP_DEGREES = 5;
const DEGREES_PER_WIDTH = 100;
const GIMBAL_RADIUS = 44;

export class Turn {
  #asked = { yaw: 0, pitch: 0 };
  #drag = /** @type {{id: number, x: number, y: number, yaw: number, pitch: number} | null} */ (null);
  #sending = 0;
  #awaiting = 0;

  /**
   * @param {import("./state.js").Store} store
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   * @param {(words: string) => void} announce
   */
  constructor(store, send, announce) {
    this.store = store;
    this.send = send;
    this.announce = announce;
    this.head = $("head");
    this.head.addEventListener("pointerdown", (event) => this.#grab(event));
    this.head.addEventListener("pointermove", (event) => this.#move(event));
    this.head.addEventListener("pointerup", (event) => this.#release(event));
    this.head.addEventListener("pointercancel", (event) => this.#release(event));
    this.head.addEventListener("dblclick", () => this.reset());
    this.head.addEventListener("keydown", (event) => this.#key(event));
    for (const axis of /** @type {const} */ (["yaw", "pitch"])) {
      $(axis, HTMLInputElement).addEventListener("input", (event) => {
        const value = /** @type {HTMLInputElement} */ (event.target).valueAsNumber;
        this.to({ ...this.#asked, [axis]: value });
      });
    }
    for (const id of ["view-reset", "turn-reset"]) $(id).addEventListener("click", () => this.reset());
    $("eye").addEventListener("click", () => this.eyeContact());
    $("turn").addEventListener("click", () => store.set({ turnOpen: !store.state.turnOpen }));
    store.watch((state) => this.#render(state));
  }

  /** @param {{yaw: number, pitch: number}} angles degrees, right and up positive */
  to(angles) {
    const limits = this.store.state.hello?.view ?? { yaw: 0, pitch: 0 };
    this.#asked = { yaw: clamp(angles.yaw, limits.yaw), pitch: clamp(angles.pitch, limits.pitch) };
    this.#awaiting = performance.now();
    if (!this.#sending) this.#sending = requestAnimationFrame(() => this.#tell());
  }

  reset() {
    this.to({ yaw: 0, pitch: 0 });
    this.announce(text.view.spoken(0, 0));
  }

  eyeContact() {
    const frontal = !this.store.state.view.frontal;
    this.#send(frontal);
    this.announce(frontal ? text.view.eyeOn : text.view.eyeOff);
  }

  #tell() {
    this.#sending = 0;
    this.#send(this.store.state.view.frontal);
    this.store.set({});
  }

  /** @param {boolean} frontal */
  #send(frontal) {
    const [yaw, pitch] = [this.#asked.yaw, this.#asked.pitch].map((angle) => -Math.round(10 * angle) / 10);
    this.send({ type: "view", yaw: yaw ?? 0, pitch: pitch ?? 0, roll: 0, frontal });
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !turnable(this.store.state)) return;
    this.head.setPointerCapture(event.pointerId);
    this.#drag = { id: event.pointerId, x: event.clientX, y: event.clientY, ...this.#asked };
    setAttribute(this.head, "data-dragging", "");
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag;
    if (drag?.id !== event.pointerId) return;
    const scale = DEGREES_PER_WIDTH / this.head.clientWidth;
    this.to({ yaw: drag.yaw + (event.clientX - drag.x) * scale, pitch: drag.pitch - (event.clientY - drag.y) * scale });
  }

  /** @param {PointerEvent} event */
  #release(event) {
    if (this.#drag?.id !== event.pointerId) return;
    this.#drag = null;
    setAttribute(this.head, "data-dragging", null);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!steps || event.ctrlKey || event.metaKey || event.altKey || !turnable(this.store.state)) return;
    event.preventDefault();
    const { yaw, pitch } = this.#asked;
    this.to({ yaw: yaw + (steps[0] ?? 0) * STEP_DEGREES, pitch: pitch + (steps[1] ?? 0) * STEP_DEGREES });
    this.announce(text.view.spoken(this.#asked.yaw, this.#asked.pitch));
  }

  /** @param {import("./state.js").State} state */
  #render(state) {
    const { view, hello } = state;
    const answered = performance.now() - this.#awaiting > 500 && !this.#drag;
    if (answered) this.#asked = { yaw: -view.yaw || 0, pitch: -view.pitch || 0 };
    const { yaw, pitch } = this.#asked;
    const can = turnable(state);
    setPressed($("eye"), view.frontal);
    setLabel($("eye"), view.frontal ? text.call.eyeOff : text.call.eyeOn);
    setAttribute($("turn"), "aria-expanded", String(state.turnOpen && can));
    setLabel($("turn"), text.call.turn);
    for (const id of ["eye", "turn"]) $(id, HTMLButtonElement).disabled = !can;
    show($("turn-panel"), state.turnOpen && can);
    for (const [axis, value] of /** @type {const} */ ([["yaw", yaw], ["pitch", pitch]])) {
      const slider = $(axis, HTMLInputElement);
      const limit = String(hello?.view[axis] ?? 0);
      setAttribute(slider, "min", `-${limit}`);
      setAttribute(slider, "max", limit);
      if (slider.valueAsNumber !== Math.round(value)) slider.value = String(Math.round(value));
      setAttribute(slider, "aria-valuetext", angle(value));
      slider.style.setProperty("--at", String((value / Number(limit || 1) + 1) / 2));
      setText($(`${axis}-text`), angle(value));
    }
    const sliders = state.turnOpen && can; // they show the angles too
    this.#renderGimbal(can && !sliders && (Math.round(yaw) !== 0 || Math.round(pitch) !== 0 || this.#drag !== null), yaw, pitch);
    setAttribute(this.head, "data-turnable", can ? "" : null);
  }

  /**
   * @param {boolean} shown
   * @param {number} yaw
   * @param {number} pitch
   */
  #renderGimbal(shown, yaw, pitch) {
    show($("gimbal"), shown);
    if (!shown) return;
    const [right, up] = [Math.sin((yaw * Math.PI) / 180), Math.sin((pitch * Math.PI) / 180)];
    setAttribute($("gimbal-yaw", SVGElement), "rx", String(Math.abs(right) * GIMBAL_RADIUS));
    setAttribute($("gimbal-pitch", SVGElement), "ry", String(Math.abs(up) * GIMBAL_RADIUS));
    const knob = $("gimbal-knob", SVGElement);
    setAttribute(knob, "cx", String(right * GIMBAL_RADIUS));
    setAttribute(knob, "cy", String(-up * GIMBAL_RADIUS));
    setText($("gimbal-text"), `${angle(yaw)} · ${angle(pitch)}`);
  }
}

/** @param {import("./state.js").State} state */
function turnable(state) {
  return state.call?.other?.shown === true;
}

/**
 * @param {number} value
 * @param {number} limit
 */
function clamp(value, limit) {
  return Math.min(limit, Math.max(-limit, value));
}
