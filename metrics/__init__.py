"""Measuring the quality of synthesised pictures and reporting it, for `facewire.benchmark` and `facewire.training`.

`quality` compares pictures and face landmarks. `teachers` holds frozen networks that judge pictures; `teacher_files` finds their
weight files. `charts` and `page` turn figures into HTML.
"""
