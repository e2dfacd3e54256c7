"""Sender and receiver in one process, and measurements that compare them with other codecs.

`loopback` runs a clip through both halves with a lossy `channel` between them, `facewire.metrics` scores the pictures, `rivals`
codes the same pictures with x264 at the same bytes, `demo` does all of it on bundled pictures, `speed` times every stage, and
`bandwidth` compares bytes and quality with other codecs.
"""
