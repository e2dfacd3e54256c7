"""Sender and receiver in one process and the measurements that compare them with a classical codec.

`loopback` runs a clip through both halves with a lossy `channel` between them, `facewire.metrics` scores the pictures, `rivals`
codes the same pictures with x264 at the same bytes, `demo` does all of it on bundled pictures.
"""
