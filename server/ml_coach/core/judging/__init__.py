"""What running programs shows: which one to choose, which tests may judge it, why it fails.

Pure functions and one `Evaluator` over `core.ports.Executor`; nothing here asks a model.
"""
