"""facewire: a two-party video call whose video is not pixels but motion.

The sender half (`facewire.sender`) turns a camera or a file into framed pictures, the networks (`facewire.models`) turn
pictures into head motion and back, the codec (`facewire.codec`) turns motion into bytes and back, and the receiver half
(`facewire.receiver`) turns bytes into a video again. `facewire.cli` is the command of the same name.
"""

__version__ = "0.1.0"
