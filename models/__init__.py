"""The six networks of face-vid2vid at a size people can run, their weights and their two lives: torch to train, ONNX to use.

| letter | network | where |
|---|---|---|
| L, H, Δ | canonical keypoints, head pose, expression | `sender_networks` |
| F, M, G | appearance volume, motion field, generator | `receiver_networks` |

`config` sizes them, `face_points` and `geometry` say what a keypoint is, `face_codec` joins them, `export` writes a weight bundle,
`bundle` reads one and `runtime` runs it on ONNX Runtime. Neighbours: `facewire.codec` carries the motion, `facewire.training`
makes the weights. Only `bundle` and `runtime` are needed in a call; they do not import torch.
"""
