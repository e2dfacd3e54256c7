// The source message: everything the receiver needs once, so that motion alone is enough from then on. The decoder of codec/source.py,
// which has the layout.

import { crc32 } from "./crc32.js";
import { DecodeError } from "./errors.js";
import { FIXED_SIZE } from "./motion.js";
import { MAX_UNITS } from "./quantiser.js";

export const SOURCE_VERSION = 2;
export const MAX_PICTURE_BYTES = 2 ** 20;
const MAX_PICTURE_SIDE = 4096;
const MAX_CANONICAL_SIZE = 4096;
const MAX_MOTION_SIZE = 255;
const MAX_TIME_MS = 2 ** 48 - 1;
/** Formats of the source picture; their positions are their numbers on the wire. */
export const PICTURE_FORMATS = ["webp", "avif", "jpeg", "png"];
const HEAD_BYTES = 37;
const CRC_BYTES = 4;

/**
 * The contents of a source message.
 * @typedef {object} SourceFrame
 * @property {string} bundleHash of the weight bundle that both sides must have, 16 hexadecimal digits
 * @property {number} side height and width of the square picture in pixels, 1 to 4096
 * @property {number} frameRate nominal frames per second of the motion that follows, 0.1 to 1000
 * @property {string} pictureFormat one of `PICTURE_FORMATS`
 * @property {Uint8Array} picture the encoded picture, not examined here
 * @property {Int16Array} canonical (C), the canonical keypoint code in quanta of the bundle's step
 * @property {Int32Array} motionUnits (14 + E), the picture's own motion
 * @property {number} captureTimeMs on the sender's clock
 * @property {number} number by which frames name it, 0 to 255
 */


/**
 * Reads a source message. Throws a DecodeError if the bytes are damaged, of another version or something else.
 * @param {Uint8Array} data
 * @returns {SourceFrame}
 */
export function decodeSource(data) {
  if (data.length < 5 || String.fromCharCode(...data.subarray(0, 4)) !== "FWSF") {
    throw new DecodeError("this is not a facewire source message");
  }
  if (data[4] !== SOURCE_VERSION) {
    throw new DecodeError(`a source message of format version ${data[4]}; this program reads ${SOURCE_VERSION}`);
  }
  if (data.length < HEAD_BYTES + CRC_BYTES) {
    throw new DecodeError(`a source message cut off after ${data.length} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const side = view.getUint16(14, true);
  const millihertz = view.getUint32(16, true);
  const timeMs = view.getBigUint64(21, true);
  const canonicalSize = view.getUint16(29, true);
  const unitsSize = view.getUint16(31, true);
  const length = view.getUint32(33, true);
  within(100, millihertz, 1_000_000, (value) => `frame rate of ${value} mHz`);
  within(1, side, MAX_PICTURE_SIDE, (value) => `picture ${value} pixels wide`);
  within(1, length, MAX_PICTURE_BYTES, (value) => `picture of ${value} bytes`);
  within(0, canonicalSize, MAX_CANONICAL_SIZE, (value) => `canonical code of ${value} numbers`);
  within(FIXED_SIZE, unitsSize, MAX_MOTION_SIZE, (value) => `motion of ${value} numbers`);
  within(0, timeMs, MAX_TIME_MS, (value) => `capture time of ${value} ms`);
  const pictureFormat = PICTURE_FORMATS[view.getUint8(20)];
  if (pictureFormat === undefined) {
    throw new DecodeError(`a source message with picture format ${view.getUint8(20)}, which is unknown`);
  }
  const unitsStart = HEAD_BYTES + 2 * canonicalSize;
  const pictureStart = unitsStart + 4 * unitsSize;
  const end = pictureStart + length;
  if (data.length !== end + CRC_BYTES) {
    throw new DecodeError(`a source message of ${data.length} bytes; its header announces ${end + CRC_BYTES}`);
  }
  if (view.getUint32(end, true) !== crc32(data.subarray(0, end))) {
    throw new DecodeError("a damaged source message: its checksum does not match");
  }
  const canonical = Int16Array.from({ length: canonicalSize }, (_, i) =>
    view.getInt16(HEAD_BYTES + 2 * i, true),
  );
  const motionUnits = Int32Array.from({ length: unitsSize }, (_, i) => view.getInt32(unitsStart + 4 * i, true));
  const beyond = motionUnits.find((units) => Math.abs(units) > MAX_UNITS);
  if (beyond !== undefined) {
    throw new DecodeError(
      `a source message with a motion value of ${beyond} units (it must be within ±${MAX_UNITS})`,
    );
  }
  return {
    bundleHash: hexadecimal(data.subarray(6, 14)),
    side,
    frameRate: millihertz / 1000,
    pictureFormat,
    picture: data.slice(pictureStart, end),
    canonical,
    motionUnits,
    captureTimeMs: Number(timeMs),
    number: view.getUint8(5),
  };
}

/**
 * Throws a DecodeError if a field is out of bounds.
 * @param {number} low
 * @param {number | bigint} value
 * @param {number} high
 * @param {(value: number | bigint) => string} words
 */
function within(low, value, high, words) {
  if (value < low || value > high) {
    throw new DecodeError(`a source message with a ${words(value)} (it must be ${low} to ${high})`);
  }
}

/** @param {Uint8Array} data */
export function hexadecimal(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
