"""The receiving end in a browser: JavaScript that decodes and draws by itself, and the server of a page that plays `.fw` files.

`codec/` is the decoder of `facewire.codec`, `networks/` runs the receiver's networks in onnxruntime-web, `player/` is the page. The
modules in Python serve them: `files` says what there is, `server` is the server of that page.
"""
