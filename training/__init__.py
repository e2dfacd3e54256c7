"""Making the weights: from labelled clips to a weight bundle and a scoreboard. Needs the `train` extra (torch).

`motion_space` turns landmark labels into template, poses and expression codes; `data`, `batches` and `augment` feed frames;
`sender_stage`, `receiver_stage` and `joint_stage` hold the losses of the curriculum; `loop` runs any stage; `evaluate` judges a
bundle. Nothing but the command line imports this folder.
"""
