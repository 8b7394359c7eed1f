"""What running programs shows: which to choose, which tests may judge it, what is wrong with it.

Pure functions and one `Evaluator` over `core.ports.Executor`; nothing here asks a model.
"""
