"""What the tests of a project notice: mistakes made on purpose in the module under test, and which
test fails for which. Knows no disk and no process; `audit.py` has the entry."""
