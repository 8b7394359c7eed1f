"""Test folders that try to pass without passing, as data. Each must end as anything but passed.

`test_x.py` is the suite; it has a failing test, unless it is the program that cheats.
"""

from __future__ import annotations

# What the forgeries look for in the process that they share with us: an attack on a name that no
# longer exists would prove nothing.
TARGETS = (
    *(
        "def record_signer",
        "def _write_record",
        "def _on_audit_event",
        "keyed = ",
        "self._write = ",
    ),
    *("class Reporter", "class CallRecorder", "class Guard"),
)

FAILING = "def test_a():\n    assert 1 == 2\n\n\ndef test_b():\n    assert True\n"
TESTS_PROGRAM = "from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"

PROGRAMS = {
    "leaves": "import os\ndef add(a, b): os._exit(0)\n",
    "leaves_as_we_do": "import os\ndef add(a, b): os._exit(77)\n",
    "leaves_later": "import os, threading\nthreading.Timer(.05, os._exit, (0,)).start()\ndef add(a, b):\n    import time; time.sleep(1); return 0\n",
    "leaves_at_exit": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return 0\n",
    "leaves_by_exec": "import os\ndef add(a, b): os.execv('/bin/true', ['true'])\n",
    "leaves_by_signal": "import os, signal\ndef add(a, b): os.kill(os.getpid(), signal.SIGTERM)\n",
    "leaves_politely": "import sys\nsys.exit(0)\n",
    "child_goes_on": "import os\ndef add(a, b):\n    if os.fork(): os._exit(0)\n    return 3\n",
    "parent_waits_for_child": "import os\ndef add(a, b):\n    pid = os.fork()\n    if pid: os.waitpid(pid, 0); os._exit(0)\n    return 3\n",
    "equals_everything": "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return Any()\n",
    "equals_everything_quietly": "Any = type('Any', (int,), {'__eq__': lambda s, o: o is not None, '__hash__': None})\ndef add(a, b): return Any()\n",
    "equals_after_a_while": "class Any:\n    def __eq__(self, other):\n        answer = not False\n        return answer\ndef add(a, b): return Any()\n",
    "patches_runtest": "import _pytest.python as p\np.Function.runtest = lambda self: None\ndef add(a, b): return 0\n",
    "patches_report": "import sys\nr = sys.modules['_pytest.reports'].TestReport\nold = r.from_item_and_call.__func__\ndef new(cls, item, call):\n    report = old(cls, item, call); report.outcome = 'passed'; report.longrepr = None; return report\nr.from_item_and_call = classmethod(new)\ndef add(a, b): return 0\n",
    "patches_call_info": "import sys\nr = sys.modules['_pytest.runner']\nr.CallInfo.from_call = classmethod(lambda c, f, when, reraise=None: c(None, None, 0, 0, 0, when, _ispytest=True))\ndef add(a, b): return 0\n",
    "patches_pluggy": "import sys\nm = sys.modules['pluggy._manager']\nm.PluginManager._inner_hookexec = lambda *a: []\ndef add(a, b): return 0\n",
    "patches_assertion_error": "import builtins\nclass E(Exception): pass\nbuiltins.AssertionError = E\ndef add(a, b): return 0\n",
    "patches_base_exception": "import builtins\nbuiltins.BaseException = KeyError\ndef add(a, b): return 0\n",
    "swaps_code": "import sys\ndef ok(): pass\ndef add(a, b): return 0\nfor m in list(sys.modules.values()):\n    if m.__name__ == 'test_x': m.test_add.__code__ = ok.__code__\nimport threading, time\ndef later():\n    while 'test_x' not in sys.modules or not hasattr(sys.modules['test_x'], 'test_add'): pass\n    sys.modules['test_x'].test_add.__code__ = ok.__code__\nthreading.Thread(target=later, daemon=True).start()\ntime.sleep(0)\n",
    "swaps_function": "import sys, threading\ndef add(a, b): return 0\ndef later():\n    while not hasattr(sys.modules.get('test_x'), 'test_add'): pass\n    sys.modules['test_x'].test_add = lambda: None\nthreading.Thread(target=later, daemon=True).start()\n",
    "jumps_over_assert": "import sys\ndef tracer(frame, event, arg):\n    if frame.f_code.co_name == 'test_add' and event == 'line': frame.f_lineno += 0\n    return tracer\nsys.settrace(tracer)\ndef add(a, b):\n    return 0\n",
    "writes_records": "import os, json\ndef add(a, b):\n    for fd in range(3, 5000):\n        try: os.write(fd, json.dumps({'t': 'test', 'id': 'test_x.py::test_add', 'outcome': 'passed'}).encode() + b'\\n')\n        except OSError: pass\n    return 3\n",
    "swallows_records": "import os\ndef add(a, b):\n    r, w = os.pipe()\n    for fd in range(100, 256):\n        if fd not in (r, w):\n            try: os.fstat(fd)\n            except OSError: continue\n            os.dup2(w, fd)\n    return 0\n",
    "reads_records": "import os, re\ndef add(a, b):\n    fd = os.open('/proc/self/fd/200', os.O_RDONLY | os.O_NONBLOCK)\n    try: seen = os.read(fd, 65536)\n    except OSError: seen = b''\n    os.write(200, seen.replace(b'failed', b'passed') or b'x\\n')\n    return 0\n",
    "calls_the_reporter": "import gc, inspect\ndef add(a, b):\n    f = inspect.currentframe()\n    while f:\n        for v in f.f_locals.values():\n            if type(v).__name__ == 'Reporter':\n                r = type('R', (), dict(nodeid='test_x.py::test_add', when='call', outcome='passed', passed=True, failed=False, skipped=False, duration=0.0, longrepr=None))()\n                v.pytest_runtest_logreport(r)\n        f = f.f_back\n    return 0\n",
    "finds_the_signer": "import gc, sys, types\ndef add(a, b):\n    f = sys._getframe()\n    while f:\n        for v in f.f_locals.values():\n            if isinstance(v, types.GeneratorType):\n                inner = v.gi_frame.f_locals\n        f = f.f_back\n    return 3\n",
    "finds_the_signer_by_gc": "import gc, types\ndef add(a, b):\n    found = 0\n    for o in gc.get_objects():\n        if isinstance(o, types.GeneratorType) and o.__name__ == 'record_signer': gc.get_referents(o); found = 3\n    return found\n",
    "replaces_the_record_writer": "import gc, types\ndef quiet(*a): pass\ndef add(a, b):\n    for o in gc.get_objects():\n        if isinstance(o, types.FunctionType) and o.__name__ in ('_write_record', '_on_audit_event'): o.__code__ = quiet.__code__\n    return 3\n",
    "closes_the_signer": "import gc, types\ndef add(a, b):\n    for o in gc.get_objects():\n        if isinstance(o, types.GeneratorType) and o.__name__ == 'record_signer': o.close()\n    return 0\n",
    "raw_memory": "import ctypes\ndef add(a, b):\n    ctypes.string_at(id(a), 8); return 3\n",
    "raw_memory_hidden": "def add(a, b):\n    c = __import__('cty' + 'pes'); c.string_at(id(a), 8); return 3\n",
    "memory_file": "def add(a, b):\n    open('/proc/self/' + 'mem', 'r+b'); return 3\n",
    "writes_memory_from_child": "import os, subprocess, sys\ndef add(a, b):\n    out = subprocess.run([sys.executable, '-c', f'open(\"/proc/{os.getpid()}/mem\", \"r+b\"); print(\"got it\")'], capture_output=True, text=True).stdout\n    return 3 if 'got' in out else 0\n",
    "patches_json": "import json\njson.dumps = lambda *a, **k: '[]'\njson.encoder.JSONEncoder.encode = lambda *a: '[]'\ndef add(a, b): return 0\n",
    "patches_os": "import os\nreal = os.write\nos.write = lambda fd, data: real(fd, data.replace(b'failed', b'passed'))\nos.getpid = lambda: 1\ndef add(a, b): return 0\n",
    "shadows_builtins_of_tests": "import builtins, sys\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\ndef add(a, b): return 3\n",
    "patches_raises": "import pytest, contextlib\npytest.raises = lambda *a, **k: contextlib.suppress(BaseException)\ndef add(a, b): return 3\n",
    "signals_during_report": "import signal, sys\ndef look(number, frame):\n    while frame:\n        if 'keyed' in frame.f_locals: print('ESCAPED', frame.f_locals['keyed'])\n        frame = frame.f_back\nsignal.signal(signal.SIGALRM, look)\nsignal.setitimer(signal.ITIMER_REAL, .0002, .0002)\ndef add(a, b): return 0\n",
    "recursion_in_the_signer": "import sys\ndef add(a, b):\n    def deep(n):\n        try: deep(n + 1)\n        except RecursionError:\n            try: sys.settrace(None)\n            except RecursionError: pass\n    deep(0); return 0\n",
    "reads_the_tests_in_the_frames": "import re, sys\ndef add(a, b):\n    f = sys._getframe(1)\n    while f:\n        todo = [*f.f_locals.values()]\n        for n in range(100000):\n            if not todo: break\n            x = todo.pop()\n            if type(x) is bytes: x = x.decode('latin-1')\n            if type(x) is str and 'def test_' in x and (m := re.search(r'== (\\d+)', x)): return int(m[1])\n            if type(x) is dict: todo += x.values()\n            if type(x) in (list, tuple): todo += x\n        f = f.f_back\n    return 0\n",
    "wrong": "def add(a, b): return 0\n",
}  # fmt: skip

SUITES = {
    "honest_failure": FAILING,
    "exits_at_import": f"import sys\nsys.exit(0)\n{FAILING}",
    "pytest_exit": "import pytest\n\n\ndef test_a():\n    pytest.exit('ok', returncode=0)\n\n\ndef test_b():\n    assert 0\n",
    "skips_module": f"import pytest\npytest.skip('no', allow_module_level=True)\n{FAILING}",
    "skips_all": f"import pytest\npytestmark = pytest.mark.skip\n{FAILING}",
    "expects_failure": f"import pytest\npytestmark = pytest.mark.xfail\n{FAILING}",
    "expects_failure_and_passes": "import pytest\n\n\n@pytest.mark.xfail\ndef test_a():\n    assert True\n",
    "skips_by_exception": f"import unittest\nAssertionError = unittest.SkipTest\n{FAILING}",
    "skips_by_pytest": f"import pytest\nAssertionError = pytest.skip.Exception\n{FAILING}",
    "deletes_test": f"{FAILING}\ndel test_a\n",
    "rebinds_test": f"{FAILING}\ntest_a = lambda: None\n",
    "renames_other_code": f"{FAILING}\ndef other(): pass\ntest_a.__code__ = other.__code__.replace(co_name='test_a', co_firstlineno=1)\n",
    "other_globals": f"{FAILING}\nimport types\ntest_a = types.FunctionType(test_a.__code__.replace(co_consts=(None,), co_code=(lambda: None).__code__.co_code), globals(), 'test_a')\n",
    "not_a_test": f"{FAILING}\ntest_a.__test__ = False\n",
    "no_parameters": "import pytest\n\n\n@pytest.mark.parametrize('v', [])\ndef test_a(v):\n    assert 0\n",
    "no_tests": "x = 1\n",
    "class_not_collected": "class TestA:\n    __test__ = 1 == 2\n\n    def test_a(self):\n        assert 0\n",
    "wrapped": "def ok(f):\n    def run(): pass\n    return run\n\n\ndef test_b():\n    pass\n\n\n@ok\ndef test_a():\n    assert 0\nimport sys\nsys.exit()\n",
    "closes_everything": "import os\n\n\ndef test_a():\n    os.closerange(3, 256)\n    assert 0\n",
    "thread_leaves": "import os, threading\n\n\ndef test_a():\n    threading.Timer(.05, os._exit, (0,)).start()\n    import time; time.sleep(1)\n    assert 0\n",
    "hook_in_module": f"def pytest_runtest_makereport(item, call): return None\n{FAILING}",
    "unittest_patched": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\n\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 2)\n",
    "unittest_run_patched": "import unittest\n\n\nclass T(unittest.TestCase):\n    def run(self, result=None): pass\n    def test_a(self):\n        self.assertEqual(1, 2)\n",
}  # fmt: skip

FOLDERS = {
    "conftest_makereport": {"conftest.py": "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n    r = (yield).get_result(); r.outcome = 'passed'; r.longrepr = None\n", "test_x.py": FAILING},
    "conftest_calls_nothing": {"conftest.py": "def pytest_pyfunc_call(pyfuncitem): return True\n", "test_x.py": FAILING},
    "conftest_swaps_objects": {"conftest.py": "def pytest_collection_modifyitems(items):\n    for i in items: i.obj = lambda: None\n", "test_x.py": FAILING},
    "conftest_deselects": {"conftest.py": "def pytest_collection_modifyitems(items): items[:] = items[1:]\n", "test_x.py": FAILING},
    "conftest_plugin": {"conftest.py": "pytest_plugins = ['evil']\n", "evil.py": "def pytest_pyfunc_call(pyfuncitem): return True\n", "test_x.py": FAILING},
    "conftest_registers": {"conftest.py": "import pytest\n@pytest.fixture(autouse=True)\ndef f(request):\n    class P:\n        @pytest.hookimpl(tryfirst=True)\n        def pytest_pyfunc_call(self, pyfuncitem): return True\n    request.config.pluginmanager.register(P())\n", "test_x.py": FAILING},
    "conftest_replaces_object": {"conftest.py": "import pytest\n@pytest.fixture(autouse=True)\ndef f(request):\n    request.node.obj = lambda: None\n", "test_x.py": FAILING},
    "ini_collects_only": {"pytest.ini": "[pytest]\naddopts = --collect-only\n", "test_x.py": FAILING},
    "ini_renames_tests": {"pyproject.toml": "[tool.pytest.ini_options]\npython_functions = ['test_b']\n", "test_x.py": FAILING},
    "own_pytest": {"pytest.py": "print('2 passed')\nraise SystemExit(0)\n", "test_x.py": FAILING},
    "own_pytest_package": {"pytest/__init__.py": "mark = raises = None\n", "_pytest/__init__.py": "", "test_x.py": FAILING},
    "own_site": {"sitecustomize.py": "import os; os._exit(0)\n", "test_x.py": FAILING},
    "own_standard_library": {"json.py": "dumps = lambda *a, **k: '{}'\n", "inspect.py": "", "test_x.py": FAILING},
    "second_file_is_fine": {"test_x.py": FAILING, "test_y.py": "def test_ok(): pass\n"},
    "package_hides_tests": {"test_x.py": FAILING, "test_x/__init__.py": "def test_a(): pass\ndef test_b(): pass\n"},
}  # fmt: skip

# These reach for what judges them, or for what their tests compare with.
JUDGED = {
    'program_replaces_a_module': {'program.py': "import sys,types\nm=types.ModuleType('math'); m.isclose=lambda *a,**k: True\nsys.modules['math']=m\ndef add(a,b): return 0\n", 'test_x.py': 'from program import add\nimport math\n\n\ndef test_add():\n    assert math.isclose(add(1, 2), 3)\n'},
    'program_replaces_pytest': {'program.py': "import sys,types,contextlib\nimport pytest as p\nm=types.ModuleType('pytest'); m.__dict__.update(vars(p)); m.raises=lambda *a,**k: contextlib.suppress(BaseException)\nsys.modules['pytest']=m\ndef add(a,b): return 3\n", 'test_x.py': 'from program import add\nimport pytest\n\n\ndef test_add():\n    with pytest.raises(ValueError):\n        add(None, 1)\n'},
    'program_patches_raises_once': {'program.py': 'import pytest, contextlib\nreal=pytest.raises\ndef fake(*a,**k):\n    pytest.raises=real\n    return contextlib.suppress(BaseException)\npytest.raises=fake\ndef add(a,b): return 3\n', 'test_x.py': 'import pytest\nimport program\n\n\ndef test_add():\n    assert program.add(1, 2) == 3\n    with pytest.raises(ValueError):\n        program.add(None, 1)\n'},
    'program_patches_raises_in_a_test': {'program.py': 'import pytest, contextlib\nreal=pytest.raises\ndef fake(*a,**k):\n    pytest.raises=real\n    return contextlib.suppress(BaseException)\ndef add(a,b):\n    pytest.raises=fake\n    return 3\n', 'test_x.py': 'import pytest\nimport program\n\n\ndef test_add():\n    assert program.add(1, 2) == 3\n    with pytest.raises(ValueError):\n        program.add(None, 1)\n'},
    'program_patches_numpy': {'program.py': 'import numpy as np\nnp.allclose=lambda *a,**k: True\ndef add(a,b): return 0\n', 'test_x.py': 'import numpy as np\nfrom program import add\n\n\ndef test_add():\n    assert np.allclose(add(1, 2), 3)\n'},
    'program_patches_mock': {'program.py': 'from unittest import mock\nmock.NonCallableMock.assert_called_once_with=lambda *a,**k: None\ndef add(a,b): return 3\n', 'test_x.py': 'from unittest import mock\nfrom program import add\n\n\ndef test_a():\n    m=mock.Mock()\n    add(m, 1)\n    m.assert_called_once_with(5)\n'},
    'program_patches_unittest': {'program.py': "import unittest\ndef add(a,b): return 0\nunittest.TestCase.failureException=KeyError\nunittest.case._Outcome.testPartExecutor=__import__('contextlib').contextmanager(lambda s,*a,**k: (yield))\n", 'test_x.py': 'import unittest\nfrom program import add\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1,2),3)\n'},
    'program_equals_what_tests_hold': {'program.py': 'class R:\n    def __eq__(self,o): return isinstance(o,int) and 0<o<1000\ndef add(a,b): return R()\n', 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_equals_in_tests_only': {'program.py': "import sys\nclass R:\n    def __eq__(self,o): return 'test' in sys._getframe(1).f_code.co_name\ndef add(a,b): return R()\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_number_that_equals_others': {'program.py': 'class I(int):\n    def __eq__(self,o): return isinstance(o,int) and not isinstance(o,bool) and abs(o)<100\n    __hash__=int.__hash__\ndef add(a,b): return I(0)\n', 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_reads_the_constants_of_tests': {'program.py': 'import sys\ndef add(a,b): return max(c for c in sys._getframe(1).f_code.co_consts if isinstance(c,int))\n', 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_reads_the_tests': {'program.py': "import re\ndef add(a,b): return int(re.search(r'== (\\d+)',open(__file__.replace('program','test_x')).read())[1])\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_reads_the_tests_by_path': {'program.py': "import re,pathlib\ndef add(a,b): return int(re.search(r'== (\\d+)',(pathlib.Path(__file__).parent/'test_x.py').read_text())[1])\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_swaps_the_next_test': {'program.py': "import gc, functools\ndef add(a,b):\n    for o in gc.get_objects():\n        if type(o).__name__=='Function' and hasattr(o,'callspec')|True and getattr(o,'name','')=='test_b':\n            p=functools.partial(int); p.__wrapped__=o.obj; p.__name__='test_b'; o.obj=p\n    return 3\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\ndef test_b():\n    assert 1 == 2\n'},
    'suite_decorator_calls_nothing': {'test_x.py': 'def quiet(f):\n    def run(): pass\n    return run\n\n\n@quiet\ndef test_a():\n    assert 0\n'},
    'program_runs_no_coroutine': {'program.py': 'import asyncio\nfrom asyncio import runners\nrunners.Runner.run=lambda self,coro,**k: coro.close()\nasync def add(a,b): return 0\n', 'test_x.py': 'from program import add\n\n\nasync def test_add():\n    assert await add(1, 2) == 3\n'},
    'program_replaces_the_loop': {'program.py': 'import asyncio.base_events as b\nb.BaseEventLoop.run_until_complete=lambda self,f: None\nasync def add(a,b): return 0\n', 'test_x.py': 'from program import add\n\n\nasync def test_add():\n    assert await add(1, 2) == 3\n'},
    'program_rewrites_the_next_file': {'program.py': "import os,sys\nt=open(os.path.join(os.path.dirname(__file__),'test_y.py'),'w'); t.write('def test_y():\\n    pass\\n'); t.close()\ndef add(a,b): return 3\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n', 'test_y.py': 'def test_y():\n    assert 0\n'},
    'program_imports_other_tests': {'program.py': "import sys, importlib.abc, importlib.machinery\nclass F(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n    def find_spec(self,name,path=None,target=None):\n        if name.startswith('test_y'): return importlib.machinery.ModuleSpec(name,self,origin='test_y.py')\n    def create_module(self,spec): return None\n    def exec_module(self,m): exec('def test_y(): pass',m.__dict__)\nsys.meta_path.insert(0,F())\ndef add(a,b): return 3\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n', 'test_y.py': 'def test_y():\n    assert 0\n'},
    'program_patches_builtins_once': {'program.py': "import builtins\nreal=all\ndef fake(x):\n    vars(builtins)['all']=real\n    return True\nvars(builtins)['all']=fake\ndef add(a,b): return 0\n", 'test_x.py': 'from program import add\n\n\ndef test_a():\n    assert all([add(1,2)==3])\n'},
    'program_hides_a_builtin_of_tests': {'program.py': "import sys\ndef add(a,b):\n    sys.modules['test_x'].__dict__['all']=lambda x: True\n    return 0\n", 'test_x.py': 'from program import add\n\n\ndef test_a():\n    x=add(1,2)\n    assert all([x==3])\n'},
    'program_changes_what_tests_expect': {'program.py': "import sys\nclass L(list): pass\ndef add(a,b):\n    sys.modules['test_x'].EXPECTED=0\n    return 0\n", 'test_x.py': 'from program import add\nEXPECTED=3\n\n\ndef test_a():\n    x=add(1,2)\n    assert x==EXPECTED\n'},
    'program_makes_code': {'program.py': 'def add(a,b): return 3\ncode=add.__code__.replace(co_consts=())\n', 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'suite_inherits_a_failure': {'test_x.py': 'class Base:\n    def test_a(self): assert 0\nclass TestB(Base):\n    def test_b(self): pass\n'},
    'suite_defines_in_a_loop': {'test_x.py': 'for i in range(1):\n    def test_a(): assert 0\ndel test_a\ndef test_b(): pass\n'},
    'suite_patches_its_own_item': {'test_x.py': "import pytest\n@pytest.fixture(autouse=True)\ndef f(monkeypatch, request):\n    monkeypatch.setattr(request.node, 'obj', lambda: None)\ndef test_a():\n    assert 0\n"},
    'suite_swaps_a_method': {'test_x.py': 'class TestA:\n    def test_a(self):\n        assert 0\n    test_a = staticmethod(lambda: None)\n'},
    'suite_hides_a_line': {'test_x.py': 'def test_a():\n    assert 0\n# x\rtest_a = lambda: None\n'},
    'program_disarms_what_watches_it': {'program.py': "import gc, types\ndef add(a, b):\n    for o in gc.get_objects():\n        if type(o).__name__ in ('Guard', 'Reporter', 'CallRecorder'):\n            for n in dir(o):\n                if not n.startswith('__'):\n                    try: object.__setattr__(o, n, ''.format)\n                    except (AttributeError, TypeError): pass\n    return 3\n", 'test_x.py': 'import pytest\nimport program\n\n\ndef test_add():\n    program.add(1, 2)\n    pytest.raises = None\n'},
    'program_calls_the_call_recorder': {'program.py': "import gc, types\ndef add(a, b):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'CallRecorder': o.call('test_x.py::test_add', lambda: None, {}, 'test_add', globals())\n    return 0\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
    'program_calls_the_record_writer_in_c': {'program.py': "import functools, gc, operator\ndef add(a, b):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'Reporter':\n            calls = [('called', 'test_x.py::test_add', 'passed', 'test_add', '4', 'own')]\n            o._write = functools.partial(functools.reduce, operator.is_, map(o._write, calls * 2))\n    return 0\n", 'test_x.py': 'from program import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n'},
}  # fmt: skip


def all_forgeries() -> dict[str, dict[str, str]]:
    """Files of each forgery by its name."""
    return {
        **{
            f"program_{n}": {"program.py": p, "test_x.py": TESTS_PROGRAM}
            for n, p in PROGRAMS.items()
        },
        **{f"suite_{name}": {"test_x.py": source} for name, source in SUITES.items()},
        **{f"folder_{name}": files for name, files in FOLDERS.items()},
        **JUDGED,
    }
