"""The six networks of face-vid2vid at a size that laptops can run, in torch for training and as ONNX graphs for use.

| letter | network | where |
|---|---|---|
| L, H, Δ | canonical keypoints, head pose, expression | `sender_networks` |
| F, M, G | appearance volume, motion field, generator | `receiver_networks` |

`config` holds their sizes, `face_points` and `geometry` define the keypoints, `face_codec` joins the networks, `export` writes a
weight bundle, `bundle` reads one and `runtime` runs it on one of the `backends`. `facewire.codec` carries the motion,
`facewire.training` makes the weights. A call needs only `bundle`, `runtime` and a backend, none of which imports torch.
"""
