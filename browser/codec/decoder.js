// Bytes to what is drawn: source messages and motion packets in, frames with the source frame that each is drawn from out. What
// receiver/decoder.py does, without drawing. Nothing here needs a browser.

import { DecodeError } from "./errors.js";
import { distance } from "./motion.js";
import { MotionDecoder } from "./packets.js";
import { Steadier } from "./steady.js";
import { readStream } from "./stream.js";

/** @typedef {import("./motion.js").Motion} Motion */
/** @typedef {import("./packets.js").DecodedFrame} DecodedFrame */
/** @typedef {import("./source.js").SourceFrame} SourceFrame */

/**
 * What both ends of a stream must share, from the weight bundle.
 * @typedef {{tables: import("./entropy.js").Tables, quantiser: import("./quantiser.js").Quantiser}} Coding
 */

/** Source frames kept, whatever a sender sends; no sender of ours uses more than half of them. */
const MAX_SOURCES = 16;

/** One person's video at the receiving end. */
export class Decoder {
  #coding;
  /** @type {MotionDecoder | null} */
  #motion = null;
  #undecodable = 0;
  /** The sender's nominal frames per second. */
  frameRate = 25;
  /**
   * The sender's newest source frames by number, the newest last.
   * @type {Map<number, SourceFrame>}
   */
  sources = new Map();

  /** @param {Coding} coding */
  constructor(coding) {
    this.#coding = coding;
  }

  /**
   * Takes a source frame; of more than `MAX_SOURCES` the oldest is forgotten. Throws a DecodeError if it is not of these weights.
   * @param {SourceFrame} source
   */
  useSource(source) {
    const expected = this.#coding.tables.size;
    if (source.motionUnits.length !== expected) {
      throw new DecodeError(`a source frame with ${source.motionUnits.length} motion values; these weights have ${expected}`);
    }
    if (this.#motion === null || source.frameRate !== this.frameRate) {
      this.#undecodable += this.#motion?.undecodable ?? 0;
      this.frameRate = source.frameRate;
      this.#motion = new MotionDecoder(this.#coding.tables, this.#coding.quantiser, source.frameRate);
    }
    this.sources.delete(source.number);
    this.sources.set(source.number, source);
    for (const oldest of [...this.sources.keys()].slice(0, -MAX_SOURCES)) this.sources.delete(oldest);
  }

  /**
   * Takes a motion packet, in any order. Returns its new frames, oldest first; none before the first source frame. Throws a DecodeError
   * for bytes that are not a motion packet.
   * @param {Uint8Array} packet
   * @returns {DecodedFrame[]}
   */
  decode(packet) {
    return this.#motion?.decode(packet) ?? [];
  }

  /** Number of the newest decoded frame, to be acknowledged to the sender; null before the first. */
  get acknowledged() {
    return this.#motion?.newest ?? null;
  }

  /** How many packets arrived without their reference frame. */
  get undecodable() {
    return this.#undecodable + (this.#motion?.undecodable ?? 0);
  }

  /**
   * What a motion is drawn from: the source frame of that number or, while that is not here, the nearest by motion; null before the
   * first.
   * @param {Motion} motion
   * @param {number | null} number
   * @returns {SourceFrame | null}
   */
  drawnSource(motion, number) {
    const named = number === null ? undefined : this.sources.get(number);
    if (named !== undefined) return named;
    let [nearest, least] = [/** @type {SourceFrame | null} */ (null), Infinity];
    for (const source of this.sources.values()) {
      const apart = distance(this.#coding.quantiser.motion(source.motionUnits), motion);
      if (apart < least) [nearest, least] = [source, apart];
    }
    return nearest;
  }
}

/**
 * A frame that is ready to be drawn.
 * @typedef {DecodedFrame & {drawnFrom: SourceFrame}} DrawnFrame
 */

/**
 * Everything in a `.fw` file. sources: in the order of the file. frames: every frame in order, steadied.
 * @typedef {{sources: SourceFrame[], frames: DrawnFrame[], frameRate: number, sourceBytes: number, motionBytes: number}} Recording
 */

/**
 * Reads a whole `.fw` file. Throws a DecodeError if it is damaged, or holds no motion that can be decoded.
 * @param {Uint8Array} data
 * @param {Coding} coding
 * @returns {Recording}
 */
export function readRecording(data, coding) {
  const decoder = new Decoder(coding);
  /** @type {DrawnFrame[]} */
  const frames = [];
  /** @type {SourceFrame[]} */
  const sources = [];
  let [sourceBytes, motionBytes] = [0, 0];
  for (const record of readStream(data).records) {
    if ("source" in record) {
      decoder.useSource(record.source);
      sources.push(record.source);
      sourceBytes += record.bytes;
      continue;
    }
    motionBytes += record.bytes;
    for (const frame of decoder.decode(record.packet)) {
      // Nothing gets lost in a file, so a gap in the numbers means damage.
      if (frame.number !== frames.length) throw new DecodeError(`damaged stream: frame ${frames.length} is missing`);
      const drawnFrom = /** @type {SourceFrame} */ (decoder.drawnSource(frame.motion, frame.source));
      frames.push({ ...frame, drawnFrom });
    }
    if (decoder.undecodable > 0) throw new DecodeError("damaged stream: a packet needs frames that are missing");
  }
  if (frames.length === 0) throw new DecodeError("holds a source frame but no motion that can be decoded");
  const frameRate = /** @type {SourceFrame} */ (sources[0]).frameRate;
  return { sources, frames: new Steadier(coding).frames(frames), frameRate, sourceBytes, motionBytes };
}
