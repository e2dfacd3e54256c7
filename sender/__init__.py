"""The sending half: turns a camera or a file into a source frame and then packets of head motion.

`media` reads pictures, `face_detector` finds the face, and `framing` chooses the square that the networks know, which
`face_tracker` keeps on the face. `encoder` asks the networks (`facewire.models`) for motion and packs it with
`facewire.codec`; `source` makes source frames, and `scene_motion` measures what moves besides the head. `record` does all this
for a file. In a call `live` does it on threads of its own, by the rules of `policy`, and `sound` sends the voice; both read the
same `clock`. Nothing here knows the receiver.
"""
