"""ML Coach: a prompt becomes a tested Python program. Start reading at core/coach.py."""

__version__ = "0.1.0"
