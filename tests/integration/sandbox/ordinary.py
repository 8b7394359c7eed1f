"""What ordinary programs and suites do: all of it has to work inside, as data."""

from __future__ import annotations

PROGRAMS = {
    "subprocess_of_python": "import subprocess, sys\nassert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'",
    "terminate_child": "import subprocess\np = subprocess.Popen(['sleep', '9'])\np.terminate()\nassert p.wait(3) == -15",
    "threads": "import threading, time\nt = [threading.Thread(target=time.sleep, args=(.2,)) for _ in range(40)]\n[x.start() for x in t]\n[x.join() for x in t]",
    "asyncio": "import asyncio\nasync def main():\n    p = await asyncio.create_subprocess_exec('echo', 'x', stdout=-1)\n    assert (await p.communicate())[0] == b'x\\n'\n    await asyncio.gather(*[asyncio.sleep(.01) for _ in range(50)])\nasyncio.run(main())",
    "pool_by_fork": "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]",
    "process_by_spawn": "import multiprocessing as mp\nif __name__ == '__main__':\n    c = mp.get_context('spawn')\n    p = c.Process(target=print, args=('hi',))\n    p.start(); p.join(9)\n    assert p.exitcode == 0",
    "manager": "import multiprocessing as mp\nif __name__ == '__main__':\n    with mp.Manager() as m:\n        d = m.dict(); d[1] = 2\n        assert d[1] == 2",
    "process_executor": "from concurrent.futures import ProcessPoolExecutor as E\nif __name__ == '__main__':\n    with E(2) as e: assert list(e.map(abs, [-1])) == [1]",
    "shared_memory": "from multiprocessing import shared_memory as s\nm = s.SharedMemory(create=True, size=1000)\nm.buf[0] = 1\nm.close(); m.unlink()",
    "temporary_files": "import tempfile, os\nwith tempfile.TemporaryDirectory() as d: open(d + '/x', 'w').write('1')\ntempfile.NamedTemporaryFile().write(b'x')\nopen('/tmp/by_name', 'w').write('x')",
    "copies_and_links": "import os, shutil\nopen('a', 'w').write('1')\nos.makedirs('d')\nshutil.copy2('a', 'd/b'); shutil.move('d/b', 'c'); os.link('a', 'l'); os.symlink('a', 's'); os.chmod('a', 0o600); shutil.rmtree('d')",
    "sqlite": "import sqlite3\nc = sqlite3.connect('x.db')\nc.execute('create table t(a)'); c.execute('insert into t values(1)'); c.commit()\nassert list(c.execute('select a from t')) == [(1,)]\nc.close()",
    "loopback": "import http.server, threading, urllib.request\ns = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\nthreading.Thread(target=s.serve_forever, daemon=True).start()\nassert urllib.request.urlopen(f'http://localhost:{s.server_port}/', timeout=3).status == 200",
    "unix_sockets": "import socket\na, b = socket.socketpair()\na.send(b'x')\nassert b.recv(1) == b'x'\ns = socket.socket(socket.AF_UNIX); s.bind('own'); s.listen()\nc = socket.socket(socket.AF_UNIX); c.connect('own')",
    "terminal": "import os, pty\nm, s = pty.openpty()\nos.write(m, b'x\\n')\nassert os.read(s, 2) == b'x\\n'",
    "memory": "import mmap\nb = bytearray(200 << 20)\nb[::4096] = b'x' * len(b[::4096])\nmmap.mmap(-1, 1 << 20)[0] = 1",
    "recursion": "import sys\nsys.setrecursionlimit(20000)\ndef f(n): return n and 1 + f(n - 1)\nassert f(15000) == 15000",
    "locale_and_zone": "import locale, ssl, time, zoneinfo\nssl.create_default_context()\nlocale.setlocale(locale.LC_ALL, '')\ntime.tzset()",
    "who_am_i": "import getpass, os, pathlib, pwd\nassert getpass.getuser() and pwd.getpwuid(os.getuid())\npathlib.Path.home()\nos.cpu_count(); os.sched_getaffinity(0)",
    "alarm": "import signal, time\nclass T(Exception): pass\ndef h(*a): raise T\nsignal.signal(signal.SIGALRM, h)\nsignal.setitimer(signal.ITIMER_REAL, .05)\ntry:\n    time.sleep(2)\n    raise SystemExit(1)\nexcept T: pass",
    "unicode": "print('héllo ☃ \\udcff'.encode('utf-8', 'replace').decode())\nopen('ü.txt', 'w').write('☃')",
    "devices": "open('/dev/null', 'w').write('x')\nassert open('/dev/urandom', 'rb').read(8)\nopen('/dev/stdout', 'w').write('x')",
    "main_guard": "def main(): return 1\nif __name__ == '__main__': assert main() == 1\nelse: raise SystemExit(3)",
    "own_module": "import beside\nassert beside.VALUE == 7",
    "data_file": "assert open('table.csv').read().startswith('a,b')",
    "dataclass_pickle": "import pickle\nfrom dataclasses import dataclass\n@dataclass\nclass P: x: int\nassert pickle.loads(pickle.dumps(P(1))) == P(1)",
    "inspects_itself": "import inspect, sys, gc\ndef f(): return inspect.currentframe().f_code.co_name\nassert f() == 'f' and 'def f' in inspect.getsource(f)\ngc.collect()",
    "exits_with_zero": "import sys\nprint('COMPLETE', flush=True)\nsys.exit(0)",
    "thread_failure_is_printed": "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
    "exit_functions_run": "import atexit\natexit.register(print, 'bye')",
}  # fmt: skip

# The package, and a program; left out where the package is not installed.
WITH_PACKAGES = {
    "numpy": "import numpy as np\nassert (np.ones((200, 200)) @ np.ones((200, 200)))[0, 0] == 200",
    "pandas": "import pandas as pd\nassert pd.DataFrame({'a': [1, 2]}).a.sum() == 3",
    "matplotlib": "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.savefig('x.png')",
}

PROGRAM = "def add(a, b):\n    return a + b\n"

SUITES = {
    "plain": "from program import add\ndef test_add():\n    assert add(1, 2) == 3\n",
    "fixtures": "import pytest\n@pytest.fixture\ndef folder(tmp_path):\n    (tmp_path / 'f').write_text('1')\n    yield tmp_path\n@pytest.fixture(autouse=True, scope='module')\ndef once(): yield\ndef test_a(folder, capsys, monkeypatch):\n    print('hi')\n    assert capsys.readouterr().out == 'hi\\n'\n    monkeypatch.setattr('builtins.input', lambda p='': '3')\n    monkeypatch.setenv('X', '1')\n    assert input() == '3' and (folder / 'f').read_text() == '1'\n",
    "parameters": "import pytest\nfrom program import add\n@pytest.mark.parametrize(('a', 'b', 'c'), [(1, 2, 3), (2, 2, 4)], ids=['x y', 'é'])\n@pytest.mark.parametrize('k', [1, 2])\ndef test_add(a, b, c, k):\n    assert add(a, b) == c\n",
    "classes": "import pytest\nfrom program import add\nclass TestAdd:\n    @classmethod\n    def setup_class(cls): cls.one = 1\n    def test_one(self): assert add(self.one, 1) == 2\n    class TestInner:\n        @staticmethod\n        def test_two(): assert add(1, 1) == 2\n    def test_raises(self):\n        with pytest.raises(TypeError, match='unsupported'): add(1, None)\n",
    "unittest": "import unittest\nfrom program import add\nclass T(unittest.TestCase):\n    def setUp(self): self.x = 1\n    def test_a(self):\n        self.assertEqual(add(self.x, 1), 2)\n        with self.subTest('inner'): self.assertTrue(True)\n",
    "decorated": "import functools\nfrom unittest.mock import patch\nfrom program import add\ndef twice(f):\n    @functools.wraps(f)\n    def run(*a, **k): f(*a, **k); return f(*a, **k)\n    return run\n@twice\ndef test_a(): assert add(1, 1) == 2\n@patch('program.add', return_value=9)\ndef test_b(fake):\n    import program\n    assert program.add(1, 1) == 9\n",
    "async_by_hand": "import asyncio\ndef test_a():\n    async def f(): return 1\n    assert asyncio.run(f()) == 1\n",
    "output_and_logs": "import logging, warnings\ndef test_a(capfd, caplog, recwarn):\n    print('x'); logging.getLogger().warning('careful'); warnings.warn('w')\n    assert capfd.readouterr().out == 'x\\n' and 'careful' in caplog.text and len(recwarn) == 1\n",
    "approx_and_equality": "import pytest\nfrom dataclasses import dataclass\n@dataclass\nclass P: x: float\nclass Q:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return isinstance(o, Q) and self.x == o.x\n    def __hash__(self): return 1\ndef test_a():\n    assert 0.1 + 0.2 == pytest.approx(0.3) and P(1) == P(1) and Q(1) == Q(1) and Q(1) != Q(2)\n",
    "exits_are_caught": "import sys, pytest\ndef test_a():\n    with pytest.raises(SystemExit): sys.exit(2)\n",
    "frames_and_collector": "import gc, inspect, traceback\ndef test_a():\n    gc.collect()\n    assert inspect.currentframe().f_code.co_name == 'test_a'\n    assert inspect.stack()[0].function == 'test_a'\n    try: 1 / 0\n    except ZeroDivisionError as e: assert traceback.format_exception(e)\n",
    "threads_and_children": "import multiprocessing as mp, subprocess, sys, threading\ndef test_a():\n    t = threading.Thread(target=print); t.start(); t.join()\n    with mp.get_context('fork').Pool(2) as p: assert p.map(abs, [-1]) == [1]\n    assert subprocess.run([sys.executable, '-c', '']).returncode == 0\n",
    "conditional": "import sys\nif sys.version_info >= (3, 8):\n    def test_a(): assert True\ntry:\n    import nothing_like_it\nexcept ImportError: nothing = None\n",
    "recursion_error": "import pytest\ndef f(): return f()\ndef test_a():\n    with pytest.raises(RecursionError): f()\n",
    "doctest_by_hand": "import doctest, program\ndef test_a(): assert doctest.testmod(program).failed == 0\n",
    'unittest_async': 'import unittest\nfrom program import add\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def asyncSetUp(self): self.x=1\n    async def test_a(self): self.assertEqual(add(self.x,2),3)\n    def test_s(self): self.assertEqual(add(1,2),3)\n',
    'unittest_patched_class': "import unittest\nfrom unittest.mock import patch\nimport program\n@patch('program.add', return_value=9)\nclass T(unittest.TestCase):\n    def test_a(self, m): self.assertEqual(program.add(1,2),9)\n",
    'binds_a_global_anew': 'n=0\ndef test_a():\n    global n\n    n+=1\n    assert n==1\ndef test_b(): assert n==1\n',
    'patches_itself': "import sys\nimport program\nX=1\ndef test_a(monkeypatch):\n    monkeypatch.setattr(sys.modules[__name__],'X',2)\n    assert X==2\ndef test_time(monkeypatch):\n    import time\n    monkeypatch.setattr(time,'sleep',lambda s: None)\n    time.sleep(100)\n",
    'patches_the_library': "from unittest.mock import patch\nimport json, builtins, io\ndef test_a():\n    with patch('json.loads', return_value=3): assert json.loads('x')==3\n    with patch('builtins.open', return_value=io.StringIO('x')): assert open('y').read()=='x'\n    with patch('builtins.input', side_effect=['1']): assert input()=='1'\n",
    'decorated_to_run_in_a_thread': 'import functools, threading\ndef in_thread(f):\n    @functools.wraps(f)\n    def run(*a,**k):\n        box=[]\n        t=threading.Thread(target=lambda: box.append(f(*a,**k))); t.start(); t.join()\n        assert box\n    return run\n@in_thread\ndef test_a(): assert 1\n',
}  # fmt: skip

FOLDERS = {
    "conftest_with_fixtures": {
        "conftest.py": "import pytest\n@pytest.fixture\ndef number(): return 4\n",
        "test_x.py": "def test_a(number): assert number == 4\n",
    },
    "two_files_and_a_package": {
        "code/__init__.py": "",
        "code/maths.py": PROGRAM,
        "tests/test_a.py": "def test_a(): assert True\n",
        "test_b.py": "import math\ndef test_b(): assert math.floor(1.5) == 1\n",
    },
    "data_beside": {
        "data/words.txt": "hello",
        "test_x.py": "import pathlib\ndef test_a(): assert (pathlib.Path(__file__).parent / 'data/words.txt').read_text() == 'hello'\n",
    },
    'own_clock': {'program.py': 'import datetime\ndef f(): return datetime.datetime.now()\n', 'test_x.py': "import datetime, program\nclass D(datetime.datetime):\n    @classmethod\n    def now(cls, tz=None): return cls(2020,1,1)\ndef test_a(monkeypatch):\n    monkeypatch.setattr(program.datetime,'datetime',D)\n    assert program.f().year==2020\n"},
    'program_shows_its_stack': {'program.py': "import warnings, logging, traceback\ndef f():\n    warnings.warn('old', stacklevel=2)\n    logging.warning('x', stack_info=True)\n    try: 1/0\n    except ZeroDivisionError: traceback.print_exc()\n    return 1\n", 'test_x.py': 'from program import f\ndef test_a(): assert f()==1\n'},
    'equality_of_its_own': {'program.py': 'class P:\n    x=0\n    def __init__(self,x): self.x=x\n    def __eq__(self,o): return self.x==(o.x if isinstance(o,P) else o)\n    def __hash__(self): return 1\n', 'test_x.py': 'from program import P\ndef test_a():\n    assert P(1)==P(1) and P(1)!=P(2) and P(3)==3 and P(3)!=4\n'},
}  # fmt: skip


def all_suites() -> dict[str, dict[str, str]]:
    """Files of each suite by its name; all have to pass."""
    suites = {n: {"program.py": PROGRAM, "test_x.py": source} for n, source in SUITES.items()}
    return {**suites, **FOLDERS}
