"""The files as the editor holds them: read, changed, and every change logged.

Imports nothing of runs/ and commands/.
"""
