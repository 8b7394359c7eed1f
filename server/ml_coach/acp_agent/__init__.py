"""ML Coach as an agent of the Agent Client Protocol, in an editor's own agent panel: prompts become
runs, stages a plan, edits diffs to be permitted. It imports no other face."""
