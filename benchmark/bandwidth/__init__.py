"""`facewire bench CLIPS`: bytes against quality, ours beside H.264 and its successors.

`codec` is the one interface, `rivals` and `neural` fill it; `clip` reads, `config` says what to run, `referee` judges what was
decoded, `run` does it all clip by clip, `curves` compares rates at equal quality, `report` shows it, `wire` counts real
datagrams, `pairs` asks people.
"""
