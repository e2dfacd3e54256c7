"""The sender half: a camera or a file becomes a source frame and then packets of head motion.

`media` reads pictures, `face_detector` finds the face, `framing` cuts the square that the networks know, and `sender`
asks the networks (`facewire.models`) for motion and hands it to the codec (`facewire.codec`), whose bytes go to the
channel. In a call `live` does this with threads, by the rules of `scene`, and `sound` sends the voice; both read one
`clock`. Nothing here knows the receiver.
"""
