"""The receiver half: bytes from the channel become a video again.

`receiver` decodes (`facewire.codec`), conceals what was lost and asks the networks (`facewire.models`) for pictures;
`play` does so for a `.fw` file. Nothing here knows the sender.
"""
