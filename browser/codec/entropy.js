// How likely each integer of a frame is: codec/entropy.py, decoding only. Products here reach 2^40, so they are divided, not shifted.

import { DecodeError } from "./errors.js";
import { FIXED_SIZE, at } from "./motion.js";
import { MAX_UNITS, quanta } from "./quantiser.js";

/** @typedef {import("./range_coder.js").RangeDecoder} RangeDecoder */
/** @typedef {import("./quantiser.js").Preset} Preset */

const LAG_LIMITS_MS = [45, 90, 180, 350, 800];
/** The class of frames coded without a reference. */
export const ABSOLUTE = LAG_LIMITS_MS.length + 1;
const CLASSES = ABSOLUTE + 1;
/** Activity of a frame that changes as much as the average frame. */
export const USUAL_ACTIVITY = 256;
const ACTIVITY_LIMITS = [10, 20, 40, 80, 113, 160, 226, 320, 453, 640];
const ACTIVITY_BUCKETS = ACTIVITY_LIMITS.length + 1;
const MAX_ACTIVITY = 6 * USUAL_ACTIVITY;
const CROSS_BITS = 6;
const RATE_BITS = 4;
const PULL_BITS = 8;

// --- the family of frequency tables

const TABLE_TOTAL = 2 ** 15;
const LARGEST_MAGNITUDE = 63;
const ESCAPE = 2 * LARGEST_MAGNITUDE + 1;
const SCALES = 56;
const SHAPES = 3;
const FAMILY_SIZE = SCALES * SHAPES;
const FINEST_SCALES = 32;
const ONE = 1n << 32n;
const LENGTH_BITS = 6;

/** @typedef {{cumulative: readonly number[], lowBits: number}} FamilyTable */

/** @type {FamilyTable[]} */
const family = [];

/**
 * Frequency table `index` (0 to 167): its cumulative frequencies, and how many low bits are coded raw. docs/codec.md says what it is
 * of. It is computed in big integers, once.
 * @param {number} index
 * @returns {FamilyTable}
 */
export function familyTable(index) {
  return (family[index] ??= makeTable(Math.floor(index / SHAPES), index % SHAPES));
}

/**
 * @param {number} scale
 * @param {number} shape
 * @returns {FamilyTable}
 */
function makeTable(scale, shape) {
  const lowBits = Math.max(0, Math.floor((scale - FINEST_SCALES + 3) / 4));
  const mean = scaleMean(scale - 4 * lowBits);
  let weights;
  if (shape === 0) weights = gaussian(mean);
  else if (shape === 1) weights = geometric(mean, ONE);
  else {
    const wide = geometric((mean * 9n) / 4n, ONE);
    weights = geometric((mean * 5n) / 8n, 3n * ONE).map((narrow, i) => narrow + at(wide, i));
  }
  const bothSides = [...weights.slice(1).reverse(), ...weights];
  const spare = BigInt(TABLE_TOTAL - bothSides.length - 4);
  const total = bothSides.reduce((sum, weight) => sum + weight, 0n);
  const frequencies = bothSides.map((weight) => 1 + Number((weight * spare) / total));
  const rest = TABLE_TOTAL - 4 - frequencies.reduce((sum, frequency) => sum + frequency, 0);
  frequencies[LARGEST_MAGNITUDE] = at(frequencies, LARGEST_MAGNITUDE) + rest;
  return { cumulative: cumulated(...frequencies, 4), lowBits };
}

/**
 * 0 and the running sums.
 * @param {...number} frequencies
 * @returns {readonly number[]}
 */
export function cumulated(...frequencies) {
  const sums = [0];
  for (const frequency of frequencies) sums.push(at(sums, sums.length - 1) + frequency);
  return sums;
}

/**
 * 2^((scale - 20) / 4) with 32 fractional bits.
 * @param {number} scale
 */
function scaleMean(scale) {
  return (((1n << 27n) * at([65536n, 77936n, 92682n, 110218n], scale % 4)) >> 16n) << BigInt(Math.floor(scale / 4));
}

/**
 * One side (magnitudes 0 to 63) of a two-sided geometric distribution with that mean magnitude and sum `total`.
 * @param {bigint} mean
 * @param {bigint} total
 */
function geometric(mean, total) {
  const ratio = ((squareRoot(ONE * ONE + mean * mean) - ONE) * ONE) / mean;
  return decaying((total * (ONE - ratio)) / (ONE + ratio), ratio, ONE);
}

/**
 * A sampled Gaussian of about that mean magnitude. Each ratio of neighbours is the previous one times exp(-1/σ²).
 * @param {bigint} mean
 */
function gaussian(mean) {
  const least = ONE / 16n;
  const wanted = (((mean * mean) / ONE) * 11n) / 7n;
  let halved = ONE - ((ONE * ONE) / (2n * (wanted > least ? wanted : least)) >> 16n); // exp(-1 / 2σ²) is this to the power 2^16
  for (let i = 0; i < 16; i++) halved = (halved * halved) >> 32n;
  return decaying(ONE, halved, (halved * halved) >> 32n);
}

/**
 * 64 weights, each the one before times a ratio, which changes by a factor of its own; 32 fractional bits.
 * @param {bigint} weight
 * @param {bigint} ratio
 * @param {bigint} factor
 */
function decaying(weight, ratio, factor) {
  const weights = [];
  for (let i = 0; i <= LARGEST_MAGNITUDE; i++) {
    weights.push(weight);
    weight = (weight * ratio) >> 32n;
    ratio = (ratio * factor) >> 32n;
  }
  return weights;
}

/**
 * The largest integer whose square is at most `value`, by Newton's method.
 * @param {bigint} value
 */
function squareRoot(value) {
  let root = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

// --- integers

/**
 * One integer of table `index` of the family. Those beyond 2^53 come out rounded; no packet may contain them.
 * @param {RangeDecoder} coder
 * @param {number} index
 * @returns {number}
 */
export function codeInteger(coder, index) {
  const { cumulative, lowBits } = familyTable(index);
  const symbol = coder.code(cumulative);
  let high = symbol - LARGEST_MAGNITUDE;
  if (symbol === ESCAPE) {
    const sign = coder.bits(1) ? -1 : 1;
    high = sign * (LARGEST_MAGNITUDE + 1 + codeSized(coder));
  }
  const low = coder.bits(lowBits);
  return high * 2 ** lowBits + low - half(lowBits);
}

/**
 * A number from 0 to 2^63 - 1: how many binary digits it has, then all of them but the first.
 * @param {RangeDecoder} coder
 * @returns {number}
 */
export function codeSized(coder) {
  const length = coder.bits(LENGTH_BITS);
  if (length === 0) return 0;
  let value = 1;
  for (let count = length - 1; count > 0; ) {
    const part = Math.min(count, 16);
    count -= part;
    value = value * 2 ** part + coder.bits(part);
  }
  return value;
}

/**
 * What is added to a number before `bits` of it are cut off, to round it.
 * @param {number} bits
 */
function half(bits) {
  return bits === 0 ? 0 : 2 ** (bits - 1);
}

/**
 * value / 2^bits to the nearest integer.
 * @param {number} value
 * @param {number} bits
 */
function rounded(value, bits) {
  return Math.floor((value + half(bits)) / 2 ** bits);
}

/**
 * The class of a reference captured `ageMs` before the frame.
 * @param {number} ageMs
 */
export function lagClass(ageMs) {
  return below(LAG_LIMITS_MS, ageMs);
}

/**
 * How many of the limits are below the value.
 * @param {readonly number[]} limits
 * @param {number} value
 */
function below(limits, value) {
  const index = limits.findIndex((limit) => limit >= value);
  return index < 0 ? limits.length : index;
}

// --- the tables of a weight bundle

const MAGIC = "FWT2";

/**
 * Everything the entropy coder knows about how heads move. N = 14 + E coefficients, P presets, 7 classes.
 * @typedef {object} Tables
 * @property {number} size N
 * @property {Preset[]} presets packets name one by its position here
 * @property {Int8Array[]} cross for each class the lower triangle without diagonal: how much of j's change to add to i's, in 64ths
 * @property {Int8Array} pull (7, N): how much of the reference value to add, in 256ths
 * @property {Int16Array} bias (7, N): the change to expect of anybody, units
 * @property {Uint16Array} rate (P, 7, N): 4096 / the residual's average magnitude (quanta)
 * @property {Uint8Array} index (P, 7, N, 11): which family table to use
 */

/**
 * Reads the compact form that a weight bundle stores. Throws a DecodeError for any other data.
 * @param {Uint8Array} data
 * @returns {Tables}
 */
export function readTables(data) {
  if (data.length < 6 || String.fromCharCode(...data.subarray(0, 4)) !== MAGIC) {
    throw new DecodeError("not entropy tables of facewire, or of another version");
  }
  const [size, count] = [at(data, 4), at(data, 5)];
  const { presets, end } = readPresets(data, count);
  const whole = presets.every((preset) => preset.poseUnits && preset.sceneUnits && preset.expressionUnits);
  if (size < FIXED_SIZE || !count || !whole) {
    throw new DecodeError("damaged entropy tables: no presets, or a preset with steps of 0");
  }
  const triangle = (size * (size - 1)) / 2;
  const rows = CLASSES * size;
  const expected = end + CLASSES * triangle + 3 * rows + 2 * count * rows + count * rows * ACTIVITY_BUCKETS;
  if (data.length !== expected) {
    throw new DecodeError(`damaged entropy tables: ${data.length} bytes instead of ${expected}`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let position = end;
  /** @param {number} length @param {number} width */
  const starts = (length, width) => {
    const starting = Array.from({ length }, (_, i) => position + width * i);
    position += width * length;
    return starting;
  };
  const cross = Array.from({ length: CLASSES }, () =>
    Int8Array.from(starts(triangle, 1), (start) => view.getInt8(start)),
  );
  const pull = Int8Array.from(starts(rows, 1), (start) => view.getInt8(start));
  const bias = Int16Array.from(starts(rows, 2), (start) => view.getInt16(start, true));
  const rate = Uint16Array.from(starts(count * rows, 2), (start) => view.getUint16(start, true));
  const index = data.slice(position);
  const largest = index.reduce((a, b) => Math.max(a, b), 0);
  if (largest >= FAMILY_SIZE) {
    throw new DecodeError(`damaged entropy tables: table number ${largest} of ${FAMILY_SIZE}`);
  }
  return { size, presets, cross, pull, bias, rate, index };
}

/**
 * @param {Uint8Array} data
 * @param {number} count
 * @returns {{presets: Preset[], end: number}}
 */
function readPresets(data, count) {
  /** @type {Preset[]} */
  const presets = [];
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let position = 6;
  try {
    for (let i = 0; i < count; i++) {
      if (position + 5 > data.length) throw new RangeError("cut off");
      const [poseUnits, sceneUnits, expressionUnits, coefficients, length] = data.subarray(position, position + 5);
      const start = position + 5;
      position = start + Number(length);
      presets.push({
        name: utf8.decode(data.subarray(start, position)),
        poseUnits: Number(poseUnits),
        sceneUnits: Number(sceneUnits),
        expressionUnits: Number(expressionUnits),
        coefficients: Number(coefficients),
      });
    }
  } catch {
    throw new DecodeError("damaged entropy tables: the preset list does not parse");
  }
  return { presets, end: position };
}

/** `Tables` laid out for decoding frames one after the other. */
export class FrameModel {
  #tables;
  #quanta;

  /** @param {Tables} tables */
  constructor(tables) {
    this.#tables = tables;
    this.size = tables.size;
    this.#quanta = tables.presets.map((preset) => quanta(preset, tables.size - FIXED_SIZE));
  }

  /**
   * Decodes one frame. Throws a DecodeError if a value exceeds ±MAX_UNITS.
   * @param {RangeDecoder} coder
   * @param {number} preset
   * @param {number} ageClass
   * @param {ArrayLike<number>} reference N units of the frame to predict from (zeros in the class ABSOLUTE)
   * @param {number} activity of the frame before in the same packet, or USUAL_ACTIVITY
   * @returns {{units: Int32Array, activity: number}} of this frame
   */
  codeFrame(coder, preset, ageClass, reference, activity) {
    const { size, cross, pull, bias, rate, index } = this.#tables;
    const sent = at(this.#quanta, preset);
    const weights = at(cross, ageClass);
    const row = ageClass * size;
    const presetRow = (preset * CLASSES + ageClass) * size;
    const units = new Int32Array(size);
    const changes = new Array(sent.length).fill(0);
    for (let i = 0, triangle = 0; i < sent.length; triangle += i, i++) {
      const quantum = at(sent, i);
      const before = at(reference, i);
      const calm = Math.floor(activity / (i + 1));
      let drift = at(pull, row + i) * before + at(bias, row + i) * 2 ** PULL_BITS;
      if (ageClass < ABSOLUTE) drift = Math.floor((drift * Math.min(calm, USUAL_ACTIVITY)) / USUAL_ACTIVITY);
      let together = 0;
      for (let j = 0; j < i; j++) together += at(weights, triangle + j) * at(changes, j);
      const change = rounded(drift, PULL_BITS) + rounded(together, CROSS_BITS);
      const wanted = Math.floor((2 * (before + change) + quantum) / (2 * quantum));
      const least = Math.floor(-MAX_UNITS / quantum);
      const predicted = Math.max(least, Math.min(wanted, Math.floor(MAX_UNITS / quantum)));
      const table = at(index, (presetRow + i) * ACTIVITY_BUCKETS + below(ACTIVITY_LIMITS, calm));
      const rest = codeInteger(coder, table);
      const value = (predicted + rest) * quantum;
      if (Math.abs(value) > MAX_UNITS) throw new DecodeError("damaged packet: a coefficient is out of range");
      units[i] = value;
      changes[i] = value - before;
      activity += Math.min(Math.floor((Math.abs(rest) * at(rate, presetRow + i)) / 2 ** RATE_BITS), MAX_ACTIVITY);
    }
    return { units, activity: Math.floor(activity / (sent.length + 1)) };
  }
}
