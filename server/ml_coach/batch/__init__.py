"""Many prompts: rows in, a line and a folder for each out, on this machine or on a Ray cluster.

What is chosen and shown is the terminal's; only ray_pool.py imports Ray.
"""
