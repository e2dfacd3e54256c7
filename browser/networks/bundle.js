// The weight bundle as a browser reads it: files over HTTP, checked like models/bundle.py checks them. The graphs go to `Networks`, steps
// and tables to the codec.

import { readTables } from "../codec/entropy.js";
import { WeightsError } from "../codec/errors.js";
import { hexadecimal } from "../codec/source.js";

const FORMAT = 3;
const HASH_DIGITS = 16;
export const WEIGHTS_FILE = "weights.safetensors";
const GRAPHS = /** @type {const} */ (["appearance", "render"]);

/**
 * What the receiving end needs of a weight bundle.
 * @typedef {object} Bundle
 * @property {string} hash by which source messages name it, 16 hexadecimal digits
 * @property {number} pictureSize side of the pictures in pixels
 * @property {number} canonicalSize C
 * @property {number} canonicalStep quantiser step of the canonical shape code
 * @property {Uint8Array} weights the file that the graphs point into
 * @property {Record<typeof GRAPHS[number], Uint8Array>} graphs
 * @property {import("../codec/entropy.js").Tables} tables of the entropy coder
 * @property {Float32Array} steps of the quantiser
 */

/**
 * Fetches and checks a bundle. Throws a WeightsError if it cannot be used.
 * @param {string} folder address of the folder, ending in /
 * @returns {Promise<Bundle>}
 */
export async function loadBundle(folder) {
  const names = [WEIGHTS_FILE, ...GRAPHS.map((graph) => `${graph}.onnx`)];
  const [description, ...files] = await Promise.all(["bundle.json", ...names].map((name) => fetched(folder + name)));
  const about = JSON.parse(new TextDecoder().decode(description));
  if (about.format !== FORMAT) {
    throw new WeightsError(`weights of bundle format ${about.format}; this program reads format ${FORMAT}`);
  }
  const digests = await Promise.all(files.map(sha256));
  const damaged = names.find((name, i) => about.sha256[name] !== digests[i]);
  if (damaged !== undefined) {
    throw new WeightsError(`${damaged} is damaged: its SHA-256 is not the one that bundle.json names`);
  }
  const [weights, appearance, render] = /** @type {[Uint8Array, Uint8Array, Uint8Array]} */ (files);
  const tensors = readTensors(weights);
  return {
    hash: String(digests[0]).slice(0, HASH_DIGITS),
    pictureSize: about.config.picture_size,
    canonicalSize: about.config.canonical_size,
    canonicalStep: Number(floats(tensors("coding.canonical_step"))[0]),
    weights,
    graphs: { appearance, render },
    tables: readTables(tensors("coding.tables")),
    steps: floats(tensors("coding.steps")),
  };
}

/** @param {string} address */
async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new WeightsError(`${address}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {Uint8Array} data */
async function sha256(data) {
  return hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (data))));
}

/**
 * The bytes of each tensor in a safetensors file, by name.
 * @param {Uint8Array} file
 * @returns {(name: string) => Uint8Array}
 */
function readTensors(file) {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  return (name) => {
    const [start, end] = header[name].data_offsets;
    return file.slice(8 + length + start, 8 + length + end);
  };
}

/** @param {Uint8Array} bytes */
function floats(bytes) {
  return new Float32Array(bytes.buffer); // little endian, like every machine that runs a browser
}
