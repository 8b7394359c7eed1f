"""The files as the editor holds them: read, changed, and what was changed remembered."""
