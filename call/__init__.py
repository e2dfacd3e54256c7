"""A call of two people over one WebRTC connection: sender and receiver on each side, held together by a session.

Read in this order: `messages` and `pieces` (what goes over the channels), `traffic` and `webrtc` (what that costs
on the wire), `peer` (one connection), `link` and `rate` (how the path is, and what to send over it), `outgoing` (media
into messages), `session` (the call and its recovery), `stats` (its numbers), `command` (`facewire call`, `send` and
`receive`). Signalling comes from `facewire.signaling`, pictures and sound from `facewire.sender` and `facewire.receiver`.
"""
