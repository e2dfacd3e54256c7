// The `.fw` file: a source message and motion packets in records that reveal damage and truncation. The reader of codec/stream.py,
// which has the layout.

import { crc32 } from "./crc32.js";
import { DecodeError } from "./errors.js";
import { at } from "./motion.js";
import { MAX_PACKET_BYTES, framesIn } from "./packets.js";
import { MAX_PICTURE_BYTES, decodeSource } from "./source.js";

export const STREAM_VERSION = 2;
const MAX_RECORD_BYTES = MAX_PICTURE_BYTES + 2 ** 16;
const CRC_BYTES = 4;

/** @typedef {import("./source.js").SourceFrame} SourceFrame */
/**
 * One record: a source frame or a motion packet, and the bytes of its message.
 * @typedef {{source: SourceFrame, bytes: number} | {packet: Uint8Array, bytes: number}} StreamRecord
 */
/** @typedef {{kind: string, payload: Uint8Array, end: number}} RawRecord */

/**
 * A whole `.fw` file: its records in the order in which they are needed, the first a source frame; and how many frames all packets hold.
 * Throws a DecodeError, saying what is wrong, if it is damaged, truncated or not a `.fw` file. What is inside the packets is left to
 * `MotionDecoder`.
 * @param {Uint8Array} data
 * @returns {{records: StreamRecord[], frames: number}}
 */
export function readStream(data) {
  if (String.fromCharCode(...data.subarray(0, 4)) !== "FWIR") {
    throw new DecodeError("this is not a facewire stream (a .fw file begins with FWIR)");
  }
  if (data[4] !== STREAM_VERSION) {
    const found = data.length < 5 ? "none" : at(data, 4).toString(16).padStart(2, "0");
    throw new DecodeError(`a stream of format version ${found}; this program reads ${STREAM_VERSION}`);
  }
  let record = nextRecord(data, 5);
  if (record.kind !== "S") {
    throw new DecodeError("the stream begins with a record of another kind instead of its source message");
  }
  /** @type {StreamRecord[]} */
  const records = [];
  let [sources, packets, frames] = [0, 0, 0];
  while (record.kind === "S" || record.kind === "M") {
    const bytes = record.payload.length;
    if (record.kind === "S") {
      records.push({ source: decodeSource(record.payload), bytes });
      sources += 1;
    } else {
      records.push({ packet: record.payload, bytes });
      packets += 1;
      frames += framesIn(record.payload);
    }
    record = nextRecord(data, record.end);
  }
  if (record.kind !== "E") throw new DecodeError(`a record of unknown kind after ${records.length} records`);
  checkEnd(record.payload, [sources, packets, frames]);
  if (record.end !== data.length) throw new DecodeError(`${data.length - record.end} bytes follow the end of the stream`);
  return { records, frames };
}

/**
 * @param {Uint8Array} payload of the end record
 * @param {number[]} found how many source frames, packets and frames there are
 */
function checkEnd(payload, found) {
  const announced = [];
  let position = 0;
  for (let i = 0; i < found.length; i++) {
    const [value, end] = readNumber(payload, position);
    announced.push(value);
    position = end;
  }
  if (position !== payload.length || announced.some((value, i) => value !== found[i])) {
    throw new DecodeError(
      `the stream holds ${found[0]} source frames and ${found[1]} packets with ${found[2]} frames; its end record says ` +
        `${announced[0]}, ${announced[1]} and ${announced[2]}`,
    );
  }
}

/**
 * @param {Uint8Array} data
 * @param {number} position
 * @returns {RawRecord}
 */
function nextRecord(data, position) {
  if (position >= data.length) {
    throw new DecodeError(`the stream is cut off at byte ${position}: its end record is missing`);
  }
  const kind = String.fromCharCode(at(data, position));
  const [length, start] = readNumber(data, position + 1);
  const limit = kind === "M" ? MAX_PACKET_BYTES : MAX_RECORD_BYTES;
  if (length > limit) {
    throw new DecodeError(`the record at byte ${position} claims ${length} bytes; at most ${limit} are allowed`);
  }
  const end = start + length;
  if (end + CRC_BYTES > data.length) {
    throw new DecodeError(`the stream is cut off inside the record at byte ${position}`);
  }
  const payload = data.slice(start, end);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (crc32(payload, crc32(data.subarray(position, position + 1))) !== view.getUint32(end, true)) {
    throw new DecodeError(`the record at byte ${position} is damaged: its checksum does not match`);
  }
  return { kind, payload, end: end + CRC_BYTES };
}

/**
 * A number and where it ends.
 * @param {Uint8Array} data
 * @param {number} position
 * @returns {[value: number, end: number]}
 */
function readNumber(data, position) {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    if (position + index >= data.length) {
      throw new DecodeError(`the stream is cut off at byte ${data.length}, inside a length`);
    }
    const byte = at(data, position + index);
    value += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return [value, position + index + 1];
  }
  throw new DecodeError(`damaged stream: the length at byte ${position} does not end`);
}
