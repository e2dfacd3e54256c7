// The player: fetches the recording, decodes it and draws it in this browser, and shows what it takes.

import { readRecording } from "../codec/decoder.js";
import { Painter, possibleThreads } from "../networks/painter.js";
import { Playback } from "./playback.js";

const SKIP_MS = 2000;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const play = element("play", HTMLButtonElement);
const seek = element("seek", HTMLInputElement);
const clock = element("clock", HTMLOutputElement);

try {
  await start();
} catch (error) {
  fail(error);
}

async function start() {
  const canvas = element("picture", HTMLCanvasElement);
  if (!("transferControlToOffscreen" in canvas)) throw new Error("This browser is too old: it cannot draw off the screen.");
  const recording = fetchRecording();
  const [painter, { data, name }] = await Promise.all([
    Painter.open({ canvas, bundle: `${location.origin}/bundle/`, runtime: `${location.origin}/runtime/` }),
    recording,
  ]);
  const found = readRecording(data, painter.coding);
  const playback = new Playback(painter, found, () => show(playback));
  document.title = `${name} – facewire`;
  element("name", HTMLElement).textContent = name;
  showFile(data, found, playback.durationMs);
  showSources(found);
  seek.max = String(playback.durationMs);
  listen(playback);
  await playback.begin();
  for (const id of ["stage", "controls", "figures"]) element(id, HTMLElement).hidden = false;
  element("message", HTMLElement).textContent = "";
  document.body.dataset.state = "ready";
  playback.play();
}

async function fetchRecording() {
  const response = await fetch("/recording");
  if (!response.ok) throw new Error(await response.text());
  const name = decodeURIComponent(response.headers.get("Recording-Name") ?? "");
  return { data: new Uint8Array(await response.arrayBuffer()), name };
}

/** @param {unknown} error */
function fail(error) {
  document.body.dataset.state = "failed";
  element("message", HTMLElement).textContent = error instanceof Error ? error.message : String(error);
}

/** @param {Playback} playback */
function listen(playback) {
  const toggle = () => (playback.playing ? playback.pause() : playback.play());
  play.addEventListener("click", toggle);
  seek.addEventListener("input", () => playback.seek(seek.valueAsNumber));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && event.target !== play) toggle();
    else if (event.key === "ArrowLeft") playback.seek(playback.positionMs - SKIP_MS);
    else if (event.key === "ArrowRight") playback.seek(playback.positionMs + SKIP_MS);
    else return;
    event.preventDefault();
  });
}

/** @param {Playback} playback */
function show(playback) {
  if (playback.failure !== null) fail(playback.failure);
  const position = playback.positionMs;
  play.textContent = playback.playing ? "Pause" : "Play";
  seek.value = String(position);
  clock.textContent = `${minutes(position)} / ${minutes(playback.durationMs)}`;
  seek.setAttribute("aria-valuetext", clock.textContent);
  const speed = playback.speed;
  const threads = possibleThreads();
  const how = `${threads} ${threads === 1 ? "thread" : "threads"}`;
  const figures = speed === null ? "" : `${speed.perSecond.toFixed(0)} per second, ${speed.ms.toFixed(0)} ms each, `;
  element("drawn", HTMLElement).textContent = figures + how;
  for (const item of document.querySelectorAll("#sources li")) {
    const current = item instanceof HTMLElement && Number(item.dataset.ms) === playback.frame?.drawnFrom.captureTimeMs;
    item.toggleAttribute("aria-current", current);
  }
}

/**
 * @param {Uint8Array} data
 * @param {import("../codec/decoder.js").Recording} recording
 * @param {number} durationMs
 */
function showFile(data, { frames, sources, sourceBytes, motionBytes }, durationMs) {
  /** @param {number} bytes */
  const kbps = (bytes) => ((8 * bytes) / durationMs).toFixed(1);
  const frameBytes = (motionBytes / frames.length).toFixed(1);
  element("motion", HTMLElement).textContent = `${kbps(motionBytes)} kbps, ${frameBytes} bytes a frame`;
  element("real", HTMLElement).textContent = `${sources.length}, ${sourceBytes} bytes`;
  element("file", HTMLElement).textContent = `${data.length} bytes, ${kbps(data.length)} kbps, ${frames.length} frames`;
}

/** @param {import("../codec/decoder.js").Recording} recording */
function showSources({ sources, frames }) {
  const startMs = frames[0]?.captureTimeMs ?? 0;
  for (const { picture, pictureFormat, captureTimeMs } of sources) {
    const image = document.createElement("img");
    image.src = URL.createObjectURL(new Blob([/** @type {BlobPart} */ (picture)], { type: `image/${pictureFormat}` }));
    image.alt = "";
    const item = document.createElement("li");
    item.dataset.ms = String(captureTimeMs);
    item.append(image, `${minutes(Math.max(0, captureTimeMs - startMs))}, ${(picture.length / 1000).toFixed(1)} kB`);
    element("sources", HTMLElement).append(item);
  }
}

/** @param {number} ms */
function minutes(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
