"""ML Coach as a server of the Model Context Protocol, so that any agent can call it: tools, typed
results, resources. It has no logic that the terminal would lack, and imports no other face."""
