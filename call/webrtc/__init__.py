"""Connections of aiortc, adapted: the only code of facewire that uses private names of aiortc and aioice.

`connection` makes two kinds of them: `DataConnection` to the other person, for `peer`, and `LocalConnection` to the browser on
this machine, for `page_media`; `guest` makes those of a gateway to browsers elsewhere. `association` is the SCTP association of the
first. All are subclasses; nothing is patched for the rest of the process. tests/call/test_webrtc.py checks every private
name that is used here and says what breaks without it.
"""

from facewire.call.webrtc.connection import Certificate, DataConnection, LocalConnection
from facewire.call.webrtc.guest import GuestConnection

__all__ = ["Certificate", "DataConnection", "GuestConnection", "LocalConnection"]
