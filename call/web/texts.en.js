// Every text of the page, in English. A translation is a copy of this file: the same keys, and functions with the same parameters.
// `text.js` chooses the file.

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
    square: "Only the area inside the square is used: one picture of it is sent, then only how your head moves.",
    previewLabel: "Your camera",
    searching: "Looking for your face…",
    noFace: "No face found. Look at the camera, and make sure your face is lit.",
    framed: "You’re in the picture",
    file: "A file is sent instead of your camera",
    askTitle: "Allow your camera and microphone",
    askText: "Your browser is asking at the top of this window. Nothing leaves this computer until you join.",
    offTitle: "Your camera is off",
    offText: "You can join without it.",
    deniedTitle: "Camera access is blocked",
    deniedText: "Click the camera icon in the address bar, allow access for this page and try again. You can also join without it.",
    missingTitle: "No camera found",
    missingText: "Plug one in and it will be used straight away, or join without it.",
    busyTitle: "Your camera is in use",
    busyText: "Another program is using it. Close that program and try again.",
    lostTitle: "Your camera was disconnected",
    lostText: "Plug it back in, or choose another.",
    microphoneDenied: "Microphone access is blocked: the other person won’t hear you.",
    microphoneMissing: "No microphone found: the other person won’t hear you.",
    microphoneBusy: "Another program is using your microphone: the other person won’t hear you.",
  },

  devices: {
    camera: "Camera",
    microphone: "Microphone",
    speaker: "Speaker",
    unnamed: (/** @type {string} */ kind, /** @type {number} */ number) => `${kind} ${number}`,
    none: "None",
    systemSpeaker: "System default",
    file: "A file, chosen on the command line",
  },

  invite: {
    label: "To invite someone, send them this",
    copy: "Copy the command",
    copied: "Copied",
    notCopied: "Could not copy: select the text and copy it yourself",
    token: "They also need a token for this server.",
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
    pipOff: "Exit picture in picture",
    full: "Full screen",
    fullOff: "Exit full screen",
    figuresOn: "Show figures",
    figuresOff: "Hide figures",
    leave: "Leave",
    theirMicrophoneOff: "Muted",
    asPortrait: "Your portrait",
  },

  status: {
    waiting: "Waiting",
    connecting: "Connecting",
    connected: "Connected",
    stalled: "Reconnecting",
    slow: "Connected, but this computer is slow",
  },

  veil: {
    waitingTitle: "No one else is here yet",
    waitingText: "The call starts when someone joins. To invite them, send this command:",
    waitingToken: "The call starts when someone joins. To invite them, send this command and a token for this server:",
    connectingTitle: "Connecting…",
    connectingText: "Someone is here. Looking for a direct path between the two computers.",
    pictureTitle: (/** @type {string} */ name) => `${name || "The other person"} is here`,
    pictureText: "The first picture is on its way.",
    stalledTitle: "Reconnecting…",
    stalledText: "Nothing is arriving from the other side. The call will continue as soon as it does.",
    cameraOffTitle: (/** @type {string} */ name) => `${name || "The other person"} has their camera off`,
    noCameraTitle: (/** @type {string} */ name) => `${name || "The other person"} has no camera`,
    soundOnly: "You can still hear each other.",
    theirSoundOnly: "You can still hear them. Your own microphone is off.",
    ownSoundOnly: "They can still hear you. Their microphone is off.",
    noSound: "Both microphones are off.",
  },

  banner: {
    ownNoFace: "We can’t see your face. The other person sees a still picture.",
    theirNoFace: (/** @type {string} */ name) => `${name || "The other person"}’s face is out of view. You see their last picture.`,
    slow: "This computer is slow, so some pictures are skipped. Closing other programs helps.",
    serverGone: "Lost contact with the server. Your call continues, but could not reconnect if it drops.",
    process: "Lost the connection to facewire on this computer. Trying again…",
    mediaBlocked:
      "Your browser blocks WebRTC on this computer, so no picture or sound gets through. Pause VPN and privacy add-ons for this page, " +
      "make sure that a network is on, or start facewire again and open its address in another browser.",
    sound: "Your browser has muted the sound.",
    soundButton: "Turn sound on",
    portrait: (/** @type {string} */ name) =>
      `${name || "The other person"} appears as a picture they chose, not on a live camera.`,
    file: (/** @type {string} */ name) => `${name || "The other person"} is sending a video file, not live video.`,
    dismiss: "OK",
    asking: (/** @type {string} */ name) => `${name || "The other person"} is being asked whether you may record…`,
    refused: (/** @type {string} */ name) => `${name || "The other person"} does not want to be recorded.`,
    unable: (/** @type {string} */ name) =>
      `${name || "The other person"} cannot be asked: their program runs without a page. Nothing is recorded.`,
    consent: (/** @type {string} */ name) => `${name || "The other person"} wants to record this call.`,
    allow: "Allow",
    refuse: "Don’t allow",
    saved: (/** @type {string} */ file) => `Recording saved: ${file}`,
    camera: "Your camera was disconnected. The other person sees a still picture.",
  },

  plate: { portrait: "Portrait", file: "Video file" },

  badge: {
    text: "Synthesised from motion",
    title: "This picture is synthesised",
    about:
      "The other side sent one real picture and then only how the head moves. From these, a neural network on this computer makes " +
      "every picture you see. Mouth, eyes and head movements follow the person; teeth, hands and anything the real picture did not " +
      "show are guesses. The other side cannot remove this label.",
  },

  source: {
    caption: "A real picture",
    title: "The one real picture",
    titles: (/** @type {number} */ count) => `The ${count} real pictures`,
    set: "All real pictures so far, the newest last",
    alt: "The real picture from which the other person’s face is made",
    ownAlt: "The picture the other person sees you as",
    taken: (/** @type {string} */ time) => `Taken at ${time}. Everything else is motion.`,
    newestTaken: (/** @type {string} */ time) => `The newest was taken at ${time}. Everything else is motion.`,
    takenShort: (/** @type {string} */ time) => `taken at ${time}`,
    untimed: "Everything else is motion.",
    portrait: "A picture they chose, not from a live camera.",
    file: "From a video file, not from a live camera.",
  },

  view: {
    label: "The other person’s head",
    help: "Drag, or use the arrow keys, to turn the head. Press zero to reset the view.",
    hint: "Or drag the picture.",
    panel: "Turn the head",
    yaw: "Sideways",
    pitch: "Up and down",
    reset: "Reset view",
    degrees: (/** @type {number} */ yaw, /** @type {number} */ pitch) => `${signed(yaw)}° · ${signed(pitch)}°`,
    angle: (/** @type {number} */ degrees) => `${signed(degrees)}°`,
    spoken: (/** @type {number} */ yaw, /** @type {number} */ pitch) =>
      `Turned ${Math.round(yaw)} degrees sideways, ${Math.round(pitch)} degrees up`,
    eyeOn: "Eye contact: the head is shown from the front",
    eyeOff: "The head is shown as they hold it",
  },

  savings: {
    label: "Figures of this call",
    title: "Data saved",
    factor: (/** @type {string} */ factor) => `${factor}× less`,
    pending: "Measuring…",
    pendingNote: "Encoding your picture as H.264 to compare.",
    note: "than with H.264 and the same sound",
    off: "Nothing to compare",
    offNote: "Your camera is not sending.",
    more: "Nothing saved right now",
    h264: "H.264, with the same sound",
    wire: "Sent, with sound",
    payload: "Of that, content",
    limit: "your limit",
    now: "now",
    ago: (/** @type {number} */ seconds) => `${seconds} s ago`,
    spoken: (/** @type {string} */ wire, /** @type {string} */ h264) =>
      `Kilobits per second over the last minute. Now ${wire} sent; with H.264 it would be ${h264}.`,
    psnr: (/** @type {string} */ codec, /** @type {string} */ psnr) => `x264 veryfast, CRF ${codec}, ${psnr} dB`,
  },

  facts: {
    title: "This call",
    delay: "Camera to screen",
    frames: "Frames per second",
    concealed: "Concealed",
    loss: "Packets lost",
    sent: "Sent, with sound",
    instead: "H.264 would have sent",
  },

  words: {
    open: "Safety words",
    title: "Safety words",
    how:
      "Read these words to each other. If you both see the same six in the same order, no one is between you. If they differ, " +
      "someone may be listening in: leave the call.",
    none: "They appear once the two of you are connected.",
  },

  record: {
    title: "Record this call?",
    text: "The other person is asked first, and sees a red mark while you record.",
    where: "Picture and sound are saved to a video file on this computer, labelled as synthesised.",
    whereFolder: (/** @type {string} */ folder) =>
      `Picture and sound are saved to a video file in ${folder}, labelled as synthesised.`,
    start: "Ask and record",
    here: (/** @type {string} */ time) => `Recording ${time}`,
    asking: "Asking…",
    there: (/** @type {string} */ name) => `${name || "The other person"} is recording`,
    hereTitle: "You are recording",
    hereText: "The other person sees a red mark. If you stop, what has been recorded is kept.",
    thereText: "You allowed this. If you withdraw your permission, the recording stops, but they keep what has been recorded.",
    stopHere: "Stop recording",
    stopThere: "Withdraw permission",
  },

  portrait: {
    legend: "Appear as",
    self: "Yourself",
    other: "A portrait…",
    choose: "Choose a picture…",
    clear: "Remove the portrait",
    again: "Take a new picture",
    isSelf: "Yourself, as the camera sees you",
    isSource: "Yourself, from this picture",
    isPortrait: "A portrait that moves as you do",
    note: "The other person is told that this is not your camera. Only use pictures of people who agreed to it.",
    sending: "Reading the picture…",
    noFace: "No face was found in that picture.",
    notAPicture: "That file cannot be read. Choose a PNG, JPEG or WebP picture.",
    tooLarge: "That picture is too large. The limit is 20 MB.",
    failed: "The picture could not be loaded.",
    alt: "The portrait",
  },

  settings: {
    open: "Settings",
    title: "Settings",
    rate: "Send at most",
    rateNote: "Everything included: picture, sound and packet headers. At 20 kbps a call still runs without freezing.",
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
    reset: "Reset view",
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
    time: "Time limit reached",
    nobody: "No one joined",
    server: "The server cannot be reached",
    serverText: "Check the address and your network, then try again.",
    tokenMissing: "This server needs a token",
    tokenMissingText: "Ask whoever runs the server for one, then start facewire again with --token.",
    tokenExpired: "Your token has expired",
    tokenExpiredText: "Ask for a new one, then start facewire again with it.",
    token: "Your token is not for this room",
    tokenText: "Each token opens one room on one server. Check the room and the server, or ask for a new token.",
    replaced: "You joined from somewhere else",
    replacedText: "Another connection has taken your place in this room.",
    refused: "The server did not let you in",
    full: "The room is full",
    fullText: "Two people are already in it. Choose another room, or wait until one of them leaves.",
    versions: "Your versions don’t match",
    versionsText: "Both sides need the same version of facewire with the same weights. Update both, then join again.",
    other: "The call ended",
    again: "Join again",
    quit: "Close facewire",
    lasted: "Duration",
    slow: "this computer was busy",
    lossy: "the network lost packets",
    theirs: "the other side sent few",
    instead: "H.264 would have sent",
    sent: "Sent",
    recording: "Recording",
  },

  broken: { title: "facewire cannot start a call", quit: "Close facewire" },

  gone: {
    title: "facewire has stopped",
    text: "The program behind this page is not responding. Start it again in a terminal; it will open a new page:",
    retry: "Try again",
    ended: "facewire has ended",
    endedText: "You can close this page. To call again, type:",
  },

  elsewhere: {
    title: "This call is open in another tab",
    text: "A call can be open in one tab only. Close the other tab, or continue there.",
    retry: "Use it here",
  },

  outdated: { title: "This page is out of date", text: "facewire was updated while the page was open.", retry: "Reload" },

  unsupported: {
    title: "This browser cannot make calls",
    text: "It does not support WebRTC or camera access. A current Firefox, Chrome, Edge or Safari does.",
  },

  problem: {
    disk: "The recording cannot be saved.",
    webrtc: "The connection between this page and facewire failed. Reconnecting.",
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
