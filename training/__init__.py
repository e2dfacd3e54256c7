"""Making the weights: labelled clips in, a weight bundle and a scoreboard out. Needs the `train` extra (torch).

`motion_space` turns landmark labels into template, poses and expression codes; `data` and `augment` feed frames; `sender_stage`
and `receiver_stage` hold the losses of the curriculum; `loop` runs any stage; `evaluate` judges a bundle; `cli` is the command.
Nothing outside imports this folder.
"""
