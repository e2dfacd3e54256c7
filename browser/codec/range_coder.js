// Bytes to symbols by integer frequency tables: the decoder of codec/range_coder.py, whose numbers all stay below 2^53 here.

import { DecodeError } from "./errors.js";

const TOP_BITS = 40;
const RENORMALISE_BELOW = 2 ** 32;

/** Reads the symbols that a range encoder wrote. */
export class RangeDecoder {
  #data;
  #range = 2 ** TOP_BITS;
  #size = TOP_BITS / 8;
  /** Where the bytes read so far lie above the low end of the interval; always below the range. */
  #offset = 0;

  /** @param {Uint8Array} data */
  constructor(data) {
    this.#data = data;
    for (let index = 0; index < this.#size; index++) this.#offset = this.#offset * 256 + (data[index] ?? 0);
  }

  /**
   * The next symbol.
   * @param {readonly number[]} cumulative 0 and the running sums of the frequencies, increasing, at most 2^16
   * @returns {number}
   */
  code(cumulative) {
    const total = /** @type {number} */ (cumulative.at(-1));
    const quantum = Math.floor(this.#range / total);
    // No symbol owns the remainder of the division at the top of the range: no encoder writes such bytes.
    const target = Math.floor(this.#offset / quantum);
    if (target >= total) throw new DecodeError("damaged packet: its bits match no symbol");
    let symbol = 0;
    for (let end = cumulative.length - 1; end - symbol > 1; ) {
      const middle = (symbol + end) >> 1;
      if (/** @type {number} */ (cumulative[middle]) <= target) symbol = middle;
      else end = middle;
    }
    const start = /** @type {number} */ (cumulative[symbol]);
    this.#narrow(start, /** @type {number} */ (cumulative[symbol + 1]) - start, quantum);
    return symbol;
  }

  /**
   * The next number of `count` (0 to 16) equally likely bits.
   * @param {number} count
   * @returns {number}
   */
  bits(count) {
    const quantum = Math.floor(this.#range / 2 ** count);
    const value = Math.floor(this.#offset / quantum);
    if (value >= 2 ** count) throw new DecodeError("damaged packet: its bits match no symbol");
    this.#narrow(value, 1, quantum);
    return value;
  }

  /**
   * Throws a DecodeError unless the bytes are exactly those an encoder writes for the symbols read: the shortest that, followed by
   * zeros, lie in the final interval.
   *
   * Whether they are can be told without the low end itself, which has as many digits as the packet. With d bytes fewer than the
   * interval has been widened to, the data stand for D = data · 256^d, and the low end is D − offset. The data are what an encoder
   * writes if D is the first multiple of 256^d in the interval, and the interval has no multiple of 256^(d+1).
   */
  finish() {
    const length = this.#data.length;
    if (length === 0) return; // then all that was read are zeros, and the interval begins at zero
    const unit = 256 ** (this.#size - length);
    const last = /** @type {number} */ (this.#data[length - 1]);
    const first = length <= this.#size && this.#offset < unit;
    if (!first || last === 0 || (256 - last) * unit + this.#offset < this.#range) {
      throw new DecodeError(`damaged packet: its ${length} payload bytes do not end where its frames end`);
    }
  }

  /**
   * @param {number} start
   * @param {number} frequency
   * @param {number} quantum
   */
  #narrow(start, frequency, quantum) {
    this.#offset -= quantum * start;
    this.#range = quantum * frequency;
    while (this.#range < RENORMALISE_BELOW) {
      this.#range *= 256;
      this.#offset = this.#offset * 256 + (this.#data[this.#size] ?? 0);
      this.#size += 1;
    }
  }
}
