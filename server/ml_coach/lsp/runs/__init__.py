"""Runs in the editor: started, shown, reviewed, taken back."""
