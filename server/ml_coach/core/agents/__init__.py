"""The agents: each is a prompt and a reader of its reply, nothing more.

They ask through `model_client.ModelClient` and return plain data. They know no editor and no file
system, and import nothing from `judging`. `team.py` holds what the four share in one run.
"""
