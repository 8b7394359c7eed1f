"""Runs generated code, contained, and judges tests from outside the process that runs them.

It may not import lsp, models or run_log.
"""
