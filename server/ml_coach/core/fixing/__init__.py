"""The loop on a project that is there: which test fails for which cause, which function is to
blame, what a model is told of it, and which patch is kept. Knows no disk and no process."""
