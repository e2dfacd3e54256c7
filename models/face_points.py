"""The face-mesh points that the codec uses, by their MediaPipe index (478 points; those from 468 on are the irises).

There are four groups, always in this order: the K = 20 keypoints that drive the motion field M, the 92 detail points of lips,
lids and brows that drive the fine flow, the 10 iris points, and 13 points of nose, temples and jaw. The networks use them
through `models.geometry.FaceModel`; the trainer reads them from the landmark labels.
"""

from __future__ import annotations

MESH_SIZE = 478
"""Points of the whole face mesh."""

KEYPOINTS = (61, 291, 0, 17, 13, 14, 91, 321, 159, 145, 386, 374, 105, 334, 1, 10, 152, 234, 454, 168)
"""K = 20: eight on the lips, four on the lids, two on the brows, six on nose, outline and jaw."""

OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
INNER_LIPS_UPPER = (415, 310, 311, 312, 13, 82, 81, 80, 191)
INNER_LIPS_CORNERS = (78, 308)
UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398)
LOWER_LIDS = (7, 163, 144, 145, 153, 154, 155, 249, 390, 373, 374, 380, 381, 382)
EYE_CORNERS = (33, 133, 263, 362)
BROWS = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
DETAIL_GROUPS = (
    OUTER_LIPS,
    INNER_LIPS_LOWER,
    INNER_LIPS_UPPER,
    INNER_LIPS_CORNERS,
    UPPER_LIDS,
    LOWER_LIDS,
    EYE_CORNERS,
    BROWS,
)
DETAILS = tuple(index for group in DETAIL_GROUPS for index in group)
"""92 points of lips, lids and brows."""

IRISES = tuple(range(468, 478))

OUTLINE = (6, 4, 98, 327, 127, 356, 172, 397, 54, 284, 148, 377, 18)
"""Nose, temples and jaw, which only the sender's trunk locates."""

POINTS = KEYPOINTS + DETAILS + IRISES + OUTLINE
"""All 135 points of the face model, by face-mesh index."""

JAW = (152, 148, 176, 149, 150, 136, 377, 400, 378, 379, 365, 172, 397, 200, 199, 18)
"""Chin and jaw line, which move with the mouth and share its part of the expression code."""

RIGID = (
    10, 338, 297, 332, 284, 109, 67, 103, 54, 251, 21, 389, 162, 356, 127, 454, 234,
    168, 6, 197, 195, 5, 4, 1, 151, 9, 8, 133, 362, 33, 263, 129, 358,
)  # fmt: skip
"""33 points that hardly move with expression. The head pose is the similarity between them and the template."""

HEAT_MAP_POINTS = (*KEYPOINTS, 33, 133, 263, 362, 468, 473, 70, 107, 300, 336, 78, 308, *OUTLINE)
"""The 45 points that the sender's trunk locates by soft-argmax heat maps."""
