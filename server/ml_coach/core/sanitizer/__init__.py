"""A model's raw reply in, a program or a test suite out. Pure functions: no model, no process.

`replies` reads the reply; code.py makes each of its blocks parse, joining.py makes one text of
them, program_text.py and suite.py tidy it, sanitizing.py is the way through. Imports only core.
"""

from ml_coach.core.sanitizer.sanitizing import LONGEST_REPLY, Refused, Sanitized, sanitize

__all__ = ["LONGEST_REPLY", "Refused", "Sanitized", "sanitize"]
