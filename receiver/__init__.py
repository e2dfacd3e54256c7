"""The receiver half: bytes from the channel become a video again.

`source` is the face that moves, `concealment` the motion of any moment. `receiver` decodes (`facewire.codec`) and asks the
networks (`facewire.models`) for a picture of every frame; `play` does so for a `.fw` file. In a call `playout` does it by
time: `jitter` says what is due, `sound` plays the voice in step, and `sinks` show and play. Nothing here knows the
sender.
"""
