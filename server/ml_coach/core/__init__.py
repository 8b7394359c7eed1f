"""The loop and what it decides with. Plain data and pure functions.

It may not import an editor, a network, a process or a model's SDK; those come in through ports.py.
"""
