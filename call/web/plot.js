// The plot of the call's rate beside that of H.264: kilobits per second over the last minute, redrawn with each new figure.

import { $, setAttribute } from "./dom.js";
import { integer, kbps } from "./format.js";
import { text } from "./text.js";

/** @typedef {import("./state.js").Sample} Sample */

const WINDOW_S = 60;
const MARGIN = { top: 10, right: 8, bottom: 20, left: 34 };
const TICKS = [5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000];
const HALF = 2;

export class Plot {
  #canvas = $("plot", HTMLCanvasElement);
  #pointer = /** @type {number | null} */ (null);

  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    store.watch((state) => state.phase?.phase === "call" && this.draw(state));
    new ResizeObserver(() => this.draw(store.state)).observe(this.#canvas);
    this.#canvas.addEventListener("pointermove", (event) => {
      this.#pointer = event.offsetX;
      this.draw(store.state);
    });
    this.#canvas.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.draw(store.state);
    });
  }

  /** @param {import("./state.js").State} state */
  draw(state) {
    const box = this.#canvas.getBoundingClientRect();
    if (!box.width) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, box.width, box.height);
    const last = state.history.at(-1);
    const frame = new Frame(context, box, unit, last?.at ?? 0, state);
    frame.axes();
    frame.series();
    if (this.#pointer !== null) frame.hover(this.#pointer);
    setAttribute(this.#canvas, "aria-label", text.savings.spoken(kbps(last?.wire), kbps(last?.h264)));
  }
}

/** Draws the plot once, to scale. */
class Frame {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {DOMRect} box
   * @param {number} unit CSS pixels of a sixteenth of the root font
   * @param {number} now seconds
   * @param {import("./state.js").State} state
   */
  constructor(context, box, unit, now, state) {
    this.context = context;
    this.unit = unit;
    this.now = now;
    this.limit = state.budget.max_kbps;
    this.samples = state.history.filter((sample) => sample.at >= now - WINDOW_S);
    this.left = MARGIN.left * unit;
    this.right = box.width - MARGIN.right * unit;
    this.top = MARGIN.top * unit;
    this.bottom = box.height - MARGIN.bottom * unit;
    const most = Math.max(10, ...this.samples.flatMap((sample) => [sample.wire ?? 0, sample.h264 ?? 0]));
    this.step = TICKS.find((tick) => most / tick <= HALF + 0.5) ?? 5000;
    this.highest = Math.max(most * 1.08, this.step * HALF);
    const style = getComputedStyle(document.documentElement);
    this.colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    context.font = `${11 * unit}px ${getComputedStyle(document.body).fontFamily}`;
    context.lineJoin = "round";
  }

  /** @param {number} at */
  x(at) {
    return this.right - ((this.now - at) / WINDOW_S) * (this.right - this.left);
  }

  /** @param {number} value kbit/s */
  y(value) {
    return this.bottom - (value / this.highest) * (this.bottom - this.top);
  }

  axes() {
    const { context, unit } = this;
    context.lineWidth = 1;
    context.fillStyle = this.colour("--plot-text");
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let value = 0; value <= this.highest; value += this.step) {
      const y = Math.round(this.y(value)) + 0.5;
      context.strokeStyle = this.colour(value ? "--plot-grid" : "--plot-axis");
      this.#line(this.left, y, this.right, y);
      context.fillText(integer(value), this.left - 7 * unit, y);
    }
    context.textBaseline = "alphabetic";
    const y = this.bottom + 15 * unit;
    context.fillText(text.savings.now, this.right, y);
    context.textAlign = "left";
    context.fillText(text.savings.ago(WINDOW_S), this.left, y);
  }

  series() {
    this.#area("h264", "--plot-h264", 0.14, 1.75);
    this.#area("wire", "--plot-wire", 0.22, 2);
    this.#area("payload", "--plot-payload", 0, 1.75);
    if (this.limit !== null && this.limit <= this.highest) this.#limitLine(this.limit);
  }

  /** @param {number} value */
  #limitLine(value) {
    const { context, unit } = this;
    const y = Math.round(this.y(value)) + 0.5;
    context.strokeStyle = this.colour("--plot-text");
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    this.#line(this.left, y, this.right, y);
    context.setLineDash([]);
    context.textAlign = "left";
    context.fillStyle = this.colour("--plot-text");
    context.fillText(text.savings.limit, this.left + 4 * unit, y - 4 * unit);
  }

  /**
   * A line, filled below.
   * @param {"payload" | "wire" | "h264"} name
   * @param {string} colour
   * @param {number} fill opacity
   * @param {number} weight
   */
  #area(name, colour, fill, weight) {
    const { context } = this;
    const points = this.samples.flatMap((sample) => {
      const value = sample[name];
      return value === null ? [] : [{ x: this.x(sample.at), y: this.y(value) }];
    });
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return;
    const path = new Path2D();
    path.moveTo(first.x, first.y);
    for (const point of points) path.lineTo(point.x, point.y);
    context.strokeStyle = context.fillStyle = this.colour(colour);
    context.lineWidth = weight * this.unit;
    context.stroke(path);
    context.beginPath();
    context.arc(last.x, last.y, 2.6 * this.unit, 0, 2 * Math.PI);
    context.fill();
    if (!fill) return;
    path.lineTo(last.x, this.bottom);
    path.lineTo(first.x, this.bottom);
    path.closePath();
    context.globalAlpha = fill;
    context.fill(path);
    context.globalAlpha = 1;
  }

  /** @param {number} pointer CSS pixels from the left */
  hover(pointer) {
    const { context, unit } = this;
    if (pointer < this.left || pointer > this.right) return;
    const at = this.now - ((this.right - pointer) / (this.right - this.left)) * WINDOW_S;
    const nearest = this.samples.reduce(
      (best, sample) => (best && Math.abs(best.at - at) <= Math.abs(sample.at - at) ? best : sample),
      /** @type {Sample | null} */ (null),
    );
    if (!nearest || Math.abs(nearest.at - at) > 3) return;
    const x = Math.round(this.x(nearest.at)) + 0.5;
    context.strokeStyle = this.colour("--plot-axis");
    context.lineWidth = 1;
    this.#line(x, this.top, x, this.bottom);
    const words = [nearest.h264, nearest.wire, nearest.payload].map(kbps).join("  ·  ");
    const width = context.measureText(words).width;
    const start = Math.min(Math.max(x - width / 2, this.left), this.right - width);
    context.fillStyle = this.colour("--surface");
    context.fillRect(start - 5 * unit, this.top - 9 * unit, width + 10 * unit, 18 * unit);
    context.fillStyle = this.colour("--ink");
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(words, start, this.top);
  }

  /**
   * @param {number} x1
   * @param {number} y1
   * @param {number} x2
   * @param {number} y2
   */
  #line(x1, y1, x2, y2) {
    this.context.beginPath();
    this.context.moveTo(x1, y1);
    this.context.lineTo(x2, y2);
    this.context.stroke();
  }
}
