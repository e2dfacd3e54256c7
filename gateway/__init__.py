"""Calls with people who have nothing but a browser: `facewire gateway`, a server that speaks ordinary WebRTC with its guests and
facewire with everybody else, and `facewire invite`, which lets them in.

`server` is the whole of it: the signaling server of `facewire.signaling`, with the call page of `facewire.call` for guests beside
it. Each guest is one `PageCall` (`guests`), as a program with a page is; only networks and the place in the room are the server's.
"""
