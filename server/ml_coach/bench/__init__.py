"""`ml-coach bench`: how many tasks a strategy solves, with what calls, tokens and seconds.

Hidden tests are read here and in grading.py only: no prompt and no loop ever sees them.
"""
