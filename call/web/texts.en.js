// Every text of the page, in English. A translation is a copy of this file: the same keys, and functions with the same parameters.
// `text.js` chooses the language.

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
    square: "Only the area inside the square is used: a few pictures of it are sent and, between them, just how your head moves.",
    previewLabel: "Your camera",
    searching: "Looking for your face…",
    noFace: "No face found. Look at the camera, and make sure your face is lit.",
    framed: "You’re in the picture",
    file: "Sending a file instead of your camera",
    askTitle: "Allow your camera and microphone",
    askText: "Your browser is asking at the top of this window. Nothing leaves this computer until you join.",
    offTitle: "Your camera is off",
    offText: "You can join without it.",
    deniedTitle: "Camera access is blocked",
    deniedText: "Click the camera icon in the address bar, allow access for this page and try again. You can also join without it.",
    missingTitle: "No camera found",
    missingText: "Plug one in and it will be used straight away, or join without one.",
    busyTitle: "Your camera is in use",
    busyText: "Another program is using it. Close that program and try again.",
    lostTitle: "Your camera was disconnected",
    lostText: "Plug it back in, or choose another.",
  },

  devices: {
    camera: "Camera",
    microphone: "Microphone",
    speaker: "Speaker",
    unnamed: (/** @type {string} */ kind, /** @type {number} */ number) => `${kind} ${number}`,
    none: "None",
    systemSpeaker: "System default",
    file: "A file, set on the command line",
  },

  invite: {
    label: "To invite someone, send them this",
    make: "Make a link for a browser",
    link: (/** @type {string} */ server) =>
      `Send this link: it opens in any browser, for one person, within a day. That call goes through ${server}, which sees and hears it.`,
    copy: "Copy",
    copied: "Copied",
    notCopied: "Couldn’t copy. Select the text and copy it yourself.",
    token: "They also need a token for this server.",
  },

  call: {
    label: "Call",
    controls: "Call controls",
    remoteLabel: "The other person, synthesised from motion",
    remoteCameraLabel: "The other person, as their camera sees them",
    selfLabel: "You",
    you: "You",
    somebody: "The other person",
    microphoneOff: "Mute",
    microphoneOn: "Unmute",
    cameraOff: "Turn camera off",
    cameraOn: "Turn camera on",
    eyeOn: "Eye contact",
    eyeOff: "Stop eye contact",
    turn: "Turn their head",
    record: "Record",
    recordStop: "Stop recording",
    pip: "Picture in picture",
    pipOff: "Exit picture in picture",
    full: "Full screen",
    fullOff: "Exit full screen",
    figuresOn: "Show statistics",
    figuresOff: "Hide statistics",
    leave: "Leave",
    theirMicrophoneOff: "Muted",
    asPortrait: "Your portrait",
    asCamera: "Your camera’s picture",
  },

  status: {
    waiting: "Waiting",
    connecting: "Connecting",
    connected: "Connected",
    stalled: "Reconnecting",
  },

  quality: {
    label: (/** @type {string} */ level) => `Call quality: ${level}`,
    good: "good",
    fair: "fair",
    poor: "poor",
    fine: "Nothing is wrong.",
  },

  // What can be wrong, and what helps. Banners show the more urgent ones.
  advice: {
    process: { what: "Lost the connection to facewire on this computer.", helps: "Trying again…" },
    mediaBlocked: {
      what: "Your browser blocks WebRTC on this computer, so no picture or sound gets through.",
      helps:
        "Pause any VPN or privacy add-on for this page, make sure you’re connected to a network, or start facewire again and " +
        "open its address in another browser.",
    },
    stalled: {
      what: "Nothing is coming through from the other person.",
      helps: "If other websites load, the problem is at their end. The call continues by itself once it can.",
    },
    serverGone: {
      what: "Lost contact with the server.",
      helps: "Your call continues, but could not reconnect if it drops.",
    },
    sound: { what: "Your browser has muted the sound.", helps: "Press “Turn sound on”." },
    ownNoFace: {
      what: "We can’t see your face. The other person sees a still picture.",
      helps: "Look at the camera, and make sure your face is lit.",
    },
    cameraLost: {
      what: "Your camera was disconnected. The other person sees a still picture.",
      helps: "Plug it back in, or choose another in the settings.",
    },
    cameraDenied: {
      what: "Camera access is blocked: the other person can’t see you.",
      helps: "Allow it with the camera icon in the address bar, then turn your camera on.",
    },
    cameraMissing: {
      what: "No camera found: the other person can’t see you.",
      helps: "Plug one in and it will be used straight away.",
    },
    cameraBusy: {
      what: "Another program is using your camera: the other person can’t see you.",
      helps: "Close that program, then turn your camera on.",
    },
    microphoneDenied: {
      what: "Microphone access is blocked: the other person can’t hear you.",
      helps: "Allow it with the icon in the address bar, then unmute.",
    },
    microphoneMissing: {
      what: "No microphone found: the other person can’t hear you.",
      helps: "Plug one in and it will be used straight away.",
    },
    microphoneBusy: {
      what: "Another program is using your microphone: the other person can’t hear you.",
      helps: "Close that program, then unmute.",
    },
    theirNoFace: (/** @type {string} */ name) => ({
      what: `${name || "The other person"}’s face is out of view. You see their last picture.`,
      helps: "Ask them to look at the camera.",
    }),
    theirCameraLost: (/** @type {string} */ name) => ({
      what: `${name || "The other person"}’s camera was disconnected. You see their last picture.`,
      helps: "Ask them to plug it back in.",
    }),
    slow: {
      what: "This computer is slow, so some pictures are skipped.",
      helps: "Close other programs and tabs, and plug in the charger.",
    },
    loss: (/** @type {string} */ share) => ({
      what: `Your connection is losing packets: ${share} of what you send doesn’t arrive.`,
      helps: "Move closer to your router or use a cable, and pause downloads and uploads.",
    }),
    gaps: (/** @type {string} */ share) => ({
      what: `Their video arrives with gaps: ${share} of the pictures are filled in.`,
      helps: "Packets are lost or late, at your end or theirs. Moving closer to the router helps both of you.",
    }),
    delay: (/** @type {string} */ seconds) => ({
      what: `It takes ${seconds} seconds from their camera to your screen.`,
      helps: "Pause downloads and uploads at both ends. On a thin connection, set a lower “Send at most” in the settings.",
    }),
    few: (/** @type {string} */ name, /** @type {string} */ rate) => ({
      what: `Only ${rate} pictures a second arrive from ${name || "the other person"}.`,
      helps: "Their camera may be short of light, their computer busy or their connection thin.",
    }),
  },

  veil: {
    waitingTitle: "No one else is here yet",
    waitingText: "The call starts when someone joins. To invite them, send this command:",
    waitingToken: "The call starts when someone joins. To invite them, send this command and a token for this server:",
    connectingTitle: "Connecting…",
    connectingText: "Someone is here. Looking for a direct path between your computers.",
    pictureTitle: (/** @type {string} */ name) => `${name || "The other person"} is here`,
    pictureText: "The first picture is on its way.",
    stalledTitle: "Reconnecting…",
    stalledText: "Nothing is coming through from the other person. The call continues as soon as something does.",
    cameraOffTitle: (/** @type {string} */ name) => `${name || "The other person"} has their camera off`,
    noCameraTitle: (/** @type {string} */ name) => `${name || "The other person"} has no camera`,
    soundOnly: "You can still hear each other.",
    theirSoundOnly: "You can still hear them. Your own microphone is off.",
    ownSoundOnly: "They can still hear you. Their microphone is off.",
    noSound: "Both microphones are off.",
  },

  banner: {
    soundButton: "Turn sound on",
    portrait: (/** @type {string} */ name) =>
      `${name || "The other person"} appears as a picture they chose, not on a live camera.`,
    file: (/** @type {string} */ name) => `${name || "The other person"} is sending a video file, not live video.`,
    through: (/** @type {string} */ server) => `This call goes through ${server}, which sees and hears everything.`,
    dismiss: "OK",
    asking: (/** @type {string} */ name) => `Asking ${name || "the other person"} whether you may record…`,
    refused: (/** @type {string} */ name) => `${name || "The other person"} doesn’t want to be recorded.`,
    unable: (/** @type {string} */ name) =>
      `${name || "The other person"} can’t be asked: their program runs without a page. Nothing is recorded.`,
    consent: (/** @type {string} */ name) => `${name || "The other person"} wants to record this call.`,
    allow: "Allow",
    refuse: "Don’t allow",
    saved: (/** @type {string} */ file) => `Recording saved: ${file}`,
  },

  plate: { portrait: "Portrait", file: "Video file" },

  picture: {
    legend: "What they see of you",
    auto: "Automatic",
    motion: "Motion",
    camera: "Camera",
    note: "Automatic: your camera’s own picture takes over where motion cannot show what is there.",
    why: {
      asked: "They see your camera’s picture, as you asked.",
      "no-face": "They see your camera’s picture: there is no face to move.",
      "two-faces": "They see your camera’s picture: there is more than one face.",
      unlike: "They see your camera’s picture: motion cannot show what is there.",
      path: "The connection is too thin for your camera’s picture; they see motion only.",
      "other-side": "Their program cannot show your camera’s picture; they see motion only.",
    },
  },

  badge: {
    text: "Synthesised from motion",
    camera: "Camera picture",
    title: "This picture is synthesised",
    about:
      "The other side sends a few real pictures and, between them, only how the head moves. From these, a neural network on this " +
      "computer makes every picture you see. Mouth, eyes and head follow the person; teeth, hands and anything the real pictures " +
      "don’t show are guesses. The other side cannot remove this label.",
    aboutCamera:
      "Where motion cannot show what is there (a hand before the face, a sheet of paper, nobody, a second person), the label " +
      "says “Camera picture”: then you see ordinary video of their camera.",
  },

  source: {
    caption: "A real picture",
    title: "The one real picture",
    titles: (/** @type {number} */ count) => `The ${count} real pictures`,
    set: "All real pictures so far, newest last",
    alt: "The real picture from which the other person’s face is made",
    ownAlt: "The picture of you that the other person’s side works from",
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
    panel: "Turn their head",
    yaw: "Sideways",
    pitch: "Up and down",
    reset: "Reset view",
    spoken: (/** @type {number} */ yaw, /** @type {number} */ pitch) =>
      `${Math.round(Math.abs(yaw))} degrees ${yaw < 0 ? "left" : "right"}, ${Math.round(Math.abs(pitch))} degrees ${pitch < 0 ? "down" : "up"}`,
    eyeOn: "Eye contact on: the head is shown from the front",
    eyeOff: "Eye contact off: the head is shown the way they hold it",
  },

  chat: {
    title: "Texts",
    texts: "What you have written to each other",
    empty: "Texts take next to no data. They arrive even where sound fails, as soon as the connection is back.",
    write: "Write a text",
    send: "Send",
    open: "Write",
    close: "Hide texts",
    unread: (/** @type {number} */ count) => `Write; ${count} unread`,
    waiting: "On its way",
    said: (/** @type {string} */ name, /** @type {string} */ words) => `${name || "The other person"}: ${words}`,
    show: "Reply",
    reactions: "Reactions",
  },

  savings: {
    label: "Statistics of this call",
    title: "Data saved",
    factor: (/** @type {string} */ factor) => `${factor}× less`,
    pending: "Measuring…",
    pendingNote: "Encoding your picture as H.264 to compare.",
    note: "than H.264 with the same sound",
    off: "Nothing to compare",
    offNote: "Your camera isn’t sending.",
    more: "No saving right now",
    h264: "H.264, with the same sound",
    wire: "Sent, with sound",
    payload: "Of that, content",
    limit: "your limit",
    now: "now",
    ago: (/** @type {number} */ seconds) => `${seconds} s ago`,
    spoken: (/** @type {string} */ wire, /** @type {string} */ h264) =>
      `Kilobits per second over the last minute. Now sending ${wire}; H.264 would take ${h264}.`,
    psnr: (/** @type {string} */ codec, /** @type {string} */ psnr) => `x264 veryfast, CRF ${codec}, ${psnr} dB`,
  },

  facts: {
    title: "This call",
    delay: "Camera to screen",
    frames: "Frames per second",
    concealed: "Frames filled in",
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
    through: (/** @type {string} */ server) =>
      `Read these words to each other. If they are the same, no one is between you and ${server}. The other person is a guest of ` +
      `${server}, which sees and hears this call; the words say nothing about that.`,
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
    hereText: "The other person sees a red mark. If you stop, you keep what has been recorded so far.",
    thereText: "You allowed this. If you withdraw your permission, the recording stops, but they keep what they have so far.",
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
    note: "The other person is told that this is not your camera. Only use pictures of people who have agreed to it.",
    sending: "Reading the picture…",
    noFace: "No face was found in that picture.",
    notAPicture: "That file can’t be read. Choose a PNG, JPEG or WebP picture.",
    tooLarge: "That picture is too large. The limit is 20 MB.",
    failed: "The picture could not be loaded.",
    alt: "The portrait",
  },

  settings: {
    open: "Settings",
    title: "Settings",
    rate: "Send at most",
    rateNote: "Picture, sound and packet headers all count. A call still runs without freezing at 20 kbps.",
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
    turn: "Turn their head",
    arrows: "Turn their head by 5°",
    reset: "Reset view",
    record: "Record",
    pip: "Picture in picture",
    full: "Full screen",
    figures: "Statistics",
    texts: "Texts",
    words: "Safety words",
    leave: "Leave",
    help: "This list",
  },

  ended: {
    left: "You left the call",
    otherLeft: (/** @type {string} */ name) => `${name || "The other person"} left`,
    time: "Time limit reached",
    nobody: "No one joined",
    server: "The server can’t be reached",
    serverText: "Check the address and your network, then try again.",
    tokenMissing: "This server needs a token",
    tokenMissingText: "Ask whoever runs the server for one, then start facewire again with --token-file.",
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
    versionsText: "Both of you need the same version of facewire with the same weights. Update both, then join again.",
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

  broken: { title: "facewire can’t start a call", quit: "Close facewire" },

  gone: {
    title: "facewire has stopped",
    text: "The program behind this page isn’t responding. Start it again in a terminal; it will open a new page:",
    retry: "Try again",
    ended: "facewire has ended",
    endedText: "You can close this page. To call again, type:",
  },

  elsewhere: {
    title: "This call is open in another tab",
    text: "A call can be open in only one tab. Continue there, or close that tab and use this one.",
    retry: "Use it here",
  },

  // Why a gateway does not let a guest in.
  turnedAway: {
    used: { title: "This link has been used", text: "It was for one person, once. Ask for another one." },
    gone: { title: "This link doesn’t work any more", text: "It has expired, was taken back, or is incomplete. Ask for another one." },
    full: { title: "All lines are busy", text: "The server has as many calls as it can carry. Try again in a few minutes." },
    closing: { title: "The server is about to restart", text: "Try again in a few minutes. The link still works." },
    slow: { title: "Too many attempts", text: "Wait half a minute, then try again." },
    retry: "Try again",
  },

  // What a guest of a gateway reads in place of the same texts above and below; there is no facewire on their computer.
  guest: {
    lobby: {
      square: (/** @type {string} */ server) =>
        `This call goes through ${server}, which sees and hears everything you do once you join. To the other person it sends a few ` +
        "pictures of your face and, between them, just how your head moves.",
      loading: (/** @type {string} */ server) => `Asking ${server}…`,
    },
    advice: {
      process: {
        what: (/** @type {string} */ server) => `Lost the connection to ${server}.`,
      },
      mediaBlocked: {
        what: (/** @type {string} */ server) => `No picture or sound gets through to ${server}.`,
        helps: (/** @type {string} */ server) => `Your network may block the way to ${server}. Try another one, such as your phone’s.`,
      },
      slow: {
        what: (/** @type {string} */ server) => `${server} is busy, so some pictures are skipped.`,
        helps: (/** @type {string} */ server) => `If it stays like this, tell whoever runs ${server}.`,
      },
    },
    veil: {
      waitingText: (/** @type {string} */ server) =>
        `The call starts when the other person joins. You can leave this page open. ${server} keeps your place.`,
      connectingText: (/** @type {string} */ server) => `Someone is here. ${server} is looking for a path to their computer.`,
    },
    badge: {
      about: (/** @type {string} */ server) =>
        `The other side sends a few real pictures and, between them, only how the head moves. From these, a neural network on ${server} ` +
        "makes every picture you see. Mouth, eyes and head follow the person; teeth, hands and anything the real pictures don’t show " +
        "are guesses. The other side cannot remove this label.",
    },
    words: {
      how: (/** @type {string} */ server) =>
        `Read these words to each other. If they are the same, no one is between ${server} and the other person. The path from you to ` +
        `${server} is encrypted as every https page is. ${server} itself sees and hears this call; the words say nothing about that.`,
    },
    ended: {
      slow: (/** @type {string} */ server) => `${server} was busy`,
    },
    gone: {
      title: (/** @type {string} */ server) => `Lost the connection to ${server}`,
      text: (/** @type {string} */ server) => `Check your network. If other websites load, ${server} may be down for a moment.`,
      ended: (/** @type {string} */ server) => `${server} has ended this visit`,
      endedText: (/** @type {string} */ server) => `You can close this page. To come back to ${server}, use the same link.`,
    },
    broken: {
      title: (/** @type {string} */ server) => `${server} can’t start a call`,
    },
  },

  outdated: { title: "This page is out of date", text: "facewire was updated while the page was open.", retry: "Reload" },

  unsupported: {
    title: "This browser can’t make calls",
    text: "It does not support WebRTC or camera access. A current Firefox, Chrome, Edge or Safari does.",
  },

  problem: {
    disk: "The recording can’t be saved.",
    webrtc: "The connection between this page and facewire failed. Reconnecting.",
  },

  said: { micOff: "Microphone off", micOn: "Microphone on", camOff: "Camera off", camOn: "Camera on" },

  units: {
    kbps: (/** @type {string} */ value) => `${value} kbps`,
    ms: (/** @type {string} */ value) => `${value} ms`,
    percent: (/** @type {string} */ value) => `${value}%`,
    megabytes: (/** @type {string} */ value) => `${value} MB`,
    kilobytes: (/** @type {string} */ value) => `${value} kB`,
    unknown: "–",
  },
  locale: "en-GB",
};
