"""What a user can start: code actions, the commands behind them, their arguments and answers.

command_table.py is the one list of commands.
"""
