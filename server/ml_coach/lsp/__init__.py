"""The language server: the only folder that imports pygls and lsprotocol.

server.py says which request goes where, commands/command_table.py lists the commands, PROTOCOL.md
is what clients rely on. Imports go one way: server → session → commands → runs → documents. It
may not import models, execution, disk or run_log; app.py stands behind `backend.Backend`.
"""
