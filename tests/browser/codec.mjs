// Runs the codec of the browser in node for the tests: a JSON object on each line of standard input, its answer on a line of standard
// output. Bytes travel as hexadecimal digits, float32 numbers as the digits of their bytes.

import { createInterface } from "node:readline";

import { Decoder, readRecording } from "../../browser/codec/decoder.js";
import { cumulated, familyTable, readTables } from "../../browser/codec/entropy.js";
import { DecodeError } from "../../browser/codec/errors.js";
import { MotionDecoder } from "../../browser/codec/packets.js";
import { Quantiser } from "../../browser/codec/quantiser.js";
import { RangeDecoder } from "../../browser/codec/range_coder.js";
import { decodeSource, hexadecimal } from "../../browser/codec/source.js";
import { readStream } from "../../browser/codec/stream.js";

const bytes = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const floats = (values) => hexadecimal(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
const frame = ({ number, captureTimeMs, motion, preset, source }) => [number, captureTimeMs, floats(motion), preset, source];
const source = (found) => ({
  ...found,
  picture: hexadecimal(found.picture),
  canonical: [...found.canonical],
  motionUnits: [...found.motionUnits],
});
const coding = ({ tables, steps }) => ({
  tables: readTables(bytes(tables)),
  quantiser: new Quantiser(new Float32Array(bytes(steps).buffer)),
});

function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof DecodeError) return { error: error.message };
    throw error;
  }
}

const ANSWERS = {
  family: () => Array.from({ length: 168 }, (_, index) => familyTable(index)),
  tables: ({ data }) => {
    const { size, presets, index } = readTables(bytes(data));
    return { size, presets, index: hexadecimal(index) };
  },
  // Strings of symbols, each symbol of a table of frequencies or a number of bits: for each string its symbols or its error.
  symbols: ({ strings, draws }) =>
    strings.map((string) =>
      attempt(() => {
        const coder = new RangeDecoder(bytes(string));
        const values = draws.map((draw) => (typeof draw === "number" ? coder.bits(draw) : coder.code(cumulated(...draw))));
        coder.finish();
        return values;
      }),
    ),
  // Packets into one decoder: for each packet its frames or its error, then what the decoder knows.
  packets: (request) => {
    const { tables, quantiser } = coding(request);
    const decoder = new MotionDecoder(tables, quantiser, request.frameRate ?? 25);
    const packets = request.packets.map((packet) => attempt(() => decoder.decode(bytes(packet)).map(frame)));
    return { packets, newest: decoder.newest, undecodable: decoder.undecodable, missing: decoder.missing() };
  },
  source: ({ data }) => source(decodeSource(bytes(data))),
  stream: ({ data }) => {
    const { records, frames } = readStream(bytes(data));
    return { frames, records: records.map((record) => ("packet" in record ? hexadecimal(record.packet) : source(record.source))) };
  },
  recording: (request) => {
    const { sources, frames } = readRecording(bytes(request.data), coding(request));
    return frames.map((one) => [...frame(one), sources.indexOf(one.drawnFrom)]);
  },
  // Which source frame each motion is drawn from, by number.
  drawn: (request) => {
    const own = coding(request);
    const decoder = new Decoder(own);
    for (const message of request.sources) decoder.useSource(decodeSource(bytes(message)));
    return request.frames.map(([motion, number]) => decoder.drawnSource(new Float32Array(bytes(motion).buffer), number)?.number ?? null);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(attempt(() => ANSWERS[request.ask](request))));
}
