// The errors that callers tell apart, as in facewire/errors.py.

/** Bytes that are damaged, of another version or something else. */
export class DecodeError extends Error {
  /** @override */
  name = "DecodeError";
}

/** Weights that cannot be read, or others than the stream was made with. */
export class WeightsError extends Error {
  /** @override */
  name = "WeightsError";
}
