"""What a user can start: code actions, the commands behind them, their arguments and answers.

table.py is the one list of commands.
"""
