"""What runs inside the sandbox: the warm worker, one supervisor per run, and the run itself.

It runs on the user's interpreter, so it uses the standard library of Python 3.11, sandbox/ and
pytest, and nothing else of ml_coach. Nothing here decides whether tests passed: ../judge.py does,
outside.
"""
