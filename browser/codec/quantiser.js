// Integers off the wire to motion: the receiving half of codec/quantiser.py. Integers count units, a quarter of a coefficient's step.

import { FIXED_SIZE, POSE_SIZE, SCENE_SIZE, at } from "./motion.js";

export const UNITS_PER_STEP = 4;
export const MAX_UNITS = 2 ** 22;
export const HYSTERESIS_STEPS = 0.15;

/**
 * One quality setting of a weight bundle.
 * @typedef {object} Preset
 * @property {string} name
 * @property {number} poseUnits units per quantum of such a coefficient, 1 to 255
 * @property {number} sceneUnits the same
 * @property {number} expressionUnits the same
 * @property {number} coefficients how many expression coefficients are sent; the others are 0 at the receiver
 */

/**
 * Units per quantum of each coefficient that is sent.
 * @param {Preset} preset
 * @param {number} expressionSize
 * @returns {number[]}
 */
export function quanta(preset, expressionSize) {
  return [
    ...Array(POSE_SIZE).fill(preset.poseUnits),
    ...Array(SCENE_SIZE).fill(preset.sceneUnits),
    ...Array(Math.min(preset.coefficients, expressionSize)).fill(preset.expressionUnits),
  ];
}

/** Units of one stream to motion. */
export class Quantiser {
  /** @param {Float32Array} steps (14 + E) of the weight bundle */
  constructor(steps) {
    /** What one unit of each coefficient is worth, exact in float32. */
    this.units = steps.map((step) => step / UNITS_PER_STEP);
    this.expressionSize = steps.length - FIXED_SIZE;
  }

  /**
   * One float32 product a number, so the bits are the same on every machine.
   * @param {ArrayLike<number>} units (14 + E) integers
   * @returns {import("./motion.js").Motion}
   */
  motion(units) {
    return this.units.map((unit, index) => unit * at(units, index));
  }
}
