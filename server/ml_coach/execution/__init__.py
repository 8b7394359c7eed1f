"""Runs generated code, contained, and judges tests from outside the process that runs them.

It may not import lsp, models or run_log. The path of a run:

    executor.py        builds a request: files, limits, what to run; for tests also an oath (a key
                       and canaries) and, by expected_tests.py, what has to run
    workers.py         picks the Python that suits the code (interpreter.py, imports.py)
    warm_worker.py     hands the request to the worker, a process at the best level that works
                       here (levels.py)
    inside/zygote.py   the worker: contained itself, pytest imported; forks for each run
    inside/supervisor  watches the run from outside its namespaces; ends it at a limit or at stop
    inside/contained   closes every door with sandbox/: root, capabilities, Landlock, seccomp
    inside/program.py  runs the script, the tests (tests.py, reporter.py) or expressions
    judge.py           reads the proven records (inside/signing.py) and gives the verdict;
    findings.py        says in words what else came of it

Inside is not believed: what runs there may do anything to its own process. Whatever reaches the
verdict is signed by a key that no Python object there holds, or is known here before the run.
"""
