"""The language server: the only folder that imports pygls and lsprotocol.

It may not import models, execution or run_log; app.py passes those parts in.
"""
