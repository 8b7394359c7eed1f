"""Runs in the editor: started, shown, their patches offered, their changes undone.

Imports nothing of commands/.
"""
