// Types of the messages between page and process. docs/page.md is the reference.

export const VERSION = 1;

export const CLOSED = Object.freeze({ ELSEWHERE: 4001, OUTDATED: 4002, ENDED: 4003 });

/**
 * @typedef {object} Hello
 * @property {"hello"} type
 * @property {number} version
 * @property {string} program version of facewire
 * @property {string} room
 * @property {string} server address of the signaling server
 * @property {string} name what the other side sees of this one
 * @property {{command: string, link: string, token: boolean}} invite
 * @property {{camera: boolean, microphone: boolean}} sends false: the process sends a file, the page opens nothing
 * @property {{yaw: number, pitch: number, roll: number}} view limits of the free view, degrees each way
 * @property {{min_kbps: number, max_kbps: number}} budget
 * @property {number} fps
 * @property {number} name_characters
 * @property {number} text_characters the most that a text has
 * @property {{name?: string, camera?: string, microphone?: string, speaker?: string, theme?: string, keys?: string,
 *   panel?: string}} kept from earlier calls
 * @property {string} folder where recordings go
 * @property {{ice_servers: RTCIceServer[]} | null} guest where the page belongs to a guest of a gateway
 *
 * @typedef {"loading" | "lobby" | "joining" | "call" | "ended" | "broken"} PhaseName
 * @typedef {"left" | "other-left" | "other-ended" | "server" | "token-missing" | "token-expired" | "token" | "replaced" | "invitation-used" | "invitation-gone" | "refused" | "room-full" | "versions" | "time" | "nobody" | "other"} EndCode
 * @typedef {{type: "phase", phase: PhaseName, code?: EndCode, detail?: string}} Phase
 *
 * @typedef {"none" | "starting" | "sending" | "no-face" | "paused" | "camera-lost" | "ended"} CameraState
 * @typedef {"live" | "portrait" | "file"} PictureKind
 * @typedef {"motion" | "camera"} Layer synthesised, or the camera's own picture
 * @typedef {{type: "picture", mode: "auto" | "motion" | "camera"}} Picture
 *
 * @typedef {object} Other
 * @property {string} name
 * @property {CameraState} camera
 * @property {boolean} muted
 * @property {PictureKind} picture
 * @property {boolean} sends_video
 * @property {boolean} sends_sound
 * @property {boolean} shown a picture has been shown
 * @property {Layer} layer what the last one was
 * @property {string | null} through the server that speaks for a guest of its, and sees and hears everything
 *
 * @typedef {object} Call
 * @property {"call"} type
 * @property {"waiting" | "connecting" | "connected" | "stalled"} state
 * @property {boolean} server false while the signaling server is gone
 * @property {number | null} seconds since the two first heard each other
 * @property {Other | null} other
 *
 * @typedef {{x: number, y: number, side: number}} Square in pixels of the camera picture, not mirrored
 *
 * @typedef {object} Own
 * @property {"own"} type
 * @property {CameraState} camera
 * @property {boolean} muted
 * @property {boolean} camera_on
 * @property {PictureKind} picture
 * @property {boolean} portrait a picture has been posted and may be turned on
 * @property {number | null} width of the camera picture
 * @property {number | null} height
 * @property {Square | null} framing
 * @property {Layer} layer what the other side is shown
 * @property {"" | "asked" | "no-face" | "two-faces" | "unlike" | "path" | "other-side"} why
 * @property {string} detail
 *
 * @typedef {{type: "view", yaw: number, pitch: number, roll: number, frontal: boolean}} View
 * @typedef {{type: "budget", max_kbps: number | null}} Budget
 * @typedef {{type: "source", whose: "other" | "own", url: string, taken_ms: number | null, picture: PictureKind,
 *   set: {url: string, taken_ms: number | null}[]}} Source
 * @typedef {{type: "safety", words: string[] | null}} Safety
 *
 * @typedef {object} Recording
 * @property {"recording"} type
 * @property {"off" | "asking" | "on" | "refused" | "unable"} here
 * @property {string | null} [file]
 * @property {number | null} [seconds]
 * @property {"off" | "asking" | "on"} there
 *
 * @typedef {{whose: "own" | "other", text: string, at_ms: number, arrived: boolean}} Written
 * @typedef {{type: "texts", texts: Written[]}} Texts
 *
 * @typedef {{payload_kbps: number | null, wire_kbps: number | null, bytes: number | null}} Direction
 * @typedef {{payload_kbps: number, sound_kbps: number, wire_kbps: number, psnr_db: number | null, age_s: number, crf: number, bytes: number}} H264
 *
 * @typedef {object} Figures
 * @property {"figures"} type
 * @property {number} seconds
 * @property {Direction} sent
 * @property {Direction} received
 * @property {H264 | null} h264
 * @property {number | null} fps
 * @property {number | null} fps_sent
 * @property {number | null} delay_ms
 * @property {number | null} rtt_ms
 * @property {number | null} loss
 * @property {number | null} concealed
 * @property {number | null} frozen_s
 * @property {string | null} preset
 * @property {boolean} slow
 *
 * @typedef {{type: "problem", code: "bad-message" | "disk" | "webrtc" | "notice", detail: string}} Problem
 * @typedef {{type: "answer", sdp: string}} Answer
 * @typedef {{type: "invitation", link: string | null}} Invitation only where the server makes links; null before one is asked for
 *
 * @typedef {Hello | Phase | Call | Own | View | Budget | Picture | Source | Safety | Recording | Texts | Figures | Problem | Answer | Invitation} FromProcess
 *
 * @typedef {{type: "hello", version: number}
 *   | {type: "offer", sdp: string}
 *   | {type: "join", name: string}
 *   | {type: "leave"}
 *   | {type: "microphone", on: boolean}
 *   | {type: "camera", on: boolean}
 *   | {type: "view", yaw: number, pitch: number, roll: number, frontal: boolean}
 *   | {type: "badge", burnt: boolean}
 *   | {type: "budget", max_kbps: number | null}
 *   | {type: "picture", mode: Picture["mode"]}
 *   | {type: "write", text: string}
 *   | {type: "record", on: boolean}
 *   | {type: "consent", allow: boolean}
 *   | {type: "portrait", on: boolean}
 *   | {type: "new-source"}
 *   | {type: "keep", what: "name" | "camera" | "microphone" | "speaker" | "theme" | "keys" | "panel", value: string}
 *   | {type: "invite"}
 *   | {type: "quit"}} ToProcess
 */
