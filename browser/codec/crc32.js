// The CRC-32 of zlib, PNG and our records.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/**
 * @param {Uint8Array} data
 * @param {number} before the checksum of what precedes them
 * @returns {number} 0 to 2^32 - 1
 */
export function crc32(data, before = 0) {
  let value = ~before;
  for (const byte of data) value = (value >>> 8) ^ /** @type {number} */ (TABLE[(value ^ byte) & 255]);
  return ~value >>> 0;
}
