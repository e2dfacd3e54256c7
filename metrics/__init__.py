"""How good synthesised pictures are, and how to show it: figures, frozen networks that judge, charts and pages.

`quality` compares pictures and face landmarks, `teachers` holds the frozen networks (their weight files are found by
`teacher_files`), `charts` and `page` turn figures into HTML. Used by `facewire.benchmark` and `facewire.training`.
"""
