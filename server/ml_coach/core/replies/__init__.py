"""A model's reply as text: what of it is code. Imports only `core.python`."""
