// Every word of the page, in English. A translation is this file again with other words: the same names, and functions that
// take the same values. `text.js` says which file is used.

export const texts = {
  name: "facewire",
  starting: "Starting…",
  close: "Close",
  cancel: "Cancel",
  title: {
    lobby: (/** @type {string} */ room) => `${room} · facewire`,
    call: (/** @type {string} */ other, /** @type {string} */ room) => `${other || room} · facewire`,
    ended: "Call ended · facewire",
    recording: (/** @type {string} */ title) => `● ${title}`,
  },

  lobby: {
    room: "Room",
    name: "Your name",
    join: "Join",
    loading: "Getting ready…",
    joining: "Joining…",
    retry: "Try again",
    square: "Only what is inside the square is looked at. One picture of it is sent, then only how your head moves.",
    previewLabel: "Your camera",
    searching: "Looking for your face…",
    noFace: "No face found. Face the camera, with light on you.",
    framed: "You are in the picture",
    file: "A file is sent in place of a camera",
    askTitle: "Allow camera and microphone",
    askText: "Your browser asks at the top of this window. Nothing leaves this machine before you join.",
    offTitle: "Camera is off",
    offText: "You can join without it.",
    deniedTitle: "No permission for the camera",
    deniedText: "Click the camera sign in the address bar, allow it for this page, and try again. You can also join without.",
    missingTitle: "No camera found",
    missingText: "Plug one in and it is used at once, or join without.",
    busyTitle: "The camera is in use",
    busyText: "Another program holds it. Close that one and try again.",
    lostTitle: "The camera went away",
    lostText: "Plug it in again, or choose another one.",
    microphoneDenied: "No permission for the microphone: the others will not hear you.",
    microphoneMissing: "No microphone found: the others will not hear you.",
    microphoneBusy: "The microphone is in use by another program: the others will not hear you.",
  },

  devices: {
    camera: "Camera",
    microphone: "Microphone",
    speaker: "Loudspeaker",
    unnamed: (/** @type {string} */ kind, /** @type {number} */ number) => `${kind} ${number}`,
    none: "None",
    systemSpeaker: "As the system has it",
    file: "A file, chosen at the start",
  },

  invite: {
    label: "Whoever types this joins you",
    copy: "Copy the command",
    copied: "Copied",
    notCopied: "It could not be copied: mark it and copy by hand",
    token: "They also need a token of the server's.",
  },

  call: {
    label: "Call",
    controls: "Call controls",
    remoteLabel: "The other person, synthesised from motion",
    selfLabel: "You",
    you: "You",
    somebody: "The other person",
    microphoneOff: "Mute",
    microphoneOn: "Unmute",
    cameraOff: "Turn camera off",
    cameraOn: "Turn camera on",
    eyeOn: "Eye contact",
    eyeOff: "End eye contact",
    turn: "Turn the head",
    record: "Record",
    recordStop: "Stop recording",
    pip: "Picture in picture",
    pipOff: "Back from picture in picture",
    full: "Full screen",
    fullOff: "Leave full screen",
    figuresOn: "Show figures",
    figuresOff: "Hide figures",
    leave: "Leave",
    theirMicrophoneOff: "Microphone is off",
    asPortrait: "Your portrait",
  },

  status: {
    waiting: "Waiting",
    connecting: "Connecting",
    connected: "Connected",
    stalled: "Reconnecting",
    slow: "Connected, machine is slow",
  },

  veil: {
    waitingTitle: "Nobody else is here yet",
    waitingText: "The call starts by itself when somebody joins. This command brings them here:",
    waitingToken: "The call starts by itself when somebody joins. This command, and a token of the server's, bring them here:",
    connectingTitle: "Connecting…",
    connectingText: "Somebody is here. A direct way between the two machines is looked for.",
    pictureTitle: (/** @type {string} */ name) => `${name || "The other person"} is here`,
    pictureText: "The first picture is on its way.",
    stalledTitle: "Reconnecting…",
    stalledText: "Nothing is heard from the other side. The call goes on as soon as there is a way.",
    cameraOffTitle: (/** @type {string} */ name) => `${name || "The other person"} has the camera off`,
    noCameraTitle: (/** @type {string} */ name) => `${name || "The other person"} has no camera`,
    soundOnly: "You still hear each other.",
  },

  banner: {
    ownNoFace: "Your face is not seen. The others see you hold still.",
    theirNoFace: (/** @type {string} */ name) => `${name || "The other person"}’s face is not seen. The last picture holds still.`,
    slow: "This machine is slow: some pictures are left out. Closing other programs helps.",
    serverGone: "The meeting server is gone. The call goes on; a lost connection could not be made anew.",
    process: "The connection to facewire on this machine broke. Trying again…",
    sound: "Your browser holds back the sound.",
    soundButton: "Turn sound on",
    portrait: (/** @type {string} */ name) =>
      `${name || "The other person"} appears as a picture of their choosing. It is not from the live camera.`,
    file: (/** @type {string} */ name) => `${name || "The other person"} sends a video file, not a live camera.`,
    understood: "Understood",
    asking: (/** @type {string} */ name) => `${name || "The other person"} is asked whether you may record…`,
    refused: (/** @type {string} */ name) => `${name || "The other person"} does not want to be recorded.`,
    consent: (/** @type {string} */ name) => `${name || "The other person"} asks to record this call.`,
    allow: "Allow",
    refuse: "Do not allow",
    saved: (/** @type {string} */ file) => `Recording saved: ${file}`,
    camera: "Your camera went away. The others see you hold still.",
  },

  plate: { portrait: "Portrait", file: "Video file" },

  badge: {
    text: "Synthesised from motion",
    title: "This picture is synthesised",
    about:
      "The other side sent one real picture and then only how the head moves. Every picture you see is made from these two on " +
      "this machine, by a neural network. Mouth, eyes and turns follow the person; teeth, hands and what the real picture did not " +
      "show are guessed. The other side cannot remove this mark.",
  },

  source: {
    caption: "The one real picture",
    title: "The one real picture",
    alt: "The real picture from which the other person’s face is made",
    ownAlt: "The picture that the others see you as",
    taken: (/** @type {string} */ time) => `Taken ${time}. All else is motion.`,
    takenShort: (/** @type {string} */ time) => `taken ${time}`,
    untimed: "All else is motion.",
    portrait: "A picture of their choosing, not from the live camera.",
    file: "From a video file, not from a live camera.",
  },

  view: {
    label: "The other person’s head",
    help: "Drag, or use the arrow keys, to turn the head. Zero turns it back.",
    hint: "Or drag the picture.",
    panel: "Turn the head",
    yaw: "Sideways",
    pitch: "Up and down",
    reset: "Turn back",
    degrees: (/** @type {number} */ yaw, /** @type {number} */ pitch) => `${signed(yaw)}° · ${signed(pitch)}°`,
    angle: (/** @type {number} */ degrees) => `${signed(degrees)}°`,
    spoken: (/** @type {number} */ yaw, /** @type {number} */ pitch) =>
      `Turned ${Math.round(yaw)} degrees sideways, ${Math.round(pitch)} up`,
    eyeOn: "Eye contact: the head is shown from the front",
    eyeOff: "The head is shown as it is held",
  },

  savings: {
    label: "Figures of this call",
    title: "What it saves",
    factor: (/** @type {string} */ factor) => `${factor}× less`,
    pending: "Measuring…",
    pendingNote: "Your picture is being encoded as H.264, to compare.",
    note: "than with H.264 and the same sound",
    off: "Nothing to compare",
    offNote: "Your camera does not send.",
    more: "No saving now",
    h264: "H.264, with the same sound",
    wire: "On the wire, with sound",
    payload: "Payload in it",
    limit: "your limit",
    now: "now",
    ago: (/** @type {number} */ seconds) => `${seconds} s ago`,
    spoken: (/** @type {string} */ wire, /** @type {string} */ h264) =>
      `Kilobits a second over the last minute. Now ${wire} on the wire; the picture as H.264: ${h264}.`,
    psnr: (/** @type {string} */ codec, /** @type {string} */ psnr) => `x264 veryfast, CRF ${codec}, ${psnr} dB`,
  },

  facts: {
    title: "This call",
    delay: "Camera to screen",
    frames: "Frames a second",
    concealed: "Concealed",
    loss: "Packets lost",
    sent: "Sent, with sound",
    instead: "H.264 would have sent",
  },

  words: {
    open: "Safety words",
    title: "Safety words",
    how:
      "Read these words to each other. If you both see the same six, in the same order, nobody is between you. If they differ, " +
      "somebody may be listening in: leave the call.",
    none: "They appear when the two of you are connected.",
  },

  record: {
    title: "Record this call?",
    text: "The other person is asked first and sees a red mark for as long as you record.",
    where: "Picture and sound go into a video file on this machine. It is marked as synthesised.",
    whereFolder: (/** @type {string} */ folder) =>
      `Picture and sound go into a video file in ${folder}. It is marked as synthesised.`,
    start: "Ask and record",
    here: (/** @type {string} */ time) => `Recording ${time}`,
    asking: "Asking…",
    there: (/** @type {string} */ name) => `${name || "The other person"} records`,
    hereTitle: "You are recording",
    hereText: "The other person sees a red mark. Stopping keeps what was recorded so far.",
    thereText: "You have allowed it. If you take that back, their recording ends; what was recorded so far stays with them.",
    stopHere: "Stop recording",
    stopThere: "No longer allow it",
  },

  portrait: {
    legend: "Appear as",
    self: "Yourself",
    other: "A portrait…",
    choose: "Choose a picture…",
    clear: "Be yourself",
    again: "Take a new one",
    isSelf: "Yourself, as the camera sees you",
    isSource: "Yourself, from this picture",
    isPortrait: "A portrait, moved by your head",
    note: "The others are told that it is not your camera’s picture. Use pictures of people who agreed to it.",
    sending: "Reading the picture…",
    noFace: "No face was found in that picture.",
    notAPicture: "That file is not a picture that can be read (PNG, JPEG or WebP).",
    tooLarge: "That picture is too large: 20 MB at most.",
    failed: "The picture could not be handed over.",
    alt: "The portrait",
  },

  settings: {
    open: "Settings",
    title: "Settings",
    rate: "Send at most",
    rateNote: "On the wire, sound and headers included. At 20 kbps a call still does not freeze.",
    noLimit: "no limit",
    kbps: (/** @type {number} */ kbps) => `${kbps} kbps`,
    theme: "Appearance",
    themeSystem: "System",
    themeLight: "Light",
    themeDark: "Dark",
    keys: "Single-key shortcuts",
  },

  keys: {
    open: "Keyboard shortcuts",
    title: "Keyboard shortcuts",
    microphone: "Microphone on or off",
    camera: "Camera on or off",
    eye: "Eye contact",
    turn: "Turn the head",
    arrows: "Turn the head by 5°",
    reset: "Turn back",
    record: "Record",
    pip: "Picture in picture",
    full: "Full screen",
    figures: "Figures",
    words: "Safety words",
    leave: "Leave",
    help: "This list",
  },

  ended: {
    left: "You left the call",
    otherLeft: (/** @type {string} */ name) => `${name || "The other person"} left`,
    time: "The time is over",
    nobody: "Nobody came",
    server: "The meeting server cannot be reached",
    serverText: "Check the address and the network, then try again.",
    full: "The room is full",
    fullText: "Two people are in it already. Choose another room, or wait until one leaves.",
    versions: "The two programs do not fit each other",
    versionsText: "Both sides need the same version of facewire, with the same weights. Bring both up to date, then join again.",
    other: "The call ended",
    again: "Join again",
    quit: "Close facewire",
    lasted: "Lasted",
    instead: "H.264 would have sent",
    sent: "Sent",
    recording: "Recording",
  },

  broken: { title: "facewire cannot start a call", quit: "Close facewire" },

  gone: {
    title: "facewire has stopped",
    text: "The program behind this page no longer answers. Start it again in a terminal; it opens a new page:",
    retry: "Try again",
    ended: "facewire has ended",
    endedText: "You can close this page. To call again, type:",
  },

  elsewhere: {
    title: "This call is open in another tab",
    text: "One tab holds a call. Close the other one, or go on there.",
    retry: "Use it here",
  },

  outdated: { title: "This page is of another version", text: "The program was updated while the page was open.", retry: "Reload" },

  unsupported: {
    title: "This browser cannot hold a call",
    text: "It lacks WebRTC or camera access. A current Firefox, Chrome, Edge or Safari has both.",
  },

  problem: {
    disk: "The recording cannot be written.",
    webrtc: "The connection inside this machine failed. It is made anew.",
  },

  said: { micOff: "Microphone off", micOn: "Microphone on", camOff: "Camera off", camOn: "Camera on" },

  units: {
    kbps: (/** @type {string} */ value) => `${value} kbps`,
    ms: (/** @type {string} */ value) => `${value} ms`,
    percent: (/** @type {string} */ value) => `${value} %`,
    megabytes: (/** @type {string} */ value) => `${value} MB`,
    kilobytes: (/** @type {string} */ value) => `${value} kB`,
    unknown: "–",
  },
  locale: "en-GB",
};

/** @param {number} degrees */
function signed(degrees) {
  const whole = Math.round(degrees);
  return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
}
