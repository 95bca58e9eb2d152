"""What was measured, as HTML, Markdown, CSV and lines for a terminal.

Open `evaluation.py` first: it composes the report of an evaluation from the sections beside it. The
values that pages consist of are in `page/blocks.py`.
"""
