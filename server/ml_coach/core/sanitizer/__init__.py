"""A model's raw reply in, a program or a test suite out. Pure functions: no model, no process.

text.py mends characters, readings.py finds where code may be, code.py makes each of those parse,
program.py and suite.py tidy a module, choice.py picks among the readings. Imports only core.
"""

from ml_coach.core.sanitizer.choice import Refused, Sanitized, sanitize

__all__ = ["Refused", "Sanitized", "sanitize"]
