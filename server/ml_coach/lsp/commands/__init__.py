"""What a user can start: code actions, the commands behind them, and their arguments."""
