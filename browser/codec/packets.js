// Motion packets to frames, in whatever order they arrive: the decoder of codec/packets.py.

import { ABSOLUTE, FrameModel, USUAL_ACTIVITY, codeInteger, codeSized, cumulated, lagClass } from "./entropy.js";
import { DecodeError } from "./errors.js";
import { at } from "./motion.js";
import { RangeDecoder } from "./range_coder.js";

export const PACKET_VERSION = 3;
export const MAX_PACKET_BYTES = 4096;
const MAX_REFERENCE_DISTANCE = 63;
/** How many frames the decoder keeps, and how far back `missing` looks. */
const HISTORY_FRAMES = 128;
const MAX_TIME_MS = 2 ** 48 - 1;
const MAX_NUMBER = 2 ** 32 - 1;
const NUMBER_BITS = 8;
const TIME_TABLE = 3 * 16 + 2;
const MILLIHERTZ_MS = 1_000_000;
const SOURCE_BITS = 8;
/** @param {number} count @param {number} frequency */
const times = (count, frequency) => Array(count).fill(frequency);
const DISTANCE_TABLE = cumulated(...times(8, 12), ...times(8, 4), ...times(MAX_REFERENCE_DISTANCE - 16, 1));
const PACE_TABLE = cumulated(26, 3, 2, 1);
const SOURCE_CHANGED_TABLE = cumulated(255, 1);

/**
 * One frame at the receiver.
 * @typedef {object} DecodedFrame
 * @property {number} number counts the sender's frames from 0
 * @property {number} captureTimeMs on the sender's clock
 * @property {import("./motion.js").Motion} motion
 * @property {number} preset position in the tables' presets of the one it was sent with
 * @property {number} source number of the source frame that it is best drawn from
 */

/** @typedef {{units: Int32Array, timeMs: number, preset: number, source: number}} Frame a frame as both ends remember it */
/** @typedef {{absolute: boolean, preset: number, pace: number, number: number, distance: number}} Header */

/**
 * How many frames a motion packet holds, 1 to 16. Throws a DecodeError if it is not a packet of this version.
 * @param {Uint8Array} packet
 */
export function framesIn(packet) {
  return firstByte(packet).count;
}

/** @param {Uint8Array} packet */
function firstByte(packet) {
  if (packet.length < 1 || packet.length > MAX_PACKET_BYTES) {
    throw new DecodeError(`a motion packet has 1 to ${MAX_PACKET_BYTES} bytes, not ${packet.length}`);
  }
  const first = at(packet, 0);
  if (first >> 5 !== PACKET_VERSION) {
    throw new DecodeError(`a motion packet of format version ${first >> 5}; this program reads ${PACKET_VERSION}`);
  }
  return { absolute: (first & 16) !== 0, count: (first & 15) + 1 };
}

/**
 * Turns packets back into frames. A new sender needs a new decoder, unless it continues the numbers of the previous one. Frames are
 * decoded correctly as long as only frames that this decoder has returned are acknowledged to the sender.
 */
export class MotionDecoder {
  #model;
  #quantiser;
  #millihertz;
  #presetTable;
  /** @type {Map<number, Frame>} */
  #history = new Map();
  /** @type {number | null} */
  #first = null;
  #newest = -1;
  #heard = -1;
  /** How many packets arrived without their reference. */
  undecodable = 0;

  /**
   * @param {import("./entropy.js").Tables} tables of the weight bundle
   * @param {import("./quantiser.js").Quantiser} quantiser of the same
   * @param {number} frameRate the sender's nominal frames per second, 0.1 to 1000
   */
  constructor(tables, quantiser, frameRate) {
    if (!(frameRate >= 0.1 && frameRate <= 1000)) throw new RangeError(`a frame rate of ${frameRate}`);
    if (tables.size !== quantiser.units.length) throw new RangeError("the tables are not those of the quantiser");
    this.#model = new FrameModel(tables);
    this.#quantiser = quantiser;
    this.#millihertz = Math.round(frameRate * 1000);
    this.#presetTable = cumulated(...times(tables.presets.length, 1));
  }

  /** Number of the newest decoded frame, to be acknowledged; null before the first. */
  get newest() {
    return this.#first === null ? null : this.#newest;
  }

  /**
   * The frames of a packet that are new, oldest first. There are none in a repeated packet, in one older than the last 128 frames, and
   * in one whose reference has not arrived, which counts in `undecodable`. Throws a DecodeError for anything else that cannot be
   * decoded.
   * @param {Uint8Array} packet
   * @returns {DecodedFrame[]}
   */
  decode(packet) {
    const { absolute, count } = firstByte(packet);
    const coder = new RangeDecoder(packet.subarray(1));
    const header = this.#readHeader(coder, absolute);
    const number = absolute ? header.number : this.#unwrapped(header.number);
    if (number === null || number < 0) {
      this.undecodable += 1;
      return [];
    }
    if (number + count - 1 > MAX_NUMBER) throw new DecodeError(`damaged packet: a frame number above ${MAX_NUMBER}`);
    /** @type {Frame | null} */
    let reference = null;
    if (!absolute) {
      reference = this.#history.get(number - header.distance) ?? null;
      if (reference === null) {
        this.undecodable += 1;
        this.#heard = Math.max(this.#heard, number + count - 1);
        return [];
      }
    }
    const frames = this.#readFrames(coder, header, reference, count);
    coder.finish();
    return this.#keep(number, frames);
  }

  /**
   * Which of the last 128 frames have not arrived, from the first decoded frame up to the newest one heard of.
   * @returns {number[]}
   */
  missing() {
    if (this.#first === null) return [];
    const start = Math.max(this.#first, this.#newest - HISTORY_FRAMES + 1);
    const numbers = Array.from({ length: Math.max(0, this.#heard + 1 - start) }, (_, i) => start + i);
    return numbers.filter((number) => !this.#history.has(number));
  }

  /**
   * @param {RangeDecoder} coder
   * @param {boolean} absolute
   * @returns {Header}
   */
  #readHeader(coder, absolute) {
    const preset = coder.code(this.#presetTable);
    if (absolute) return { absolute, preset, pace: 1, number: codeSized(coder), distance: 0 };
    const pace = coder.code(PACE_TABLE) + 1;
    const number = coder.bits(NUMBER_BITS);
    return { absolute, preset, pace, number, distance: coder.code(DISTANCE_TABLE) + 1 };
  }

  /**
   * @param {RangeDecoder} coder
   * @param {Header} header
   * @param {Frame | null} reference
   * @param {number} count
   * @returns {Frame[]}
   */
  #readFrames(coder, header, reference, count) {
    const frames = [];
    let [before, distance, activity] = [reference, header.distance, USUAL_ACTIVITY];
    for (let position = 0; position < count; position++) {
      const source = readSource(coder, before);
      let timeMs, ageClass;
      if (before === null) {
        [timeMs, ageClass] = [codeSized(coder), ABSOLUTE];
      } else {
        timeMs = before.timeMs + this.#expectedMs(distance, header.pace) + codeInteger(coder, TIME_TABLE);
        ageClass = lagClass(timeMs - before.timeMs);
      }
      if (timeMs < 0 || timeMs > MAX_TIME_MS) throw new DecodeError(`damaged packet: a capture time of ${timeMs} ms`);
      const from = before?.units ?? new Int32Array(this.#model.size);
      const coded = this.#model.codeFrame(coder, header.preset, ageClass, from, activity);
      activity = coded.activity;
      before = { units: coded.units, timeMs, preset: header.preset, source };
      distance = 1;
      frames.push(before);
    }
    return frames;
  }

  /**
   * How long `frames` frames take when only every `pace`-th frame of the nominal rate is sent.
   * @param {number} frames
   * @param {number} pace
   */
  #expectedMs(frames, pace) {
    return Math.floor((frames * pace * MILLIHERTZ_MS + Math.floor(this.#millihertz / 2)) / this.#millihertz);
  }

  /**
   * The frame number with these low bits that is nearest to the newest.
   * @param {number} lowBits
   */
  #unwrapped(lowBits) {
    if (this.#first === null) return null;
    const span = 2 ** NUMBER_BITS;
    const ahead = (lowBits - this.#newest + span / 2) % span;
    return this.#newest + (ahead < 0 ? ahead + span : ahead) - span / 2;
  }

  /**
   * @param {number} number
   * @param {Frame[]} frames
   * @returns {DecodedFrame[]}
   */
  #keep(number, frames) {
    for (const [position, frame] of frames.entries()) {
      const known = this.#history.get(number + position);
      if (known !== undefined && !same(known, frame)) {
        throw new DecodeError(`frame ${number + position} came twice with different contents`);
      }
    }
    const last = number + frames.length - 1;
    this.#first = Math.min(this.#first ?? number, number);
    this.#newest = Math.max(this.#newest, last);
    this.#heard = Math.max(this.#heard, last);
    const oldest = this.#newest - HISTORY_FRAMES + 1;
    const fresh = [];
    for (const [position, frame] of frames.entries()) {
      const own = number + position;
      if (this.#history.has(own) || own < oldest) continue;
      this.#history.set(own, frame);
      const { timeMs: captureTimeMs, preset, source } = frame;
      fresh.push({ number: own, captureTimeMs, motion: this.#quantiser.motion(frame.units), preset, source });
    }
    for (const old of [...this.#history.keys()].filter((key) => key < oldest)) this.#history.delete(old);
    return fresh;
  }
}

/**
 * The number of a frame's source frame: nearly free while it is that of the frame before.
 * @param {RangeDecoder} coder
 * @param {Frame | null} before
 */
function readSource(coder, before) {
  if (before !== null && !coder.code(SOURCE_CHANGED_TABLE)) return before.source;
  const number = coder.bits(SOURCE_BITS);
  if (number === before?.source) throw new DecodeError("damaged packet: a change to the same source frame");
  return number;
}

/** @param {Frame} a @param {Frame} b */
function same(a, b) {
  const alike = a.timeMs === b.timeMs && a.preset === b.preset && a.source === b.source;
  return alike && a.units.every((unit, i) => unit === b.units[i]);
}
