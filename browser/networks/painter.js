// Pictures without blocking the page: a worker (`worker.js`) runs the networks and draws on a canvas of the page. Any page can use it: the
// player does for files, and a call's page could.

import { DecodeError, WeightsError } from "../codec/errors.js";
import { Quantiser } from "../codec/quantiser.js";

/** @typedef {import("../codec/decoder.js").Coding} Coding */
/** @typedef {import("../codec/motion.js").Motion} Motion */
/** @typedef {import("../codec/source.js").SourceFrame} SourceFrame */
/** @typedef {import("./worker.js").Request} Request */
/** @typedef {import("./worker.js").Answer} Answer */

/** Source frames whose appearance is kept: some 4 MB each. */
const MAX_KEPT = 16;
/** More threads than this gain little and take cores from the page. */
const MAX_THREADS = 4;
const WORKER = new URL("worker.js", import.meta.url).href;

/** @type {{createPolicy(name: string, rules: object): {createScriptURL(address: string): string}} | undefined} */
const trustedTypes = /** @type {any} */ (globalThis).trustedTypes;
const policy = trustedTypes?.createPolicy("facewire-painter", { createScriptURL: () => WORKER });

/**
 * Threads that the networks may use here: they share memory, which browsers allow to cross-origin isolated pages only.
 * @returns {number}
 */
export function possibleThreads() {
  return globalThis.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;
}

/** Draws on one canvas. */
export class Painter {
  #thread;
  /**
   * Source frames that the worker has and the numbers it knows them by, the one used last at the end.
   * @type {Map<SourceFrame, number>}
   */
  #kept = new Map();
  #keys = 0;

  /**
   * @param {Thread} thread
   * @param {import("./worker.js").Opened} opened
   * @private use `open`
   */
  constructor(thread, { hash, tables, steps }) {
    this.#thread = thread;
    /** Of the weight bundle, 16 hexadecimal digits. */
    this.hash = hash;
    /**
     * Of the same, for `Decoder`.
     * @type {Coding}
     */
    this.coding = { tables, quantiser: new Quantiser(steps) };
  }

  /**
   * Loads networks and weights. Throws a WeightsError if they cannot be used.
   * @param {object} options
   * @param {HTMLCanvasElement} options.canvas it gets the size of the pictures, and belongs to the painter from now on
   * @param {string} options.bundle address of the folder with the weight bundle, ending in /
   * @param {string} options.runtime address of the folder with onnxruntime-web, ending in /
   * @param {number} [options.threads] as many as are possible by default
   * @returns {Promise<Painter>}
   */
  static async open({ canvas, bundle, runtime, threads = possibleThreads() }) {
    const thread = new Thread();
    const offscreen = canvas.transferControlToOffscreen();
    try {
      return new Painter(thread, await thread.ask({ open: { bundle, runtime, threads, canvas: offscreen } }, [offscreen]));
    } catch (error) {
      thread.end();
      throw error;
    }
  }

  /**
   * Draws a motion, and returns the milliseconds that it took. Pictures are drawn in the order in which they are asked for. Throws a
   * WeightsError or a DecodeError if the source frame cannot be used.
   * @param {Motion} motion
   * @param {SourceFrame} source what it is drawn from; one that the worker does not have is sent with it
   * @returns {Promise<number>}
   */
  async draw(motion, source) {
    const known = this.#kept.get(source);
    const key = known ?? this.#keys++;
    this.#kept.delete(source);
    this.#kept.set(source, key);
    if (known !== undefined) return this.#thread.ask({ draw: { motion, key } });
    /** @type {number[]} */
    const forget = [];
    for (const [old, number] of [...this.#kept].slice(0, -MAX_KEPT)) {
      this.#kept.delete(old);
      forget.push(number);
    }
    try {
      return await this.#thread.ask({ draw: { motion, key, source, forget } });
    } catch (error) {
      this.#kept.delete(source);
      throw error;
    }
  }

  /** Ends the worker. What was asked for and is not drawn yet fails. */
  close() {
    this.#thread.end();
  }
}

/** The worker, asked by messages. */
class Thread {
  #worker = new Worker(policy?.createScriptURL(WORKER) ?? WORKER, { type: "module" });
  /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #asked = 0;

  constructor() {
    this.#worker.addEventListener("message", (/** @type {MessageEvent<Answer>} */ { data }) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("failed" in data) waiting?.reject(asError(data.failed));
      else waiting?.resolve(data.result);
    });
    this.#worker.addEventListener("error", (event) => this.#fail(event.message || "the thread that draws cannot be started"));
  }

  /**
   * @param {Request} request
   * @param {Transferable[]} transferred
   * @returns {Promise<any>}
   */
  ask(request, transferred = []) {
    return new Promise((resolve, reject) => {
      const id = this.#asked++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id }, transferred);
    });
  }

  end() {
    this.#worker.terminate();
    this.#fail("the thread that draws has been ended");
  }

  /** @param {string} message */
  #fail(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}

/** @param {{name: string, message: string}} failed */
function asError({ name, message }) {
  if (name === "DecodeError") return new DecodeError(message);
  return name === "WeightsError" ? new WeightsError(message) : new Error(message);
}
