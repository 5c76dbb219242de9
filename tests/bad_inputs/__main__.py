"""Writes docs/bad_inputs.md anew."""

from . import page

page.PAGE.write_text(page.text(), encoding="utf-8")
