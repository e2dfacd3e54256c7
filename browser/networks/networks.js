// F, M and G of a weight bundle in onnxruntime-web: a source frame and a motion in, a picture out. The graphs are those that every other
// backend runs; models/runtime.py is the same in Python.

import { DecodeError, WeightsError } from "../codec/errors.js";
import { head, sceneChange } from "../codec/motion.js";
import { Quantiser } from "../codec/quantiser.js";
import { WEIGHTS_FILE } from "./bundle.js";

/** @typedef {import("../codec/motion.js").Motion} Motion */
/** @typedef {import("../codec/source.js").SourceFrame} SourceFrame */
/** @typedef {import("onnxruntime-web").InferenceSession} Session */
/** @typedef {import("onnxruntime-web").Tensor} Tensor */
/** @typedef {typeof import("onnxruntime-web")} Runtime */

const RUNTIME_MODULE = "ort.wasm.min.mjs";
/** Formats of the source picture that are read, here as in Python. */
const READ_FORMATS = ["avif", "webp"];

/**
 * A face to be moved. motion: the picture's own. kept: the inputs that stay the same from picture to picture.
 * @typedef {{motion: Motion, kept: Record<string, Tensor>}} Appearance
 */

/** The networks of the receiving end. */
export class Networks {
  #runtime;
  #bundle;
  #quantiser;
  #appearance;
  #render;

  /**
   * @param {Runtime} runtime
   * @param {import("./bundle.js").Bundle} bundle
   * @param {Session} appearance
   * @param {Session} render
   */
  constructor(runtime, bundle, appearance, render) {
    this.#runtime = runtime;
    this.#bundle = bundle;
    this.#quantiser = new Quantiser(bundle.steps);
    this.#appearance = appearance;
    this.#render = render;
  }

  /**
   * Loads the graphs. Throws a WeightsError if they cannot be used.
   * @param {import("./bundle.js").Bundle} bundle
   * @param {string} runtimeFolder address of the folder with onnxruntime-web, ending in /
   * @param {number} threads more than one only where the page is cross-origin isolated
   */
  static async load(bundle, runtimeFolder, threads) {
    /** @type {Runtime} */
    const runtime = await import(runtimeFolder + RUNTIME_MODULE);
    runtime.env.wasm.wasmPaths = runtimeFolder;
    runtime.env.wasm.numThreads = threads;
    /** @param {Uint8Array} graph */
    const session = (graph) =>
      runtime.InferenceSession.create(graph, {
        executionProviders: ["wasm"],
        externalData: [{ path: WEIGHTS_FILE, data: bundle.weights }],
      });
    try {
      const appearance = await session(bundle.graphs.appearance);
      return new Networks(runtime, bundle, appearance, await session(bundle.graphs.render));
    } catch (error) {
      throw new WeightsError(`the networks cannot be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }

  /**
   * F on a source frame, needed once for each. Throws a WeightsError if it needs other weights, and a DecodeError if it cannot be used.
   * @param {SourceFrame} source
   * @returns {Promise<Appearance>}
   */
  async appearance(source) {
    const { hash, canonicalSize, canonicalStep, pictureSize } = this.#bundle;
    if (source.bundleHash !== hash) {
      throw new WeightsError(`the stream was made with weights ${source.bundleHash}; these are ${hash}`);
    }
    if (source.canonical.length !== canonicalSize) {
      throw new DecodeError(`a source frame with ${source.canonical.length} canonical values; these weights have ${canonicalSize}`);
    }
    const { Tensor } = this.#runtime;
    const picture = new Tensor("uint8", await decompress(source, pictureSize), [1, pictureSize, pictureSize, 3]);
    const volumes = await this.#appearance.run({ picture });
    const motion = this.#quantiser.motion(source.motionUnits);
    const shape = Float32Array.from(source.canonical, (value) => value * canonicalStep);
    const kept = { ...volumes, shape: this.#row(shape), source_motion: this.#row(head(motion)) };
    return { motion, kept };
  }

  /**
   * M and G: the face with that motion.
   * @param {Appearance} appearance
   * @param {Motion} motion
   * @returns {Promise<ImageData>}
   */
  async render({ motion: own, kept }, motion) {
    const feeds = { ...kept, driving_motion: this.#row(head(motion)), scene: this.#row(sceneChange(own, motion)) };
    const { frame } = await this.#render.run(feeds);
    if (frame === undefined) throw new WeightsError("the render graph has no output called frame");
    const picture = opaque(/** @type {Uint8Array} */ (frame.data), this.#bundle.pictureSize);
    frame.dispose();
    return picture;
  }

  /** @param {Float32Array} values */
  #row(values) {
    return new this.#runtime.Tensor("float32", values, [1, values.length]);
  }
}

/**
 * The source frame's picture, uint8 RGB (size, size, 3), by the browser's own decoder.
 * @param {SourceFrame} source
 * @param {number} size
 */
async function decompress({ picture, pictureFormat }, size) {
  if (!READ_FORMATS.includes(pictureFormat)) {
    throw new DecodeError(`a source frame in ${pictureFormat}; this program reads ${READ_FORMATS.join(" and ")}`);
  }
  const file = new Blob([/** @type {BlobPart} */ (picture)], { type: `image/${pictureFormat}` });
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new DecodeError("the source frame's picture is damaged, or this browser cannot read AVIF");
  }
  if (bitmap.width !== size || bitmap.height !== size) {
    throw new DecodeError(`a source frame of ${bitmap.width}x${bitmap.height}; these weights need ${size}x${size}`);
  }
  const context = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser has no canvas off the screen");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, size, size);
  const rgb = new Uint8Array(3 * size * size);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) rgb.set(data.subarray(from, from + 3), to);
  return rgb;
}

/**
 * @param {Uint8Array} rgb (size, size, 3)
 * @param {number} size
 */
function opaque(rgb, size) {
  const picture = new ImageData(size, size);
  const { data } = picture;
  for (let from = 0, to = 0; to < data.length; from += 3, to += 4) {
    data[to] = /** @type {number} */ (rgb[from]);
    data[to + 1] = /** @type {number} */ (rgb[from + 1]);
    data[to + 2] = /** @type {number} */ (rgb[from + 2]);
    data[to + 3] = 255;
  }
  return picture;
}
