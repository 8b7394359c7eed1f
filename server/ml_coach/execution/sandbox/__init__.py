"""What the kernel offers to contain a process, one mechanism per file, on ctypes and nothing else.

These files run inside the worker, on the user's interpreter: standard library only, Python 3.11.
They may not import anything of ml_coach outside sandbox/.
"""
