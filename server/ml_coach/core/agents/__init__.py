"""The four agents: each is a prompt and a parser of its reply, nothing more.

They ask through `asking.ModelClient` and return plain data. They know no editor and no file system.
"""
