"""The receiving half: turns bytes from the channel back into video.

`source` is the face that moves. `decoder` decodes packets (`facewire.codec`) and has the networks (`facewire.models`) draw
pictures; `play` does so for a `.fw` file. `concealment` estimates the motion of any moment, and `receiver` uses it to show every
frame in order over a simulated link. In a call `playout` works by the clock: `jitter` says what is due, `sound` plays the voice
in step, and `sinks` show and play. Nothing here knows the sender.
"""
