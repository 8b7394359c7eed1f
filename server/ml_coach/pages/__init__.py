"""Pages for people: one self-contained HTML file of a run, of a batch or of a bench.

Prompts, programs and replies are foreign text: each is escaped, and a page asks no machine for
anything. Imports the core alone.
"""
