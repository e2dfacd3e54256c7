// The thread that draws: takes source frames and motion from `Painter` and puts pictures on its canvas.

import { loadBundle } from "./bundle.js";
import { Networks } from "./networks.js";

/** @typedef {import("../codec/motion.js").Motion} Motion */
/** @typedef {import("../codec/source.js").SourceFrame} SourceFrame */
/** @typedef {{open: {bundle: string, runtime: string, threads: number, canvas: OffscreenCanvas}}} Open */
/** @typedef {{draw: {motion: Motion, key: number, source?: SourceFrame, forget?: number[]}}} Draw */
/** @typedef {Open | Draw} Request */
/** @typedef {{hash: string, tables: import("../codec/entropy.js").Tables, steps: Float32Array}} Opened */
/** @typedef {{id: number, result: unknown} | {id: number, failed: {name: string, message: string}}} Answer */

/** @type {Networks} */
let networks;
/** @type {OffscreenCanvasRenderingContext2D} */
let context;
/**
 * By the number that the painter has given them.
 * @type {Map<number, import("./networks.js").Appearance>}
 */
const appearances = new Map();

/** @param {Open["open"]} request */
async function open({ bundle: folder, runtime, threads, canvas }) {
  const bundle = await loadBundle(folder);
  networks = await Networks.load(bundle, runtime, threads);
  canvas.width = canvas.height = bundle.pictureSize;
  const found = canvas.getContext("2d", { alpha: false });
  if (found === null) throw new Error("this browser has no canvas off the screen");
  context = found;
  /** @type {Opened} */
  const opened = { hash: bundle.hash, tables: bundle.tables, steps: bundle.steps };
  return opened;
}

/**
 * Draws a picture; returns the milliseconds that it took, F included where the source frame is new.
 * @param {Draw["draw"]} request
 */
async function draw({ motion, key, source, forget = [] }) {
  const began = performance.now();
  for (const old of forget) appearances.delete(old);
  if (source !== undefined) appearances.set(key, await networks.appearance(source));
  const appearance = appearances.get(key);
  if (appearance === undefined) throw new Error(`no source frame ${key}`);
  context.putImageData(await networks.render(appearance, motion), 0, 0);
  return performance.now() - began;
}

/** One request after the other, whatever comes meanwhile. */
let last = Promise.resolve();
self.addEventListener("message", (/** @type {MessageEvent<Request & {id: number}>} */ { data }) => {
  last = last.then(async () => {
    /** @type {Answer} */
    let answer;
    try {
      answer = { id: data.id, result: "open" in data ? await open(data.open) : await draw(data.draw) };
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      answer = { id: data.id, failed: { name, message } };
    }
    self.postMessage(answer);
  });
});
