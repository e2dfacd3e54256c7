// The browser's camera, microphone and speaker, and the WebRTC connection that carries them to the process and brings back what it
// synthesises. It never reaches another machine: there are no ICE servers. Only a guest's goes to the gateway, once the guest joins.

import { $ } from "./dom.js";
import { GUEST } from "./guest.js";

/** @typedef {"camera" | "microphone"} Device */
/** @typedef {import("./state.js").DeviceState} DeviceState */

const GATHER_MS = 1000;
const AGAIN_MS = 1000;
/** How long a connection within one machine may take. */
const CONNECT_MS = GUEST ? 15_000 : 10_000;
/** How long a guest's connection may be interrupted before another is made. */
const INTERRUPTED_MS = 1500;
/** After so many in a row the person is told. */
const SILENT_FAILURES = 2;
const LEVEL_MS = 150;
const MAX_LABEL = 200;
const KINDS = { camera: "videoinput", microphone: "audioinput", speaker: "audiooutput" };
const RETRY_ONCE = new Set(["NotFoundError", "NotReadableError", "OverconstrainedError", "AbortError"]);

export class Media {
  /** @type {RTCPeerConnection | null} */ #connection = null;
  /** @type {Record<Device, MediaStreamTrack | null>} */ #tracks = { camera: null, microphone: null };
  /** @type {Record<Device | "speaker", string>} */ #chosen = { camera: "", microphone: "", speaker: "" };
  /** @type {((answer: string) => void) | null} */ #answered = null;
  #remote = $("remote", HTMLVideoElement);
  #began = false;
  #restored = new Set();
  #failures = 0;
  #previews = [$("preview-video", HTMLVideoElement), $("self-video", HTMLVideoElement)];

  /**
   * @param {import("./state.js").Store} store
   * @param {(message: import("./protocol.js").ToProcess) => void} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.#devicesChanged());
    setInterval(() => void this.#readLevel(), LEVEL_MS);
  }

  static supported() {
    return "mediaDevices" in navigator && "RTCPeerConnection" in window;
  }

  /**
   * With the first word on this side's media after a hello: connects, and opens what is not open yet. A page that comes anew takes over
   * what was switched off; one whose process comes back says what was switched meanwhile.
   * @param {import("./protocol.js").Own} own
   */
  async begin(own) {
    const { hello } = this.store.state;
    if (this.#began || !hello) return;
    this.#began = true;
    if (this.#connection) {
      this.send({ type: "camera", on: this.store.state.wantCamera });
      this.send({ type: "microphone", on: this.store.state.wantMicrophone });
    } else {
      this.store.set({ wantCamera: own.camera_on, wantMicrophone: !own.muted });
    }
    if (this.#mayConnect()) void this.connect();
    if (!hello.sends.camera) this.store.set({ camera: "file" });
    else if (!this.store.state.wantCamera) this.store.set({ camera: "off" });
    if (!hello.sends.microphone) this.store.set({ microphone: "file" });
    await this.retry();
  }

  /** A guest's camera and microphone reach the gateway only in a call. Called with each phase. */
  follow() {
    if (!GUEST || !this.#began) return;
    if (this.#mayConnect() && !this.#connection) void this.connect();
    if (!this.#mayConnect() && this.#connection) {
      this.#connection.close();
      this.#connection = null;
      this.#remote.srcObject = null;
    }
  }

  #mayConnect() {
    const phase = this.store.state.phase?.phase;
    return !GUEST || phase === "joining" || phase === "call";
  }

  /** The connection to the process is lost; the next message will be a hello. */
  lost() {
    this.#began = false;
  }

  /** Asks for the wanted devices that are missing: at the start, after a refusal, or when one has been plugged in. */
  async retry() {
    const { hello, wantCamera } = this.store.state;
    if (!hello) return;
    const camera = hello.sends.camera && wantCamera && !this.#tracks.camera;
    await this.#open(camera, hello.sends.microphone && !this.#tracks.microphone);
  }

  /** @param {boolean} on */
  async camera(on) {
    this.store.set({ wantCamera: on });
    this.send({ type: "camera", on });
    if (!this.store.state.hello?.sends.camera) return;
    if (on) {
      if (!this.#tracks.camera) await this.#open(true, false);
    } else {
      this.#drop("camera");
      this.store.set({ camera: "off" });
    }
  }

  /** @param {boolean} on */
  microphone(on) {
    this.store.set({ wantMicrophone: on });
    this.send({ type: "microphone", on });
    const track = this.#tracks.microphone;
    if (track) track.enabled = on;
    else if (on) void this.retry();
  }

  /**
   * Switches to another device.
   * @param {Device | "speaker"} device
   * @param {string} id
   */
  async choose(device, id) {
    this.#chosen[device] = id;
    const label = this.store.state.devices.find((one) => one.deviceId === id && one.kind === KINDS[device])?.label;
    if (label) this.send({ type: "keep", what: device, value: label.slice(0, MAX_LABEL) });
    if (device === "speaker") {
      await this.#remote.setSinkId?.(id).catch(() => undefined);
      this.store.set({});
      return;
    }
    if (device === "camera" && !this.store.state.wantCamera) return;
    this.#drop(device);
    await this.#open(device === "camera", device === "microphone");
  }

  /**
   * The id of the device in use.
   * @param {Device | "speaker"} device
   */
  chosen(device) {
    const track = device === "speaker" ? null : this.#tracks[device];
    return track?.getSettings().deviceId ?? this.#chosen[device];
  }

  /** Turns the sound on after the browser blocked it; needs a click. */
  async unblock() {
    this.#remote.muted = false;
    await this.#play();
  }

  /** @param {string} sdp the process's answer */
  answer(sdp) {
    this.#answered?.(sdp);
  }

  /** Reconnects to the process after a pause, unless that has happened by then. */
  connectSoon() {
    const failed = this.#connection;
    setTimeout(
      () => this.#connection === failed && this.#mayConnect() && this.store.state.link === "open" && void this.connect(),
      AGAIN_MS,
    );
  }

  /**
   * The connection to the process came to nothing: another one is made.
   * @param {RTCPeerConnection} connection
   */
  #fail(connection) {
    if (this.#connection !== connection || connection.signalingState === "closed") return;
    connection.close();
    this.#failed(this.#failures + 1);
    this.connectSoon();
  }

  /** @param {number} failures in a row */
  #failed(failures) {
    this.#failures = failures;
    this.store.set({ mediaBlocked: failures >= SILENT_FAILURES });
  }

  /** Connects, or reconnects, to the process. */
  async connect() {
    this.#connection?.close();
    const connection = new RTCPeerConnection({ iceServers: this.store.state.hello?.guest?.ice_servers ?? [] });
    this.#connection = connection;
    for (const device of /** @type {const} */ (["microphone", "camera"])) {
      const kind = device === "camera" ? "video" : "audio";
      const sender = connection.addTransceiver(kind, { direction: "sendrecv" }).sender;
      if (this.#tracks[device]) void sender.replaceTrack(this.#tracks[device]);
    }
    connection.ontrack = (event) => this.#receive(event.streams[0] ?? new MediaStream([event.track]));
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "connected") this.#failed(0);
      if (connection.connectionState === "failed") this.#fail(connection);
      if (GUEST && connection.connectionState === "disconnected") {
        setTimeout(() => connection.connectionState === "disconnected" && this.#fail(connection), INTERRUPTED_MS);
      }
    };
    await connection.setLocalDescription();
    await gathered(connection);
    const answer = new Promise((/** @type {(sdp: string) => void} */ resolve) => (this.#answered = resolve));
    this.send({ type: "offer", sdp: connection.localDescription?.sdp ?? "" });
    const sdp = await answer;
    if (connection.signalingState !== "have-local-offer") return;
    setTimeout(() => connection.connectionState !== "connected" && this.#fail(connection), CONNECT_MS);
    await connection.setRemoteDescription({ type: "answer", sdp });
    const sender = this.#sender("camera");
    const parameters = sender?.getParameters();
    if (parameters) await sender?.setParameters({ ...parameters, degradationPreference: "maintain-resolution" });
  }

  /**
   * @param {boolean} camera
   * @param {boolean} microphone
   */
  async #open(camera, microphone) {
    if (!camera && !microphone) return;
    if (camera) this.store.set({ camera: "asking" });
    if (microphone) this.store.set({ microphone: "asking" });
    try {
      this.#take(await navigator.mediaDevices.getUserMedia(this.#wanted(camera, microphone)));
    } catch (error) {
      await this.#refused(error, camera, microphone);
    }
    await this.#listDevices();
  }

  /**
   * Both could not be had: perhaps one of them can.
   * @param {unknown} error
   * @param {boolean} camera
   * @param {boolean} microphone
   */
  async #refused(error, camera, microphone) {
    const name = error instanceof Error || error instanceof DOMException ? error.name : "";
    if (camera && microphone && (RETRY_ONCE.has(name) || (await oneIsDenied()))) {
      await this.#open(true, false);
      await this.#open(false, true);
      return;
    }
    const device = camera ? "camera" : "microphone";
    if (name === "OverconstrainedError" && this.#chosen[device]) {
      this.#chosen[device] = ""; // the chosen one is gone: any other
      await this.#open(camera, microphone);
      return;
    }
    const state = deviceState(name);
    if (camera) this.store.set({ camera: state });
    if (microphone) this.store.set({ microphone: state });
  }

  /**
   * @param {boolean} camera
   * @param {boolean} microphone
   * @returns {MediaStreamConstraints}
   */
  #wanted(camera, microphone) {
    const device = (/** @type {Device} */ kind) => (this.#chosen[kind] ? { deviceId: { exact: this.#chosen[kind] } } : {}); // Chromium ignores "ideal"
    return {
      video: camera && {
        width: { ideal: 640 },
        height: { ideal: 480 },
        frameRate: { ideal: this.store.state.hello?.fps ?? 25, max: 30 },
        ...device("camera"),
      },
      audio: microphone && {
        channelCount: 1,
        sampleRate: 48000,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
        ...device("microphone"),
      },
    };
  }

  /** @param {MediaStream} stream */
  #take(stream) {
    for (const track of stream.getTracks()) {
      const device = track.kind === "video" ? "camera" : "microphone";
      this.#tracks[device]?.stop();
      this.#tracks[device] = track;
      track.onended = () => {
        this.#drop(device);
        this.store.set(device === "camera" ? { camera: "lost" } : { microphone: "lost" });
      };
      if (device === "microphone") track.enabled = this.store.state.wantMicrophone;
      void this.#sender(device)?.replaceTrack(track);
      this.store.set(device === "camera" ? { camera: "on" } : { microphone: "on" });
    }
    this.#preview();
    if (!this.store.state.wantCamera && this.#tracks.camera) this.#drop("camera"); // switched off while the browser was asking
  }

  /** @param {Device} device */
  #drop(device) {
    const track = this.#tracks[device];
    if (!track) return;
    track.onended = null;
    track.stop();
    this.#tracks[device] = null;
    void this.#sender(device)?.replaceTrack(null);
    if (device === "camera") this.#preview();
  }

  #preview() {
    const track = this.#tracks.camera;
    for (const video of this.#previews) video.srcObject = track ? new MediaStream([track]) : null;
  }

  /** @param {Device} device */
  #sender(device) {
    return this.#connection?.getTransceivers()[device === "camera" ? 1 : 0]?.sender;
  }

  /** @param {MediaStream} stream */
  #receive(stream) {
    if (this.#remote.srcObject === stream) return;
    this.#remote.srcObject = stream;
    void this.#play();
  }

  async #play() {
    try {
      await this.#remote.play();
      this.store.set({ soundBlocked: this.#remote.muted });
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.#remote.muted) return;
      this.#remote.muted = true; // video may play without a click, sound may not
      await this.#play();
    }
  }

  async #devicesChanged() {
    await this.#listDevices();
    const { camera, microphone } = this.store.state;
    if ([camera, microphone].some((state) => state === "missing" || state === "lost")) await this.retry();
  }

  async #listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    this.store.set({ devices });
    await this.#restore(devices);
  }

  /**
   * Chooses the devices of the last call once the browser names them; it gives them other ids at another port.
   * @param {MediaDeviceInfo[]} devices
   */
  async #restore(devices) {
    for (const device of /** @type {const} */ (["camera", "microphone", "speaker"])) {
      const kept = this.store.state.hello?.kept[device];
      const found = devices.find((one) => kept && one.kind === KINDS[device] && one.label.slice(0, MAX_LABEL) === kept);
      if (!found || this.#restored.has(device) || this.#chosen[device]) continue;
      this.#restored.add(device);
      if (found.deviceId !== this.chosen(device)) await this.choose(device, found.deviceId);
    }
  }

  /** Shows the microphone's level in the ring around its button. */
  async #readLevel() {
    if (document.hidden) return;
    const track = this.#tracks.microphone;
    let level = 0;
    if (track?.enabled) {
      const report = await this.#sender("microphone")?.getStats();
      report?.forEach((entry) => {
        if (entry.type === "media-source" && typeof entry.audioLevel === "number") level = entry.audioLevel;
      });
    }
    const shown = Math.min(1, Math.sqrt(level) * 1.4).toFixed(2);
    for (const id of ["level", "lobby-level"]) $(id).style.setProperty("--level", shown);
  }
}

/** @param {RTCPeerConnection} connection */
function gathered(connection) {
  return new Promise((/** @type {(value: void) => void} */ resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHER_MS);
    look();
  });
}

/** Whether exactly one of the two devices is denied, so that the other can still be asked for. */
async function oneIsDenied() {
  const ask = async (/** @type {string} */ name) => {
    try {
      return (await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) })).state;
    } catch {
      return "prompt"; // this browser does not tell
    }
  };
  const [camera, microphone] = [await ask("camera"), await ask("microphone")];
  return (camera === "denied") !== (microphone === "denied");
}

/**
 * @param {string} error name of what getUserMedia raised
 * @returns {DeviceState}
 */
function deviceState(error) {
  if (error === "NotFoundError" || error === "OverconstrainedError") return "missing";
  if (error === "NotReadableError" || error === "AbortError") return "busy";
  return "denied";
}
