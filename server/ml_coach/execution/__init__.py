"""Runs generated code, contained, and judges tests from outside the process that runs them.

It may not import lsp, models or run_log. The path of a run:

    executor.py             builds a request: files, limits, what to run; for tests also a challenge
                            (a key and canaries) and, by expected_tests.py, what has to run
    workers.py              picks the Python that suits the code (interpreter.py, imports.py)
    warm_worker.py          hands the request to the worker, a process at the best level that works
                            here (levels.py)
    wasm/                   stands in for it, and for all down to program.py, at the level wasm
    inside/zygote.py        the worker: contained itself, pytest imported; forks for each run
    inside/supervisor.py    sets up a run from outside its namespaces; part_run.py beside it ends
                            the run at a limit or at stop
    inside/contained.py     gives up every right, by sandbox/: root, capabilities, files, calls
    inside/program.py       runs the script, the tests (tests.py, reporter.py) or expressions
    worker_answers.py       reads the worker's answer, and record_reader.py the records in it, into
                            typed values (records.py)
    judge.py                gives the verdict on proven records (inside/signing.py)
    findings.py             describes in words how every other run ended

Nothing from inside is believed: what runs there may do anything to its own process. Whatever a
verdict depends on is signed with a key that no Python object there holds, or known before the run.
"""
