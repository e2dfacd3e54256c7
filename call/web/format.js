// Formatting of numbers, times and sizes.

import { text } from "./text.js";

const NAME_LETTERS = 24;

/** @param {number} digits */
const decimals = (digits) =>
  new Intl.NumberFormat(text.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const [whole, tenths] = [decimals(0), decimals(1)];
const clock = new Intl.DateTimeFormat(text.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/**
 * At least two significant digits: 4.2, 13, 210.
 * @param {number} value
 */
export function number(value) {
  return (value < 9.95 ? tenths : whole).format(value);
}

/** @param {number} value */
export function integer(value) {
  return whole.format(value);
}

/** @param {number | null | undefined} value kbit/s */
export function kbps(value) {
  return value === null || value === undefined ? text.units.unknown : text.units.kbps(number(value));
}

/** @param {number | null | undefined} value */
export function milliseconds(value) {
  return value === null || value === undefined ? text.units.unknown : text.units.ms(whole.format(value));
}

/** @param {number | null | undefined} share 0 to 1 */
export function percent(share) {
  if (share === null || share === undefined) return text.units.unknown;
  return text.units.percent(share === 0 ? "0" : number(100 * share));
}

/** @param {number | null | undefined} value bytes */
export function bytes(value) {
  if (value === null || value === undefined) return text.units.unknown;
  return value < 999_500 ? text.units.kilobytes(number(value / 1000)) : text.units.megabytes(number(value / 1e6));
}

/** @param {number | null | undefined} value */
export function oneDecimal(value) {
  return value === null || value === undefined ? text.units.unknown : tenths.format(value);
}

/**
 * Such as 4:07, or 1:02:03 from one hour up.
 * @param {number} seconds
 */
export function duration(seconds) {
  const all = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const tail = `${hours ? String(minutes).padStart(2, "0") : minutes}:${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

/** @param {number} degrees */
export function angle(degrees) {
  const rounded = Math.round(degrees);
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded)}°`;
}

/**
 * A name that fits into a sentence on a phone.
 * @param {string} name
 */
export function shortName(name) {
  const letters = [...name];
  return letters.length > NAME_LETTERS ? `${letters.slice(0, NAME_LETTERS - 1).join("").trim()}…` : name;
}

/** @param {number} ms since 1970 */
export function timeOfDay(ms) {
  return clock.format(new Date(ms));
}
