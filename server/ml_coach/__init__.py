"""ML Coach: a prompt becomes a tested Python program. Start reading at core/coach.py."""
