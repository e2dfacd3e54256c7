// Head motion as a row of float32 numbers in the order it is coded in, and how far two of them are apart: the part of
// codec/motion.py that drawing needs. docs/codec.md has the units.

export const POSE_SIZE = 6;
export const SCENE_SIZE = 8;
export const FIXED_SIZE = POSE_SIZE + SCENE_SIZE;

/** @typedef {Float32Array} Motion (14 + E): yaw, pitch, roll; x, y, log-scale; scene (8); expression (E) */

/**
 * What the networks take of a motion: rotation, translation, expression.
 * @param {Motion} motion
 * @returns {Float32Array} (6 + E)
 */
export function head(motion) {
  const values = new Float32Array(motion.length - SCENE_SIZE);
  values.set(motion.subarray(0, POSE_SIZE));
  values.set(motion.subarray(FIXED_SIZE), POSE_SIZE);
  return values;
}

/**
 * How far the scene has moved from one motion to another.
 * @param {Motion} from
 * @param {Motion} to
 * @returns {Float32Array} (8)
 */
export function sceneChange(from, to) {
  return Float32Array.from({ length: SCENE_SIZE }, (_, i) => at(to, POSE_SIZE + i) - at(from, POSE_SIZE + i));
}

/**
 * How far two motions are apart, for the choice of a source frame: 1 is 15 degrees, .15 half picture widths, a scale of e^.15, or one
 * unit of the expression code.
 * @param {Motion} a
 * @param {Motion} b
 * @returns {number}
 */
export function distance(a, b) {
  const before = rotationMatrix(a);
  const after = rotationMatrix(b);
  let trace = 0; // of the turn from a to b, whose angle is wanted
  for (let i = 0; i < 9; i++) trace += at(before, i) * at(after, i);
  const turned = Math.acos(Math.min(1, Math.max(-1, (trace - 1) / 2)));
  const moved = Math.hypot(at(a, 3) - at(b, 3), at(a, 4) - at(b, 4)) + Math.abs(at(a, 5) - at(b, 5));
  let squares = 0;
  for (let i = FIXED_SIZE; i < a.length; i++) squares += (at(a, i) - at(b, i)) ** 2;
  return turned / ((15 * Math.PI) / 180) + Math.sqrt(squares) + moved / 0.15;
}

/**
 * R = Rz(roll) Ry(yaw) Rx(pitch), row by row.
 * @param {Motion} motion
 * @returns {number[]}
 */
function rotationMatrix(motion) {
  const [cy, sy] = [Math.cos(at(motion, 0)), Math.sin(at(motion, 0))];
  const [cp, sp] = [Math.cos(at(motion, 1)), Math.sin(at(motion, 1))];
  const [cr, sr] = [Math.cos(at(motion, 2)), Math.sin(at(motion, 2))];
  return [
    ...[cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
    ...[sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
    ...[-sy, cy * sp, cy * cp],
  ];
}

/**
 * An element that is known to be there.
 * @template T
 * @param {ArrayLike<T>} values
 * @param {number} index
 * @returns {T}
 */
export function at(values, index) {
  return /** @type {T} */ (values[index]);
}
