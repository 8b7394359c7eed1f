"""Python source as text and as a tree: parsing, the names it binds, repairs that need no model.

Imports nothing else of ours.
"""
