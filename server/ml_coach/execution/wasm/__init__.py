"""The level `wasm`: programs run as WebAssembly, in CPython as Pyodide builds it, under Deno.

It needs nothing of the kernel, so it is for Windows and macOS; on Linux it can be forced. What is
needed comes from package registries only (the extra `ml-coach[wasm]`, and runtime.py).

    wasm_worker.py   hands each program to a process and answers as warm_worker.py does
    deno_process.py  one process of Deno: its command line, its frames, its memory, its end
    runtime.py       Pyodide: fetched, compared with its sums, and laid out in one folder
    job_object.py    ends the processes with ours, on Windows
    host.mjs         runs in Deno: makes the snapshot, and hands programs to isolates
    program.mjs      one isolate per program, which has no permission at all
    entry.py         runs in the isolate: calls the same code of inside/ as every other level

Where the wall is: an isolate gets no permission of Deno's, JavaScript can make no code from texts,
and all files are in the isolate's own memory. What a program prints and records comes out as
messages, which the host counts and hands on; record_reader.py reads them as it reads all others.
"""
