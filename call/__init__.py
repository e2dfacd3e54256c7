"""A call between two people over one WebRTC connection.

Read in this order: `messages` and `pieces` (what goes over the channels), `traffic` and `webrtc` (what that costs on the
wire), `peer` (one connection), `link` (how good the path is), `inbox` and `connections` (what comes in, over which connection),
`outgoing` (media into messages), `ends` (camera, microphone, playout), `conversation` (what both sides say to each other),
`rate` and `rate_loop` (how much to send), `session` (the call and its end), `stats` (its figures), `headless` and `command`
(`facewire call`, `send` and `receive`). Signaling comes from `facewire.signaling`, pictures and sound from `facewire.sender`
and `facewire.receiver`.
"""
