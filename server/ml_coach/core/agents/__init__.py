"""The agents: each is a prompt and a reader of its reply, nothing more.

Each is given the run's `team.Team`, asks through its model client, and returns plain data. They
know no editor and no file system, and import nothing from `judging`.
"""
