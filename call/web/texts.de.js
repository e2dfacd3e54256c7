// Every text of the page, in German. `texts.en.js` is the original.

export const texts = {
  name: "facewire",
  starting: "Wird gestartet …",
  close: "Schließen",
  cancel: "Abbrechen",
  title: {
    lobby: (/** @type {string} */ room) => `${room} · facewire`,
    call: (/** @type {string} */ other, /** @type {string} */ room) => `${other || room} · facewire`,
    ended: "Gespräch beendet · facewire",
    recording: (/** @type {string} */ title) => `● ${title}`,
  },

  lobby: {
    room: "Raum",
    name: "Ihr Name",
    join: "Beitreten",
    loading: "Wird vorbereitet …",
    joining: "Beitritt läuft …",
    retry: "Erneut versuchen",
    square: "Nur der Bereich im Quadrat wird verwendet: Gesendet werden einige Bilder davon und dazwischen nur die Bewegungen Ihres Kopfes.",
    previewLabel: "Ihre Kamera",
    searching: "Ihr Gesicht wird gesucht …",
    noFace: "Kein Gesicht gefunden. Schauen Sie in die Kamera, und achten Sie auf gutes Licht.",
    framed: "Sie sind im Bild",
    file: "Statt Ihrer Kamera wird eine Datei gesendet",
    askTitle: "Kamera und Mikrofon erlauben",
    askText: "Ihr Browser fragt oben in diesem Fenster. Bis Sie beitreten, verlässt nichts diesen Computer.",
    offTitle: "Ihre Kamera ist aus",
    offText: "Sie können auch ohne sie beitreten.",
    deniedTitle: "Der Zugriff auf die Kamera ist blockiert",
    deniedText:
      "Klicken Sie auf das Kamerasymbol in der Adressleiste, erlauben Sie dieser Seite den Zugriff, und versuchen Sie es erneut. " +
      "Sie können auch ohne Kamera beitreten.",
    missingTitle: "Keine Kamera gefunden",
    missingText: "Schließen Sie eine an, dann wird sie sofort verwendet. Oder treten Sie ohne Kamera bei.",
    busyTitle: "Ihre Kamera ist belegt",
    busyText: "Ein anderes Programm verwendet sie. Schließen Sie es, und versuchen Sie es erneut.",
    lostTitle: "Ihre Kamera wurde getrennt",
    lostText: "Schließen Sie sie wieder an, oder wählen Sie eine andere.",
  },

  devices: {
    camera: "Kamera",
    microphone: "Mikrofon",
    speaker: "Lautsprecher",
    unnamed: (/** @type {string} */ kind, /** @type {number} */ number) => `${kind} ${number}`,
    none: "Nicht vorhanden",
    systemSpeaker: "Standard des Systems",
    file: "Eine Datei, auf der Befehlszeile angegeben",
  },

  invite: {
    label: "Zum Einladen senden Sie dies",
    make: "Link für einen Browser erstellen",
    link: (/** @type {string} */ server) =>
      `Schicken Sie diesen Link: Er öffnet sich in jedem Browser, für eine Person, binnen eines Tages. Das Gespräch läuft dann über ` +
      `${server}; dieser Server sieht und hört es.`,
    copy: "Kopieren",
    copied: "Kopiert",
    notCopied: "Das Kopieren hat nicht geklappt. Markieren Sie den Text, und kopieren Sie ihn selbst.",
    token: "Für diesen Server ist außerdem ein Token nötig.",
  },

  call: {
    label: "Gespräch",
    controls: "Steuerung des Gesprächs",
    remoteLabel: "Die andere Person, aus Bewegung synthetisiert",
    remoteCameraLabel: "Die andere Person, wie ihre Kamera sie sieht",
    selfLabel: "Sie",
    you: "Sie",
    somebody: "Die andere Person",
    microphoneOff: "Stummschalten",
    microphoneOn: "Stummschaltung aufheben",
    cameraOff: "Kamera ausschalten",
    cameraOn: "Kamera einschalten",
    eyeOn: "Blickkontakt",
    eyeOff: "Blickkontakt beenden",
    turn: "Kopf drehen",
    record: "Aufzeichnen",
    recordStop: "Aufzeichnung beenden",
    pip: "Bild im Bild",
    pipOff: "Bild im Bild beenden",
    full: "Vollbild",
    fullOff: "Vollbild beenden",
    figuresOn: "Statistik anzeigen",
    figuresOff: "Statistik ausblenden",
    leave: "Verlassen",
    theirMicrophoneOff: "Stummgeschaltet",
    asPortrait: "Ihr Porträt",
    asCamera: "Ihr Kamerabild",
  },

  status: {
    waiting: "Warten",
    connecting: "Verbinden",
    connected: "Verbunden",
    stalled: "Neu verbinden",
  },

  quality: {
    label: (/** @type {string} */ level) => `Gesprächsqualität: ${level}`,
    good: "gut",
    fair: "mäßig",
    poor: "schlecht",
    fine: "Alles in Ordnung.",
  },

  // What can be wrong, and what helps. Banners show the more urgent ones.
  advice: {
    process: { what: "Die Verbindung zu facewire auf diesem Computer ist abgebrochen.", helps: "Neuer Versuch …" },
    mediaBlocked: {
      what: "Ihr Browser blockiert WebRTC auf diesem Computer, deshalb kommen weder Bild noch Ton durch.",
      helps:
        "Schalten Sie VPN und Datenschutz-Erweiterungen für diese Seite ab, prüfen Sie, ob Sie mit einem Netzwerk verbunden sind, " +
        "oder starten Sie facewire neu, und öffnen Sie die Adresse in einem anderen Browser.",
    },
    stalled: {
      what: "Von der anderen Person kommt nichts an.",
      helps: "Wenn andere Websites laden, liegt es an der Gegenseite. Das Gespräch geht von selbst weiter, sobald es kann.",
    },
    serverGone: {
      what: "Der Kontakt zum Server ist abgebrochen.",
      helps: "Ihr Gespräch läuft weiter, ließe sich nach einer Unterbrechung aber nicht wiederherstellen.",
    },
    sound: { what: "Ihr Browser hat den Ton stummgeschaltet.", helps: "Klicken Sie auf „Ton einschalten“." },
    ownNoFace: {
      what: "Ihr Gesicht ist nicht zu sehen. Die andere Person sieht ein Standbild.",
      helps: "Schauen Sie in die Kamera, und achten Sie auf gutes Licht.",
    },
    cameraLost: {
      what: "Ihre Kamera wurde getrennt. Die andere Person sieht ein Standbild.",
      helps: "Schließen Sie sie wieder an, oder wählen Sie in den Einstellungen eine andere.",
    },
    cameraDenied: {
      what: "Der Zugriff auf die Kamera ist blockiert: Die andere Person sieht Sie nicht.",
      helps: "Erlauben Sie ihn über das Kamerasymbol in der Adressleiste, und schalten Sie dann die Kamera ein.",
    },
    cameraMissing: {
      what: "Keine Kamera gefunden: Die andere Person sieht Sie nicht.",
      helps: "Schließen Sie eine an, dann wird sie sofort verwendet.",
    },
    cameraBusy: {
      what: "Ein anderes Programm verwendet Ihre Kamera: Die andere Person sieht Sie nicht.",
      helps: "Schließen Sie dieses Programm, und schalten Sie dann die Kamera ein.",
    },
    microphoneDenied: {
      what: "Der Zugriff auf das Mikrofon ist blockiert: Die andere Person hört Sie nicht.",
      helps: "Erlauben Sie ihn über das Symbol in der Adressleiste, und heben Sie dann die Stummschaltung auf.",
    },
    microphoneMissing: {
      what: "Kein Mikrofon gefunden: Die andere Person hört Sie nicht.",
      helps: "Schließen Sie eins an, dann wird es sofort verwendet.",
    },
    microphoneBusy: {
      what: "Ein anderes Programm verwendet Ihr Mikrofon: Die andere Person hört Sie nicht.",
      helps: "Schließen Sie dieses Programm, und heben Sie dann die Stummschaltung auf.",
    },
    theirNoFace: (/** @type {string} */ name) => ({
      what: `Das Gesicht ${name ? `von ${name}` : "der anderen Person"} ist nicht zu sehen. Sie sehen das letzte Bild.`,
      helps: "Bitten Sie die andere Person, in die Kamera zu schauen.",
    }),
    theirCameraLost: (/** @type {string} */ name) => ({
      what: `Die Kamera ${name ? `von ${name}` : "der anderen Person"} wurde getrennt. Sie sehen das letzte Bild.`,
      helps: "Bitten Sie die andere Person, sie wieder anzuschließen.",
    }),
    slow: {
      what: "Dieser Computer ist zu langsam, deshalb werden Bilder ausgelassen.",
      helps: "Schließen Sie andere Programme und Tabs, und stecken Sie das Netzteil an.",
    },
    loss: (/** @type {string} */ share) => ({
      what: `Ihre Verbindung verliert Pakete: ${share} von dem, was Sie senden, kommt nicht an.`,
      helps: "Gehen Sie näher an den Router, oder nehmen Sie ein Kabel, und halten Sie Downloads und Uploads an.",
    }),
    gaps: (/** @type {string} */ share) => ({
      what: `Das Video der anderen Person kommt mit Lücken an: ${share} der Bilder werden ergänzt.`,
      helps: "Pakete gehen verloren oder kommen zu spät, bei Ihnen oder auf der Gegenseite. Näher am Router wird es auf beiden Seiten besser.",
    }),
    delay: (/** @type {string} */ seconds) => ({
      what: `Von der anderen Kamera bis auf Ihren Bildschirm vergehen ${seconds} Sekunden.`,
      helps:
        "Halten Sie auf beiden Seiten Downloads und Uploads an. Stellen Sie bei einer schwachen Verbindung „Höchstens senden“ in den " +
        "Einstellungen niedriger.",
    }),
    few: (/** @type {string} */ name, /** @type {string} */ rate) => ({
      what: `Von ${name || "der anderen Person"} kommen nur ${rate} Bilder pro Sekunde an.`,
      helps: "Vielleicht fehlt der anderen Kamera Licht, der Computer dort ist ausgelastet, oder die Verbindung ist schwach.",
    }),
  },

  veil: {
    waitingTitle: "Es ist noch niemand da",
    waitingText: "Das Gespräch beginnt, sobald jemand beitritt. Senden Sie zum Einladen diesen Befehl:",
    waitingToken: "Das Gespräch beginnt, sobald jemand beitritt. Senden Sie zum Einladen diesen Befehl und ein Token für diesen Server:",
    connectingTitle: "Verbindung wird aufgebaut …",
    connectingText: "Es ist jemand da. Ein direkter Weg zwischen Ihren Computern wird gesucht.",
    pictureTitle: (/** @type {string} */ name) => `${name || "Die andere Person"} ist da`,
    pictureText: "Das erste Bild ist unterwegs.",
    stalledTitle: "Verbindung wird wiederhergestellt …",
    stalledText: "Von der anderen Person kommt nichts an. Das Gespräch geht weiter, sobald wieder etwas kommt.",
    cameraOffTitle: (/** @type {string} */ name) => `${name || "Die andere Person"} hat die Kamera ausgeschaltet`,
    noCameraTitle: (/** @type {string} */ name) => `${name || "Die andere Person"} hat keine Kamera`,
    soundOnly: "Sie können sich weiterhin hören.",
    theirSoundOnly: "Sie hören die andere Person weiterhin. Ihr eigenes Mikrofon ist aus.",
    ownSoundOnly: "Die andere Person hört Sie weiterhin. Das Mikrofon der anderen Person ist aus.",
    noSound: "Beide Mikrofone sind aus.",
  },

  banner: {
    soundButton: "Ton einschalten",
    portrait: (/** @type {string} */ name) =>
      `${name || "Die andere Person"} erscheint als selbst gewähltes Bild, nicht live vor der Kamera.`,
    file: (/** @type {string} */ name) => `${name || "Die andere Person"} sendet eine Videodatei, kein Live-Video.`,
    through: (/** @type {string} */ server) => `Dieses Gespräch läuft über ${server}. Dieser Server sieht und hört alles.`,
    dismiss: "OK",
    asking: (/** @type {string} */ name) => `${name || "Die andere Person"} wird gefragt, ob Sie aufzeichnen dürfen …`,
    refused: (/** @type {string} */ name) => `${name || "Die andere Person"} möchte nicht aufgezeichnet werden.`,
    unable: (/** @type {string} */ name) =>
      `${name || "Die andere Person"} kann nicht gefragt werden: Das Programm dort läuft ohne Seite. Es wird nichts aufgezeichnet.`,
    consent: (/** @type {string} */ name) => `${name || "Die andere Person"} möchte dieses Gespräch aufzeichnen.`,
    allow: "Erlauben",
    refuse: "Nicht erlauben",
    saved: (/** @type {string} */ file) => `Aufzeichnung gespeichert: ${file}`,
  },

  plate: { portrait: "Porträt", file: "Videodatei" },

  picture: {
    legend: "Was die Gegenseite von Ihnen sieht",
    auto: "Automatisch",
    motion: "Bewegung",
    camera: "Kamera",
    note: "Automatisch: Das Bild Ihrer Kamera tritt an die Stelle, wo Bewegung nicht zeigen kann, was da ist.",
    why: {
      asked: "Die Gegenseite sieht Ihr Kamerabild, wie Sie es wollten.",
      "no-face": "Die Gegenseite sieht Ihr Kamerabild: Es ist kein Gesicht da, das sich bewegen lässt.",
      "two-faces": "Die Gegenseite sieht Ihr Kamerabild: Es ist mehr als ein Gesicht da.",
      unlike: "Die Gegenseite sieht Ihr Kamerabild: Bewegung kann nicht zeigen, was da ist.",
      path: "Die Verbindung ist zu schmal für Ihr Kamerabild; die Gegenseite sieht nur Bewegung.",
      "other-side": "Das Programm der Gegenseite kann Ihr Kamerabild nicht zeigen; sie sieht nur Bewegung.",
    },
  },

  badge: {
    text: "Aus Bewegung synthetisiert",
    camera: "Kamerabild",
    title: "Dieses Bild ist synthetisiert",
    about:
      "Die Gegenseite sendet einige echte Bilder und dazwischen nur die Bewegungen des Kopfes. Daraus erzeugt ein neuronales Netz auf " +
      "diesem Computer jedes Bild, das Sie sehen. Mund, Augen und Kopf folgen der Person; Zähne, Hände und alles, was die echten " +
      "Bilder nicht zeigen, ist geraten. Die Gegenseite kann diese Kennzeichnung nicht entfernen.",
    aboutCamera:
      "Wo Bewegung nicht zeigen kann, was da ist (eine Hand vor dem Gesicht, ein Blatt Papier, niemand, eine zweite Person), " +
      "steht „Kamerabild“ darauf: Dann sehen Sie gewöhnliches Video von der Kamera der Gegenseite.",
  },

  source: {
    caption: "Ein echtes Bild",
    title: "Das eine echte Bild",
    titles: (/** @type {number} */ count) => `Die ${count} echten Bilder`,
    set: "Alle bisherigen echten Bilder, das neueste zuletzt",
    alt: "Das echte Bild, aus dem das Gesicht der anderen Person entsteht",
    ownAlt: "Das Bild von Ihnen, mit dem die Gegenseite arbeitet",
    taken: (/** @type {string} */ time) => `Aufgenommen um ${time}. Alles andere ist Bewegung.`,
    newestTaken: (/** @type {string} */ time) => `Das neueste wurde um ${time} aufgenommen. Alles andere ist Bewegung.`,
    takenShort: (/** @type {string} */ time) => `aufgenommen um ${time}`,
    untimed: "Alles andere ist Bewegung.",
    portrait: "Ein selbst gewähltes Bild, nicht von einer Live-Kamera.",
    file: "Aus einer Videodatei, nicht von einer Live-Kamera.",
  },

  view: {
    label: "Der Kopf der anderen Person",
    help: "Ziehen Sie, oder benutzen Sie die Pfeiltasten, um den Kopf zu drehen. Die Taste Null setzt die Ansicht zurück.",
    hint: "Oder ziehen Sie am Bild.",
    panel: "Kopf drehen",
    yaw: "Seitwärts",
    pitch: "Auf und ab",
    reset: "Ansicht zurücksetzen",
    spoken: (/** @type {number} */ yaw, /** @type {number} */ pitch) =>
      `${Math.round(Math.abs(yaw))} Grad nach ${yaw < 0 ? "links" : "rechts"}, ${Math.round(Math.abs(pitch))} Grad nach ${pitch < 0 ? "unten" : "oben"}`,
    eyeOn: "Blickkontakt an: Der Kopf wird von vorn gezeigt",
    eyeOff: "Blickkontakt aus: Der Kopf wird gezeigt, wie er gehalten wird",
  },

  chat: {
    title: "Texte",
    texts: "Was ihr euch geschrieben habt",
    empty: "Texte brauchen fast keine Daten. Sie kommen auch an, wo der Ton versagt: sobald die Verbindung wieder da ist.",
    write: "Text schreiben",
    send: "Senden",
    open: "Schreiben",
    close: "Texte ausblenden",
    unread: (/** @type {number} */ count) => `Schreiben; ${count} ungelesen`,
    waiting: "Unterwegs",
    said: (/** @type {string} */ name, /** @type {string} */ words) => `${name || "Die andere Person"}: ${words}`,
    show: "Antworten",
    reactions: "Reaktionen",
  },

  savings: {
    label: "Statistik dieses Gesprächs",
    title: "Gesparte Daten",
    factor: (/** @type {string} */ factor) => `${factor}× weniger`,
    pending: "Messung läuft …",
    pendingNote: "Zum Vergleich wird Ihr Bild mit H.264 codiert.",
    note: "als H.264 mit demselben Ton",
    off: "Kein Vergleich möglich",
    offNote: "Ihre Kamera sendet nicht.",
    more: "Zurzeit keine Ersparnis",
    h264: "H.264, mit demselben Ton",
    wire: "Gesendet, mit Ton",
    payload: "Davon Inhalt",
    limit: "Ihr Limit",
    now: "jetzt",
    ago: (/** @type {number} */ seconds) => `vor ${seconds} s`,
    spoken: (/** @type {string} */ wire, /** @type {string} */ h264) =>
      `Kilobit pro Sekunde in der letzten Minute. Zurzeit werden ${wire} gesendet; H.264 bräuchte ${h264}.`,
    psnr: (/** @type {string} */ codec, /** @type {string} */ psnr) => `x264 veryfast, CRF ${codec}, ${psnr} dB`,
  },

  facts: {
    title: "Dieses Gespräch",
    delay: "Von Kamera bis Bildschirm",
    frames: "Bilder pro Sekunde",
    concealed: "Ergänzte Bilder",
    loss: "Verlorene Pakete",
    sent: "Gesendet, mit Ton",
    instead: "H.264 hätte gesendet",
  },

  words: {
    open: "Sicherheitswörter",
    title: "Sicherheitswörter",
    how:
      "Lesen Sie einander diese Wörter vor. Wenn Sie beide dieselben sechs in derselben Reihenfolge sehen, ist niemand dazwischen. " +
      "Wenn sie sich unterscheiden, hört vielleicht jemand mit: Verlassen Sie das Gespräch.",
    through: (/** @type {string} */ server) =>
      `Lesen Sie einander diese Wörter vor. Wenn sie gleich sind, ist niemand zwischen Ihnen und ${server}. Die andere Person ist ` +
      `Gast von ${server}; dieser Server sieht und hört das Gespräch, und darüber sagen die Wörter nichts.`,
    none: "Sie erscheinen, sobald Sie beide verbunden sind.",
  },

  record: {
    title: "Dieses Gespräch aufzeichnen?",
    text: "Die andere Person wird vorher gefragt und sieht eine rote Markierung, solange Sie aufzeichnen.",
    where: "Bild und Ton werden auf diesem Computer in einer Videodatei gespeichert, gekennzeichnet als synthetisiert.",
    whereFolder: (/** @type {string} */ folder) =>
      `Bild und Ton werden in einer Videodatei in ${folder} gespeichert, gekennzeichnet als synthetisiert.`,
    start: "Fragen und aufzeichnen",
    here: (/** @type {string} */ time) => `Aufzeichnung ${time}`,
    asking: "Anfrage läuft …",
    there: (/** @type {string} */ name) => `${name || "Die andere Person"} zeichnet auf`,
    hereTitle: "Sie zeichnen auf",
    hereText: "Die andere Person sieht eine rote Markierung. Wenn Sie aufhören, bleibt Ihnen, was bis dahin aufgezeichnet ist.",
    thereText:
      "Sie haben es erlaubt. Wenn Sie die Erlaubnis zurückziehen, endet die Aufzeichnung, aber die andere Person behält, was bis dahin " +
      "aufgezeichnet ist.",
    stopHere: "Aufzeichnung beenden",
    stopThere: "Erlaubnis zurückziehen",
  },

  portrait: {
    legend: "Erscheinen als",
    self: "Sie selbst",
    other: "Ein Porträt …",
    choose: "Bild wählen …",
    clear: "Porträt entfernen",
    again: "Neues Bild aufnehmen",
    isSelf: "Sie selbst, wie die Kamera Sie sieht",
    isSource: "Sie selbst, aus diesem Bild",
    isPortrait: "Ein Porträt, das sich bewegt wie Sie",
    note: "Die andere Person erfährt, dass dies nicht Ihre Kamera ist. Verwenden Sie nur Bilder von Menschen, die zugestimmt haben.",
    sending: "Das Bild wird gelesen …",
    noFace: "In diesem Bild wurde kein Gesicht gefunden.",
    notAPicture: "Diese Datei lässt sich nicht lesen. Wählen Sie ein Bild im Format PNG, JPEG oder WebP.",
    tooLarge: "Dieses Bild ist zu groß. Höchstens 20 MB sind erlaubt.",
    failed: "Das Bild konnte nicht geladen werden.",
    alt: "Das Porträt",
  },

  settings: {
    open: "Einstellungen",
    title: "Einstellungen",
    rate: "Höchstens senden",
    rateNote: "Bild, Ton und Kopfdaten der Pakete zählen mit. Auch mit 20 kbit/s läuft ein Gespräch ohne Stocken.",
    noLimit: "kein Limit",
    kbps: (/** @type {number} */ kbps) => `${kbps} kbit/s`,
    theme: "Darstellung",
    themeSystem: "System",
    themeLight: "Hell",
    themeDark: "Dunkel",
    keys: "Kürzel mit einer einzelnen Taste",
  },

  keys: {
    open: "Tastenkürzel",
    title: "Tastenkürzel",
    microphone: "Mikrofon ein oder aus",
    camera: "Kamera ein oder aus",
    eye: "Blickkontakt",
    turn: "Kopf drehen",
    arrows: "Kopf um 5° drehen",
    reset: "Ansicht zurücksetzen",
    record: "Aufzeichnen",
    pip: "Bild im Bild",
    full: "Vollbild",
    figures: "Statistik",
    texts: "Texte",
    words: "Sicherheitswörter",
    leave: "Verlassen",
    help: "Diese Liste",
  },

  ended: {
    left: "Sie haben das Gespräch verlassen",
    otherLeft: (/** @type {string} */ name) => `${name || "Die andere Person"} hat das Gespräch verlassen`,
    time: "Zeitlimit erreicht",
    nobody: "Niemand ist beigetreten",
    server: "Der Server ist nicht erreichbar",
    serverText: "Prüfen Sie die Adresse und Ihr Netzwerk, und versuchen Sie es erneut.",
    tokenMissing: "Dieser Server verlangt ein Token",
    tokenMissingText: "Sie bekommen es von der Person, die den Server betreibt. Starten Sie facewire dann erneut mit --token-file.",
    tokenExpired: "Ihr Token ist abgelaufen",
    tokenExpiredText: "Bitten Sie um ein neues, und starten Sie facewire damit erneut.",
    token: "Ihr Token gilt nicht für diesen Raum",
    tokenText: "Jedes Token öffnet einen Raum auf einem Server. Prüfen Sie Raum und Server, oder bitten Sie um ein neues Token.",
    replaced: "Sie sind von anderswo beigetreten",
    replacedText: "Eine andere Verbindung hat Ihren Platz in diesem Raum übernommen.",
    refused: "Der Server hat Sie nicht hereingelassen",
    full: "Der Raum ist voll",
    fullText: "Zwei Personen sind schon darin. Wählen Sie einen anderen Raum, oder warten Sie, bis jemand geht.",
    versions: "Ihre Versionen passen nicht zusammen",
    versionsText: "Sie brauchen beide dieselbe Version von facewire mit denselben Gewichten. Aktualisieren Sie beide, und treten Sie erneut bei.",
    other: "Das Gespräch ist beendet",
    again: "Erneut beitreten",
    quit: "facewire beenden",
    lasted: "Dauer",
    slow: "dieser Computer war ausgelastet",
    lossy: "das Netzwerk verlor Pakete",
    theirs: "die Gegenseite sendete wenige",
    instead: "H.264 hätte gesendet",
    sent: "Gesendet",
    recording: "Aufzeichnung",
  },

  broken: { title: "facewire kann kein Gespräch beginnen", quit: "facewire beenden" },

  gone: {
    title: "facewire läuft nicht mehr",
    text: "Das Programm hinter dieser Seite antwortet nicht. Starten Sie es in einem Terminal neu; es öffnet eine neue Seite:",
    retry: "Erneut versuchen",
    ended: "facewire ist beendet",
    endedText: "Sie können diese Seite schließen. Für ein neues Gespräch geben Sie ein:",
  },

  elsewhere: {
    title: "Dieses Gespräch ist in einem anderen Tab geöffnet",
    text: "Ein Gespräch kann nur in einem Tab geöffnet sein. Fahren Sie dort fort, oder schließen Sie den anderen Tab, und verwenden Sie diesen.",
    retry: "Hier verwenden",
  },

  // Why a gateway does not let a guest in.
  turnedAway: {
    used: { title: "Dieser Link ist verbraucht", text: "Er galt für eine Person und ein Mal. Bitten Sie um einen neuen." },
    gone: { title: "Dieser Link gilt nicht mehr", text: "Er ist abgelaufen, wurde zurückgenommen oder ist unvollständig. Bitten Sie um einen neuen." },
    full: { title: "Alle Leitungen sind belegt", text: "Der Server trägt so viele Gespräche, wie er kann. Versuchen Sie es in ein paar Minuten wieder." },
    closing: { title: "Der Server startet gleich neu", text: "Versuchen Sie es in ein paar Minuten wieder. Der Link gilt weiter." },
    slow: { title: "Zu viele Versuche", text: "Warten Sie eine halbe Minute, dann versuchen Sie es wieder." },
    retry: "Noch einmal versuchen",
  },

  // What a guest of a gateway reads in place of the same texts above and below; there is no facewire on their computer.
  guest: {
    lobby: {
      square: (/** @type {string} */ server) =>
        `Dieses Gespräch läuft über ${server}. Dieser Server sieht und hört alles, sobald Sie beitreten. Der anderen Person schickt er ` +
        "ein paar Bilder von Ihrem Gesicht und dazwischen nur, wie sich Ihr Kopf bewegt.",
      loading: (/** @type {string} */ server) => `${server} wird gefragt …`,
    },
    advice: {
      process: {
        what: (/** @type {string} */ server) => `Die Verbindung zu ${server} ist abgerissen.`,
      },
      mediaBlocked: {
        what: (/** @type {string} */ server) => `Bild und Ton kommen nicht bis zu ${server}.`,
        helps: (/** @type {string} */ server) =>
          `Ihr Netz sperrt vielleicht den Weg zu ${server}. Versuchen Sie es mit einem anderen, etwa dem Ihres Telefons.`,
      },
      slow: {
        what: (/** @type {string} */ server) => `${server} ist überlastet und lässt Bilder aus.`,
        helps: (/** @type {string} */ server) => `Wenn das so bleibt, sagen Sie es dem Betreiber von ${server}.`,
      },
    },
    veil: {
      waitingText: (/** @type {string} */ server) =>
        `Das Gespräch beginnt, sobald die andere Person beitritt. Sie können diese Seite offen lassen. ${server} hält Ihren Platz frei.`,
      connectingText: (/** @type {string} */ server) => `Jemand ist da. ${server} sucht einen Weg zu dem anderen Rechner.`,
    },
    badge: {
      about: (/** @type {string} */ server) =>
        "Die andere Seite sendet ein paar echte Bilder und dazwischen nur, wie sich der Kopf bewegt. Daraus macht ein neuronales Netz " +
        `auf ${server} jedes Bild, das Sie sehen. Mund, Augen und Kopf folgen der Person; Zähne, Hände und alles, was die echten ` +
        "Bilder nicht zeigen, sind geraten. Die andere Seite kann diesen Hinweis nicht entfernen.",
    },
    words: {
      how: (/** @type {string} */ server) =>
        `Lesen Sie einander diese Wörter vor. Wenn sie gleich sind, ist niemand zwischen ${server} und der anderen Person. Der Weg von ` +
        `Ihnen zu ${server} ist verschlüsselt wie bei jeder https-Seite. ${server} selbst sieht und hört das Gespräch, und darüber sagen ` +
        "die Wörter nichts.",
    },
    ended: {
      slow: (/** @type {string} */ server) => `${server} war überlastet`,
    },
    gone: {
      title: (/** @type {string} */ server) => `Keine Verbindung zu ${server}`,
      text: (/** @type {string} */ server) => `Prüfen Sie Ihr Netz. Wenn andere Seiten laden, ist ${server} vielleicht gerade nicht da.`,
      ended: (/** @type {string} */ server) => `${server} hat diesen Besuch beendet`,
      endedText: (/** @type {string} */ server) => `Sie können diese Seite schließen. Mit demselben Link kommen Sie zu ${server} zurück.`,
    },
    broken: {
      title: (/** @type {string} */ server) => `${server} kann kein Gespräch beginnen`,
    },
  },

  outdated: { title: "Diese Seite ist veraltet", text: "facewire wurde aktualisiert, während die Seite offen war.", retry: "Neu laden" },

  unsupported: {
    title: "Mit diesem Browser sind keine Gespräche möglich",
    text: "Ihm fehlt WebRTC oder der Zugriff auf die Kamera. Aktuelle Versionen von Firefox, Chrome, Edge und Safari haben beides.",
  },

  problem: {
    disk: "Die Aufzeichnung lässt sich nicht speichern.",
    webrtc: "Die Verbindung zwischen dieser Seite und facewire ist gescheitert. Sie wird neu aufgebaut.",
  },

  said: { micOff: "Mikrofon aus", micOn: "Mikrofon an", camOff: "Kamera aus", camOn: "Kamera an" },

  units: {
    kbps: (/** @type {string} */ value) => `${value} kbit/s`,
    ms: (/** @type {string} */ value) => `${value} ms`,
    percent: (/** @type {string} */ value) => `${value}\u00a0%`,
    megabytes: (/** @type {string} */ value) => `${value} MB`,
    kilobytes: (/** @type {string} */ value) => `${value} kB`,
    unknown: "–",
  },
  locale: "de-DE",
};
