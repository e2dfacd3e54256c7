"""`facewire bench CLIP...`: bytes against quality, ours beside H.264 and its successors.

`codec` is the interface that `rivals` and `neural` implement; `clip` reads, `config` says what to run, `referee` judges decoded
pictures, `run` does it all clip by clip, `curves` compares rates at equal quality, `report` shows them, `wire` counts real
datagrams, `pairs` asks people, and `bench` puts it together.
"""
