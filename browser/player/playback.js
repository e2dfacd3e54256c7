// When which frame of a recording is drawn: a clock that plays, pauses and seeks. It draws one picture at a time, so a slow machine skips
// frames and stays in time.

/** @typedef {import("../codec/decoder.js").DrawnFrame} DrawnFrame */
/** @typedef {import("../networks/painter.js").Painter} Painter */

const SPEED_OVER_MS = 1000;

/** One recording on one canvas. */
export class Playback {
  #painter;
  #frames;
  #changed;
  #startMs;
  /** Position when the clock was last started or set, and the time of that, null while it stands. */
  #fromMs = 0;
  /** @type {number | null} */
  #since = null;
  #drawn = -1;
  #drawing = false;
  /**
   * When recent pictures were finished, and how long each took.
   * @type {{at: number, ms: number}[]}
   */
  #recent = [];
  /**
   * What made drawing impossible.
   * @type {unknown}
   */
  failure = null;

  /**
   * @param {Painter} painter
   * @param {import("../codec/decoder.js").Recording} recording
   * @param {() => void} changed called when something that is shown has changed
   */
  constructor(painter, { frames, frameRate }, changed) {
    this.#painter = painter;
    this.#frames = frames;
    this.#changed = changed;
    const [first, last] = [/** @type {DrawnFrame} */ (frames[0]), /** @type {DrawnFrame} */ (frames.at(-1))];
    this.#startMs = first.captureTimeMs;
    this.frameMs = 1000 / frameRate;
    this.durationMs = last.captureTimeMs - first.captureTimeMs + this.frameMs;
  }

  get playing() {
    return this.#since !== null;
  }

  get positionMs() {
    const run = this.#since === null ? 0 : performance.now() - this.#since;
    return Math.min(this.#fromMs + run, this.durationMs);
  }

  /** The frame on the canvas; null before the first. */
  get frame() {
    return this.#frames[this.#drawn] ?? null;
  }

  /** Pictures a second of late, and the median of the milliseconds each took; null without enough of them. */
  get speed() {
    const since = performance.now() - SPEED_OVER_MS;
    const times = this.#recent.filter(({ at }) => at > since).map(({ ms }) => ms);
    times.sort((a, b) => a - b);
    const median = times[times.length >> 1];
    return median === undefined ? null : { perSecond: times.length / (SPEED_OVER_MS / 1000), ms: median };
  }

  /** Draws the first picture, which takes longest. Throws what makes drawing impossible. */
  async begin() {
    await this.#draw();
    if (this.failure !== null) throw this.failure;
  }

  play() {
    if (this.playing) return;
    if (this.#fromMs >= this.durationMs) this.#fromMs = 0;
    this.#since = performance.now();
    this.#tick();
  }

  pause() {
    this.#fromMs = this.positionMs;
    this.#since = null;
    this.#changed();
  }

  /** @param {number} positionMs anything beyond the ends counts as the end */
  seek(positionMs) {
    this.#fromMs = Math.min(Math.max(positionMs, 0), this.durationMs);
    if (this.playing) this.#since = performance.now();
    void this.#draw();
    this.#changed();
  }

  #tick() {
    if (!this.playing) return;
    if (this.positionMs >= this.durationMs) this.pause();
    void this.#draw();
    this.#changed();
    requestAnimationFrame(() => this.#tick());
  }

  async #draw() {
    const wanted = this.#at(this.#startMs + this.positionMs);
    const frame = this.#frames[wanted];
    if (this.#drawing || wanted === this.#drawn || frame === undefined || this.failure !== null) return;
    this.#drawing = true;
    try {
      const ms = await this.#painter.draw(frame.motion, frame.drawnFrom);
      this.#drawn = wanted;
      this.#recent = [...this.#recent.slice(-99), { at: performance.now(), ms }];
    } catch (error) {
      this.failure = error;
      this.pause();
    }
    this.#drawing = false;
    this.#changed();
    await this.#draw(); // what has become due meanwhile
  }

  /**
   * The newest frame at a capture time, or the first.
   * @param {number} timeMs
   */
  #at(timeMs) {
    const after = this.#frames.findIndex((frame) => frame.captureTimeMs > timeMs);
    return after < 0 ? this.#frames.length - 1 : Math.max(0, after - 1);
  }
}
