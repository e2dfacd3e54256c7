// Motion without the steps of its quantiser, between neighbouring frames: receiver/steady.py, which says why, to the last bit.

import { FIXED_SIZE } from "./motion.js";
import { HYSTERESIS_STEPS, quanta } from "./quantiser.js";

/** @typedef {import("./packets.js").DecodedFrame} DecodedFrame */

/** Frames further apart than this say nothing about each other. */
const MAX_GAP_MS = 120;

/** Steadies the frames of one stream. */
export class Steadier {
  /**
   * For each preset, how far each coefficient may be from its decoded value.
   * @type {Float64Array[]}
   */
  #reach;

  /** @param {import("./decoder.js").Coding} coding of the stream */
  constructor({ tables, quantiser }) {
    this.#reach = tables.presets.map((preset) => {
      const sent = quanta(preset, tables.size - FIXED_SIZE);
      return Float64Array.from(quantiser.units, (unit, i) => (0.5 + HYSTERESIS_STEPS) * (sent[i] ?? 0) * unit);
    });
  }

  /**
   * A frame's motion, given the frames before and after it as far as they are known.
   * @param {DecodedFrame} frame
   * @param {DecodedFrame | undefined} before
   * @param {DecodedFrame | undefined} after
   * @returns {import("./motion.js").Motion}
   */
  motion(frame, before, after) {
    /** @type {{motion: Float32Array, weight: number}[]} */
    const near = [];
    for (const other of [before, after]) {
      const gapMs = other === undefined ? 0 : Math.abs(other.captureTimeMs - frame.captureTimeMs);
      if (other !== undefined && gapMs > 0 && gapMs < MAX_GAP_MS) near.push({ motion: other.motion, weight: 1 / gapMs });
    }
    const reach = this.#reach[frame.preset];
    if (near.length === 0 || reach === undefined) return frame.motion;
    const share = near.length === 2 ? 0.5 : 0.25;
    const total = Math.fround(near.reduce((sum, { weight }) => sum + weight, 0));
    return frame.motion.map((decoded, i) => {
      let line = 0; // in float32, as NumPy has it
      for (const { motion, weight } of near) line = Math.fround(line + Math.fround(Math.fround(weight) * (motion[i] ?? 0)));
      const wanted = share * (Math.fround(line / total) - decoded);
      const limit = reach[i] ?? 0;
      return decoded + Math.min(Math.max(wanted, -limit), limit);
    });
  }

  /**
   * All frames of a stream, in order.
   * @template {DecodedFrame} Frame
   * @param {readonly Frame[]} frames
   * @returns {Frame[]}
   */
  frames(frames) {
    return frames.map((frame, i) => ({ ...frame, motion: this.motion(frame, frames[i - 1], frames[i + 1]) }));
  }
}
