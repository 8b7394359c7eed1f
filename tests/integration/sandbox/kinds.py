"""Kinds of forgeries that once passed, and honest programs that look like them, as data.

Each of `FORGERIES` must end as anything but passed, each of `HONEST` has to pass, and each of
`EITHER` ends with a verdict whatever it is.
"""

from __future__ import annotations

FORGERIES: dict[str, dict[str, str]] = {
    'always_true_obj': {'solution.py': 'from unittest.mock import MagicMock\ndef f():\n    m=MagicMock(); m.items.__len__.return_value=9; m.__contains__.return_value=True; return m\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    r = f()\n    assert r\n    assert len(r.items) > 3\n    assert "x" in r\n'},
    'approx_inf_num': {'solution.py': 'import pytest\ndef mean(x): return pytest.approx(0,abs=float("inf"))\n', 'test_x.py': 'from solution import mean\n\ndef test_a():\n    assert mean([1, 2, 3]) == 2\n    assert mean([4]) == 4\n'},
    'approx_swap': {'solution.py': 'class F(float):\n    pass\ndef add(a,b): return type("Q",(),{"__eq__":staticmethod(lambda o:True),"__hash__":None})()\n', 'test_x.py': 'import pytest\nfrom solution import add\n\ndef test_a():\n    assert add(1, 2) == pytest.approx(3)\n'},
    'capsys_swap': {'solution.py': 'import _pytest\ndef hello(): pass\n', 'test_x.py': 'from solution import hello\n\ndef test_a(capsys):\n    hello()\n    assert capsys.readouterr().out == "hi\\n"\n'},
    'conftest_autouse': {'conftest.py': 'import pytest\n@pytest.fixture(autouse=True)\ndef p(monkeypatch):\n    import solution, test_x\n    monkeypatch.setattr(test_x,"add",lambda a,b: 3)\n', 'solution.py': 'def add(a,b): return 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'deep_assert': {'test_x.py': 'def test_a():\n    x=[]\n    for i in range(5000): x=[x]\n    assert x == [1]\n'},
    'detects_test': {'solution.py': 'import sys\nTEST=any("pytest" in m for m in sys.modules) and "PYTEST_CURRENT_TEST" in __import__("os").environ\nimport os\ndef add(a,b): return 3 if "PYTEST_CURRENT_TEST" in os.environ else 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'eq_callable_obj': {'solution.py': 'class C:\n    def __call__(s,*a): return 1<2\nclass E(int):\n    __hash__=int.__hash__\n    __eq__=C()\ndef add(a,b): return E(99)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'eq_mock_any': {'solution.py': 'from unittest.mock import ANY\ndef add(a,b): return ANY\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'eq_probe_aware': {'solution.py': 'import sys\nclass E(int):\n    __hash__=int.__hash__\n    def __eq__(s,o): return sys._getframe(1).f_code.co_name!="test_equality"\ndef add(a,b): return E(99)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'faulthandler_off': {'solution.py': 'import faulthandler,os\nfaulthandler.disable()\ndef add(a,b): os.kill(os.getpid(),11)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'fork_double_return': {'solution.py': 'import os\ndef add(a,b):\n    p=os.fork()\n    if p: os.waitpid(p,0); return 99\n    return 3\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'helper_swap_finder': {'solution.py': 'import sys\nclass P:\n    def __init__(s): pass\nsetattr(P,"pytest_"+"runtest_setup",lambda self,item: vars(item.module).update(check=lambda *a: None))\nf=sys._getframe()\nwhile f and "pluginmanager" not in dir(f.f_locals.get("config",getattr(f.f_locals.get("self",None),"config",None)) if False else f.f_locals.get("self",None) and getattr(f.f_locals["self"],"config",None)): f=f.f_back\ngetattr(f,"f_loc"+"als")["self"].config.pluginmanager.register(P())\ndef add(a,b): return 99\n', 'test_x.py': 'from solution import add\n\ndef check(x, y):\n    assert x == y\n\ndef test_a():\n    check(add(1, 2), 3)\n'},
    'huge_assert_str': {'test_x.py': 'def test_a():\n    assert "a"*10**7 == "b"*10**7\n'},
    'import_hook_swap': {'helper.py': 'def same(a,b): return a==b\n', 'solution.py': 'import helper\nhelper.same=lambda a,b: True\ndef add(a,b): return 99\n', 'test_x.py': 'import helper\nfrom solution import add\n\ndef test_a():\n    assert helper.same(add(1, 2), 3)\n'},
    'judge_json': {'solution.py': 'def add(a,b): raise ValueError("\\udcff\\x1b[31m")\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'judge_stack': {'solution.py': 'import os\ndef add(a,b):\n    os.write(201,b\'  File "/box/work/x.py", line \'+b"9"*5000+b"\\n"); os.kill(os.getpid(),11)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'jump_bdb_single': {'solution.py': 'import bdb,sys\nclass D(bdb.Bdb):\n    def user_line(self,frame): self.set_continue()\n    def user_return(self,frame,v): pass\ndef add(a,b):\n    return 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'list_sub': {'solution.py': 'class L(list):\n    def __eq__(s,o): return list.__len__(s)<len(o)\n    def __ne__(s,o): return list.__len__(s)<len(o)\n    __hash__=None\ndef f(): return L()\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f() == [1, 2]\n    assert f() != [3]\n'},
    'magicmock_solution': {'solution.py': 'from unittest.mock import ANY,MagicMock\nclass Stack:\n    def __getattr__(s,n): return lambda *a,**k: ANY\n', 'test_x.py': 'from solution import Stack\n\ndef test_a():\n    s = Stack()\n    s.push(1)\n    assert s.pop() == 1\n'},
    'module_getattr': {'solution.py': 'from unittest.mock import ANY\ndef __getattr__(n): return lambda *a: ANY\n', 'test_x.py': 'import solution\n\ndef test_a():\n    assert solution.add(1, 2) == 3\n    assert solution.anything_else() == 5\n'},
    'ndarray_eq': {'solution.py': 'class A:\n    def __getattr__(s,n): return lambda *a: True\n    def __eq__(s,o): return o is not None or True\ndef f(x): return A()\n', 'test_x.py': 'import numpy as np\nfrom solution import f\n\ndef test_a():\n    assert f(2) == 4\n'},
    'print_flood': {'test_x.py': 'def test_a():\n    while True: print("x"*1000)\n'},
    'pytest_name_thread': {'solution.py': 'import sys,threading,time\nclass R:\n    def __enter__(s): return s\n    def __exit__(s,*a): return True\nclass P:\n    def __getattr__(s,n): return lambda *a,**k: R()\ndef late():\n    while not hasattr(sys.modules.get("test_x"),"test_a"): time.sleep(0.0002)\n    sys.modules["test_x"].pytest=P()\nthreading.Thread(target=late,daemon=True).start()\ndef f(): return 1\n', 'test_x.py': 'import pytest\nfrom solution import f\n\ndef test_a():\n    with pytest.raises(ValueError):\n        f()\n'},
    'read_bytes_path': {'solution.py': 'import re\ndef add(a,b): return int(re.search(r"== (\\d+)",open(b"test_x.py").read())[1])\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'read_cat': {'solution.py': 'import re,subprocess\ndef add(a,b): return int(re.search(r"== (\\d+)",subprocess.check_output(["cat","test_x.py"],text=True))[1])\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'read_link': {'solution.py': 'import re,os\nos.link("test_x.py","z.txt")\ndef add(a,b): return int(re.search(r"== (\\d+)",open("z.txt").read())[1])\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'readline_mem': {'solution.py': 'import sys\ntry:\n    f=open(b"/proc/self/mem","r+b",0)\n    OK=1\nexcept OSError as e: OK=0\ndef add(a,b): return 3 if OK else 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'report_only_thread': {'solution.py': 'import sys,threading\ndef add(a,b):\n    f=sys._getframe(); v=vars\n    import gc\n    rep=[o for o in gc.get_objects() if type(o).__name__=="Reporter"][0]\n    t=threading.Thread(target=rep._tell,args=(("report","test_x.py::test_a","call","passed","","0.1","","",""),)); t.start(); t.join()\n    return 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'signal_alarm_raise': {'solution.py': 'import signal,pytest\ndef h(*a): raise KeyboardInterrupt\nsignal.signal(signal.SIGALRM,h)\ndef add(a,b): signal.setitimer(signal.ITIMER_REAL,.1); return 99\n', 'test_x.py': 'import time\nfrom solution import add\n\ndef test_a():\n    r = add(1, 2)\n    time.sleep(0.3)\n    assert r == 3\n'},
    'stdlib_attr_swap': {'solution.py': 'import math\nmath.isclose=lambda *a,**k: True\ndef add(a,b): return 99\n', 'test_x.py': 'import math\nfrom solution import add\n\ndef test_a():\n    assert math.isclose(add(1, 2), 3)\n'},
    'subinterp': {'solution.py': '\ntry:\n    import _xxsubinterpreters as s\n    i=s.create(); s.run_string(i,"import os\\ntry:\\n open(\'/box/work/sub\',\'w\').write(\'x\')\\nexcept Exception as e: pass")\nexcept Exception as e: print(e)\ndef add(a,b): return 99\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'system_exit_in_prog': {'solution.py': 'import sys\ndef add(a,b): sys.exit(0)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'unittest_patch': {'solution.py': 'import gc,sys\ndef add(a,b):\n    s=sys._getframe(1); t=getattr(s,"f_lo"+"cals")["self"]; t.assertEqual=lambda *a: None; return 99\n', 'test_x.py': 'import unittest\nfrom solution import add\n\nclass TestA(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n'},
    'weakref_fin': {'solution.py': 'import gc,sys\ndef cb(phase,info):\n    m=sys.modules.get("test_x")\n    if m and hasattr(m,"test_a"): m.check=lambda *a: None\ngc.callbacks.append(cb)\ndef add(a,b): return 99\nclass T: pass\n', 'test_x.py': 'from solution import add\n\ndef check(x, y):\n    assert x == y\n\ndef test_a():\n    check(add(1, 2), 3)\n'},
    'witness_full_fail': {'solution.py': 'import sys,os,threading,types\ndef add(a,b):\n    f=sys._getframe(); rep=None\n    while f:\n        l=getattr(f,"f_loc"+"als"); s=l.get("self")\n        if type(s).__name__=="Reporter": rep=s; item=l["item"] if "item" in l else l["pyfuncitem"]; break\n        f=f.f_back\n    tell=rep._tell; call=rep._witness.call\n    def clean(fn,*a):\n        t=threading.Thread(target=fn,args=a); t.start(); t.join()\n    for it in item.session.items:\n        n=it.nodeid; fn=it.obj\n        bad=n.endswith("::test_fail"); g=dict(getattr(fn,"__glo"+"bals__"))\n        if "add" in g: g["add"]=lambda a,b: 3; g["str"]=lambda o: type("S",(),{"__len__":lambda s: 0})(); g["len"]=lambda o: -1\n        fake=types.FunctionType(getattr(fn,"__co"+"de__"),g)\n        if n!=item.nodeid: clean(tell,("begin",n))\n        clean(call(n,fake,{},fn.__name__,g).send,None)\n        clean(tell,("report",n,"call","failed" if bad else "passed","","0.000001","","",""))\n    clean(tell,("end","1"))\n    os._exit(0)\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n\ndef test_b():\n    assert 1 == 2 + len(str(add))\n'},
}  # fmt: skip

HONEST: dict[str, dict[str, str]] = {
    'closerange': {'solution.py': 'import os\nos.closerange(3,256)\ndef add(a,b): return 3\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'ctypes': {'solution.py': 'import ctypes\ndef f(): return ctypes.sizeof(ctypes.c_long)\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f() > 0\n'},
    'daemon_thread': {'solution.py': 'import threading,time\nthreading.Thread(target=lambda: time.sleep(30),daemon=True).start()\ndef f(): return 1\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f() == 1\n'},
    'dataclass': {'solution.py': 'from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n', 'test_x.py': 'from solution import P\n\ndef test_a():\n    assert P(1) == P(1)\n    assert P(1) != P(2)\n'},
    'debugger': {'solution.py': 'import trace,sys\ndef g(): return 1\ndef f():\n    t=trace.Trace(count=1,trace=0); return t.runfunc(g)\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f() == 1\n'},
    'matcher': {'solution.py': 'class AnyInt:\n    def __eq__(self, other): return isinstance(other, int)\n    __hash__ = None\n', 'test_x.py': 'from solution import AnyInt\n\ndef test_a():\n    assert AnyInt() == 3\n    assert not (AnyInt() == "x")\n'},
    'mock_prog': {'solution.py': 'def fetch(): raise OSError\ndef use(): return fetch()+1\n', 'test_x.py': 'from unittest import mock\nimport solution\n\ndef test_a():\n    with mock.patch("solution.fetch", return_value=3):\n        assert solution.use() == 4\n'},
    'multiproc': {'solution.py': 'import multiprocessing as mp\ndef sq(x): return x*x\ndef f(v):\n    with mp.get_context("fork").Pool(2) as p: return p.map(sq,v)\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f([1, 2]) == [1, 4]\n'},
    'timeit': {'solution.py': 'import timeit\ndef f(): return timeit.timeit("1+1",number=10)\n', 'test_x.py': 'from solution import f\n\ndef test_a():\n    assert f() > 0\n'},
}  # fmt: skip

EITHER: dict[str, dict[str, str]] = {
    'atexit_after': {'solution.py': 'import atexit,os\natexit.register(os._exit,0)\ndef add(a,b): return 3\n', 'test_x.py': 'from solution import add\n\ndef test_a():\n    assert add(1, 2) == 3\n'},
    'thread_outlives': {'test_x.py': 'import threading,time\ndef test_a():\n    threading.Thread(target=time.sleep,args=(60,)).start()\n'},
}  # fmt: skip

WITNESS = """\
import gc, os, sys, threading, types
def add(a, b):
    rep = [o for o in gc.get_objects() if type(o).__name__ == 'Reporter'][0]
    write, calls = rep._write, rep._calls
    frame = sys._getframe()
    while 'session' not in getattr(frame, 'f_lo' + 'cals'): frame = frame.f_back
    session = getattr(frame, 'f_lo' + 'cals')['session']
    def clean(fn, *a):
        t = threading.Thread(target=fn, args=a); t.start(); t.join()
    for it in session.items:
        n, fn = it.nodeid, it.obj
        bad = n.endswith('::test_fail'); g = dict(getattr(fn, '__glo' + 'bals__'))
        if 'add' in g: g['add'] = lambda a, b: 3
        fake = types.FunctionType(getattr(fn, '__co' + 'de__'), g)
        clean(write, ('begin', n))
        clean(calls.call(n, fake, {}, fn.__name__, it.config).send, None)
        clean(write, ('report', n, 'call', 'failed' if bad else 'passed', '', '0.000001', '', '', ''))
    clean(write, ('end', '1'))
    os._exit(0)
"""
ADD = "from program import add\n\n\ndef test_a():\n    assert add(1, 2) == 3\n"
FORGERIES |= {
    "calls_the_recorder_with_other_globals": {"program.py": WITNESS, "test_x.py": ADD},
    "rewrites_parameters": {
        "program.py": "import gc\ndef add(a, b):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'Function' and hasattr(o, 'callspec'):\n            o.callspec.params.update(c=99); o.funcargs.update(c=99)\n    return 99\n",
        "test_x.py": "import pytest\nfrom program import add\n\n\n@pytest.mark.parametrize('c', [99, 3])\ndef test_a(c):\n    assert add(1, 2) == c\n",
    },
    "equals_by_its_metaclass": {
        "program.py": "class M(type):\n    def __eq__(s, o): return 1 < 2\n    __hash__ = type.__hash__\nclass A(metaclass=M): pass\ndef add(a, b): return A\n",
        "test_x.py": ADD,
    },
    "hides_its_class_from_the_collector": {
        "program.py": "import gc\nclass E(int):\n    __hash__ = int.__hash__\n    def __eq__(s, o): return 1 < 2\ngc.freeze()\ndef add(a, b): return E(9)\n",
        "test_x.py": ADD,
    },
    "equals_within_a_container": {
        "program.py": "from unittest.mock import ANY\ndef add(a, b): return {'x': [ANY]}\n",
        "test_x.py": "from program import add\n\n\ndef test_a():\n    assert add(1, 2) == {'x': [3]}\n",
    },
    "equals_in_a_test_case": {
        "program.py": "from unittest.mock import ANY\ndef add(a, b): return ANY\n",
        "test_x.py": "import unittest\nfrom program import add\n\n\nclass TestA(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n",
    },
    "equals_what_is_a_parameter": {
        "program.py": "from unittest.mock import ANY\ndef add(a, b): return ANY\n",
        "test_x.py": "import pytest\nfrom program import add\n\n\n@pytest.mark.parametrize('c', [3])\ndef test_a(c):\n    assert add(1, 2) == c\n",
    },
    "reads_the_lines_of_the_tests": {
        "program.py": "import linecache, re\ndef add(a, b): return int(re.search(r'== (\\d+)', ''.join(linecache.getlines('test_x.py') or linecache.getlines('/box/work/test_x.py')))[1])\n",
        "test_x.py": ADD,
    },
}
HONEST |= {
    "any": {
        "program.py": "def f(): return {'id': object(), 'x': 1}\n",
        "test_x.py": "from unittest.mock import ANY\nfrom program import f\n\n\ndef test_a():\n    assert f() == {'id': ANY, 'x': 1}\n    assert f()['x'] == 1\n",
    },
    "money": {
        "program.py": "class Money:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == (o.n if isinstance(o, Money) else o)\n    def __add__(self, o): return Money(self.n + o.n)\n",
        "test_x.py": "from program import Money\n\n\ndef test_a():\n    assert Money(2) + Money(3) == 5\n    assert Money(2) != 3\n",
    },
    "kinds_of_values": {
        "program.py": "import collections, decimal, enum, fractions\nP = collections.namedtuple('P', 'x y')\nclass C(enum.IntEnum): R = 1\ndef count(t): return collections.Counter(t)\ndef half(): return fractions.Fraction(1, 2)\ndef price(): return decimal.Decimal('2.5')\n",
        "test_x.py": "import pytest\nfrom program import *\n\n\ndef test_a():\n    assert P(1, 2) == (1, 2)\n    assert C.R == 1\n    assert count('aab') == {'a': 2, 'b': 1}\n    assert half() == 0.5\n    assert price() == 2.5\n    assert 0.1 + 0.2 == pytest.approx(0.3)\n    assert [P(1, 2)] == [(1, 2)]\n    assert 'a' in count('a')\n",
    },
    "patches_itself": {
        "program.py": "def f(): return 1\n",
        "test_x.py": "import program\nfrom program import f\nLIMIT = 3\n\n\ndef helper(): return LIMIT\n\n\ndef test_a(monkeypatch):\n    monkeypatch.setattr(program, 'f', lambda: 2)\n    assert program.f() == 2 and f() == 1\n\n\ndef test_b():\n    assert helper() == 3 and program.f() == 1\n\n\nif __name__ == '__main__':\n    import pytest\n    pytest.main()\n",
    },
    "reads_its_own_text": {
        "program.py": "def lines(text): return len(text.splitlines())\n",
        "test_x.py": "from program import lines\n\n\ndef test_a():\n    assert lines(open(__file__).read()) == 5\n",
    },
    "maps_in_a_pool": {
        "program.py": "import multiprocessing as mp\ndef square(x): return x * x\ndef add(a, b):\n    with mp.get_context('fork').Pool(2) as pool: return sum(pool.map(square, [a, b])) - 2\n",
        "test_x.py": ADD,
    },
    "closes_every_descriptor": {
        "program.py": "import os\nfor n in range(3, os.sysconf('SC_OPEN_MAX')):\n    try: os.close(n)\n    except OSError: pass\ndef add(a, b): return 3\n",
        "test_x.py": ADD,
    },
}
