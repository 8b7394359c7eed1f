"""The language server: the only folder that imports pygls and lsprotocol.

It may not import models, execution or run_log; editor_parts.py brings them in as `Backend`. Start
reading at server.py (which request goes where) and runs.py; PROTOCOL.md is what clients rely on.
"""
