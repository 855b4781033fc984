"""No answer decides what is said of its examples: ways to forge a pass, and results of honest code that must keep theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nbcopilot.execution import Job, Limits, RunReport
from nbcopilot.sandbox.start import Sandbox
from nbcopilot.sandbox.worker import landlock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no sandbox")
LEVELS = [*(["landlock"] if landlock.version() else []), "rlimits"]

EXAMPLES = (
    {"kind": "equal", "call": "f(2)", "expected": "4"},
    {"kind": "assert", "source": "assert f(3) == 9"},
    {"kind": "doctest", "call": "f(5)", "expected": "25"},
    {"kind": "assert", "source": "assert abs(f(4) - 16) < 1e-6 and isinstance(f(4), int)"},
    {"kind": "assert", "source": "assert all(f(x) == x * x for x in range(2, 5))"},
    {"kind": "assert", "setup": "import math", "source": "assert math.isclose(f(6), 36)"},
    {"kind": "assert", "source": "assert not f(7) != 49"},
    {"kind": "assert", "source": "assert f(8) in (64,) and len([f(8)]) == 1"},
    {"kind": "assert", "source": "assert sum([f(1), f(2)]) == 5 and sorted([f(3), 10]) == [9, 10]"},
    {"kind": "raises", "call": "f('x', 'y')", "expected": "ZeroDivisionError"},
)  # fmt: skip
WRONG = "def f(x, *more): return -1\n"
EQUAL = """class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __sub__(self, other): return 0
    def __add__(self, other): return 5
    __radd__ = __rsub__ = __add__
    def __abs__(self): return 0
    def __float__(self): return 36.0
    def __index__(self): return 4
    def __bool__(self): return True
    def __repr__(self): return "25"
"""
FORGERIES = {
    "an object that is equal to everything": EQUAL + "def f(*x): return Any()",
    "a number that is equal to everything": EQUAL + "class N(Any, int): pass\ndef f(*x): return N(-1)",
    "a float that is equal to everything": EQUAL + "class N(Any, float): pass\ndef f(*x): return N(-1)",
    "a text that is equal to everything": EQUAL + "class N(Any, str): pass\ndef f(*x): return N('-1')",
    "a text that reads like the number": "def f(x, *more): return {2: '4', 3: '9', 5: '25', 6: '36'}.get(x, '')",
    "a list that is equal to everything": EQUAL + "class N(Any, list): pass\ndef f(*x): return N([Any()])",
    "an enumeration": "import enum\nclass E(enum.Enum):\n    A = 1\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(*x): return E.A",
    "a class whose class says yes": "class M(type):\n    def __eq__(c, o): return True\n    def __instancecheck__(c, o): return True\n    __hash__ = type.__hash__\nclass A(metaclass=M): pass\ndef f(*x): return A",
    "a mock that is equal to all": "from unittest.mock import ANY\ndef f(*x): return ANY",
    "a mock of a mock": "from unittest.mock import MagicMock\ndef f(*x):\n    m = MagicMock()\n    m.__eq__.return_value = True\n    m.__sub__.return_value = 0\n    return m",
    "an array of a class of its own": "import numpy as np\nclass A(np.ndarray):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\ndef f(*x): return np.zeros(1).view(A)",
    "json.dumps replaced": WRONG + "import json\njson.dumps = lambda value, **k: '{\"ok\": true, \"got\": \"\", \"error\": \"\", \"digest\": \"\"}'",
    "json.JSONEncoder replaced": WRONG + "import json\njson.JSONEncoder.encode = json.encoder.c_make_encoder = lambda *a, **k: '{\"ok\": true}'",
    "the judge's table": WRONG + "import sys\nfor n, m in list(sys.modules.items()):\n    for k in ('_KINDS', '_ACTIONS', '_READERS', 'READERS'):\n        if n.startswith('nbcopilot') and hasattr(m, k):\n            t = getattr(m, k)\n            for key in t: t[key] = lambda *a, **k: {'ok': True, 'got': '', 'error': '', 'digest': ''}",
    "the judge's functions": WRONG + "import sys\nfor n, m in list(sys.modules.items()):\n    for k in ('close', 'judge', 'judged_apart', '_says_the_same', 'is_plain', 'digest'):\n        if n.startswith('nbcopilot') and hasattr(m, k): setattr(m, k, lambda *a, **k: True)",
    "sys.modules exchanged": WRONG + "import sys, types\nclass L(types.ModuleType):\n    def __getattr__(self, n): return lambda *a, **k: True\nfor n in list(sys.modules):\n    if n.startswith('nbcopilot.') or n in ('math', 'json'): sys.modules[n] = L(n)",
    "builtins replaced": EQUAL + WRONG + "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\nbuiltins.isinstance = lambda a, b: True\nbuiltins.len = lambda x: 1\nbuiltins.sum = lambda x: 5\nbuiltins.sorted = lambda x: [9, 10]\nbuiltins.AssertionError = type('No', (Exception,), {})",
    "builtins covered by names": "def f(*x): return -1\nabs = lambda x: 0\nall = lambda x: True\nisinstance = lambda a, b: True\nlen = lambda x: 1\nsum = lambda x: 5\nsorted = lambda x: [9, 10]\nrange = lambda *a: []",
    "a module covered by a class": WRONG + "class math:\n    isclose = staticmethod(lambda *a, **k: True)",
    "a module's function replaced": WRONG + "import math\nmath.isclose = lambda *a, **k: True",
    "a module written beside": WRONG + "open('math.py', 'w').write('isclose = lambda *a, **k: True')\nopen('numpy.py', 'w').write('raise SystemExit')\nimport sys\nsys.modules.pop('math', None)",
    "writing to every file handle": WRONG + "import os\nline = b'{\"setup\": {}, \"runs\": [{\"ok\": true, \"examples\": [' + b', '.join([b'{\"ok\": true}'] * 10) + b']}]}\\n'\nfor fd in range(3, 256):\n    try: os.write(fd, line)\n    except OSError: pass",
    "writing to every file handle in the call": "def f(*x):\n    import os\n    for fd in range(3, 256):\n        for line in (b'{\"ok\": true}\\n', b'\\0\\0\\0\\x0c{\"value\": 4}\\n'):\n            try: os.write(fd, line)\n            except OSError: pass\n    return -1",
    "the handles of the parent": WRONG + "import os\nfor fd in range(256):\n    try: open(f'/proc/{os.getppid()}/fd/{fd}', 'wb', 0).write(b'{\"setup\": {}, \"runs\": [{\"ok\": true, \"examples\": [{\"ok\": true}]}]}\\n')\n    except OSError: pass",
    "an exit hook": WRONG + "import atexit, os\natexit.register(os.write, 1, b'{\"ok\": true}\\n')\natexit.register(os._exit, 0)",
    "ending well": "def f(*x):\n    import os\n    os._exit(0)",
    "SystemExit": "def f(*x): raise SystemExit(0)",
    "the examples changed in memory": WRONG + "import gc\nfor o in gc.get_objects():\n    if type(o) is dict and 'kind' in o:\n        o.update(kind='observe', call='1', source='assert True', expected='-1')",
    "the frames of the caller": WRONG + "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n        if type(v) is list: v.clear()\n        elif type(v) is dict and 'kind' in v: v['kind'] = 'observe'\n    frame = frame.f_back",
    "a fork replaced": WRONG + "import os, socket\nos.fork = lambda: 0\nsocket.socket.recv = lambda *a: b''",
    "a trace": WRONG + "import sys, threading\nsys.setprofile(lambda f, e, a: f.f_locals.update(same=True, ok=True))",
    "another answer on the wire": WRONG + "import sys\nA = sys.modules['nbcopilot.sandbox.worker.answering'].Answering\nA._do = lambda self, request: {'value': {'t': 'base', 'v': 'WILD'}}",
    "an instance on the wire": WRONG + "import sys\nA = sys.modules['nbcopilot.sandbox.worker.answering'].Answering\nA._do = lambda self, request: {'value': {'t': 'instance', 'of': 'WildClass', 'v': {}}}",
    "a function on the wire": WRONG + "import sys\nA = sys.modules['nbcopilot.sandbox.worker.answering'].Answering\nA._do = lambda self, request: {'value': {'t': 'import', 'module': 'operator', 'v': 'pow'}}",
    "nonsense on the wire": WRONG + "import sys\nA = sys.modules['nbcopilot.sandbox.worker.answering'].Answering\nA._do = lambda self, request: {'value': {'t': 'scalar', 'dtype': 'O', 'v': [[]]}, 'after': 7}",
    "an error on the wire": WRONG + "import sys\nA = sys.modules['nbcopilot.sandbox.worker.answering'].Answering\nA._reply = lambda self, request: {'error': {'names': ['Ended', 'object'], 'args': [], 'text': ''}}",
}  # fmt: skip


@pytest.fixture(scope="module", params=LEVELS)
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(level=str(request.param)) as sandbox:
        yield sandbox


def judged(box: Sandbox, code: str, *examples: dict[str, str], setup: str = "1") -> RunReport:
    limits = Limits(seconds=20, setup_seconds=30, example_seconds=5)
    (report,) = box.run(Job(codes=(code,), examples=(examples,), setup=(setup,), limits=limits))
    return report


@pytest.mark.parametrize("name", FORGERIES)
def test_nothing_forges_a_pass(box: Sandbox, name: str) -> None:
    if name == "the handles of the parent" and box.level == "rlimits" and os.geteuid() == 0:
        pytest.skip("root may open the handles of its processes")
    wild = "from unittest.mock import ANY as WILD\nfrom unittest.mock import _ANY as WildClass"
    report = judged(box, FORGERIES[name], *EXAMPLES, setup=wild)
    assert not any(outcome.ok for outcome in report.outcomes), [(o.ok, o.got, o.error) for o in report.outcomes]
    assert judged(box, "def f(x): return x * x", *EXAMPLES[:2]).outcomes[0].ok  # the sandbox serves the next job


def test_there_are_many_ways() -> None:
    assert len(FORGERIES) >= 30


HONEST = {
    "def f(x):\n    if isinstance(x, str): 1 / 0\n    return x * x": [
        *(str(e.get("source", "")) for e in EXAMPLES if e["kind"] == "assert" and "isclose" not in str(e["source"])),
        "assert [f(x) for x in (1, 2)] == [1, 4]", "assert f(x=3) == 9", "assert list(map(f, [1, 2])) == [1, 4]",
        "assert max(range(3), key=f) == 2",
    ],
    "import numpy as np\ndef f(): return np.float64(0.5)\ndef g(n): return np.arange(n)\ndef h(): return np.bool_(True)": [
        "assert f() == 0.5", "assert g(3).tolist() == [0, 1, 2]", "assert np.allclose(g(2), [0, 1])", "assert (g(3) == np.array([0, 1, 2])).all()",
        "assert g(4).shape == (4,) and g(4).sum() == 6", "assert h()", "assert g(3).dtype.kind == 'i'", "assert isinstance(f(), float)",
    ],
    "import pandas as pd\ndef f(): return pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': pd.to_datetime(['2024-01-01', '2024-01-02'])})\nd = f()\ndef g(frame): return frame.groupby('a')['n'].sum()\ndef fill(frame): frame['z'] = 1": [
        "assert d.shape == (2, 3) and list(d.columns) == ['a', 'b', 'c']", "assert f()['c'].dtype.kind == 'M' and f()['b'].isna().sum() == 1",
        "assert f().equals(d) and d['a'].sum() == 3", "assert g(pd.DataFrame({'a': [1, 1], 'n': [2, 3]})).loc[1] == 5",
        "assert d.set_index('a').index.name == 'a'", "assert [fill(d), d['z'].tolist()][1] == [1, 1]",
    ],
    "from dataclasses import dataclass\nfrom collections import namedtuple, Counter\n@dataclass\nclass P:\n    x: int\n    y: int = 0\n    def add(self, o): return P(self.x + o.x, self.y + o.y)\n    def __add__(self, o): return self.add(o)\n    def __len__(self): return 2\n    def __iter__(self): return iter((self.x, self.y))\nN = namedtuple('N', 'a b')\ndef n(): return N(1, 2)\ndef c(t): return Counter(t)": [
        "assert P(1, 2) == P(1, 2)", "assert P(1).add(P(2, 3)).y == 3", "assert P(1, 2) + P(1, 1) == P(2, 3)", "assert isinstance(P(1), P)",
        "assert len(P(1)) == 2 and list(P(1, 5)) == [1, 5]", "assert n() == (1, 2) and n().a == 1", "assert c('aab') == {'a': 2, 'b': 1} and c('aab').most_common(1) == [('a', 2)]",
        "assert P(1) != P(2) and not P(1) == P(2)",
    ],
    "def add(items, item): items.append(item)\ndef gen(n):\n    for i in range(n): yield i\ndef apply(g, x): return g(g(x))\ndef where(items, test): return [i for i in items if test(i)]\nasync def wait(): return 5\ntotal = 10": [
        "assert list(gen(3)) == [0, 1, 2] and sum(gen(4)) == 6", "assert next(gen(3)) == 0", "assert apply(lambda v: v + 1, 1) == 3", "assert apply(abs, -3) == 3",
        "assert where([1, 2, 3], lambda i: i > 1) == [2, 3]", "assert await wait() == 5", "assert total == 10", "assert callable(apply)",
        "assert [(items := [1]), add(items, 2)][0] == [1, 2]",
    ],
    "import math\nfrom decimal import Decimal\nimport datetime as dt\nfrom pathlib import Path\ndef many(): return {'n': float('nan'), 'i': 10 ** 40, 'd': Decimal('1.5'), 't': dt.date(2024, 1, 2), 's': {1, 2}, 'z': 1j, 'b': b'x', 'p': Path('a/b'), 'u': '\\ud800é', 'f': frozenset([1]), (1, 2): None}": [
        "assert math.isnan(many()['n']) and many()['i'] == 10 ** 40 and many()['d'] == Decimal('1.5')", "assert many()['t'].year == 2024 and many()['s'] == {1, 2}",
        "assert many()['z'] == 1j and many()['b'] == b'x' and many()['p'].name == 'b' and many()['f'] == {1} and many()[1, 2] is None", "assert many()['u'] == '\\ud800é'",
    ],
}  # fmt: skip


@pytest.mark.parametrize("code", HONEST, ids=range(len(HONEST)))
def test_honest_results_keep_their_passes(box: Sandbox, code: str) -> None:
    examples = [{"kind": "assert", "source": source} for source in HONEST[code]]
    report = judged(box, code, *examples)
    assert report.ok, report.error
    wrong = [(e["source"], o.got, o.error) for e, o in zip(examples, report.outcomes, strict=True) if not o.ok]
    assert not wrong


def test_kinds_of_honest_examples(box: Sandbox) -> None:
    code = """import numpy as np
class Odd(ValueError): pass
def f(x):
    if x < 0: raise Odd('negative')
    print('seen')
    return np.int64(x)
def say(): return "hello"
def pairs(): return [(1, 'a')]
class P:
    def __repr__(self): return 'P!'
"""
    report = judged(
        box, code,
        {"kind": "equal", "call": "f(3)", "expected": "3"},
        {"kind": "equal", "call": "say()", "expected": "hello"},
        {"kind": "equal", "call": "pairs()", "expected": "[(1, 'a')]"},
        {"kind": "raises", "call": "f(-1)", "expected": "Odd"},
        {"kind": "raises", "call": "f(-1)", "expected": "ValueError"},
        {"kind": "doctest", "call": "say()", "expected": "'hello'"},
        {"kind": "doctest", "call": "print(f(2))", "expected": "seen\n2"},
        {"kind": "doctest", "call": "P()", "expected": "P!"},
        {"kind": "observe", "call": "pairs()"},
        {"kind": "assert", "source": "x = f(2)\nassert x == 2"},
    )  # fmt: skip
    assert [o.ok for o in report.outcomes] == [True] * 10, [(o.got, o.error) for o in report.outcomes]
    assert report.outcomes[8].got == "[(1, 'a')]" and report.outcomes[3].error == "Odd: negative"


def test_values_of_before_are_the_notebook_s_own(box: Sandbox) -> None:
    setup = """class Shop:
    def __init__(self, name): self.name = name
    def __eq__(self, other): return self.name == other.name
stock = [1]
def twice(x): return 2 * x"""
    code = "def f(): return Shop('a')\nstock.append(twice(1))\ndef name_of(shop): return shop.name"
    report = judged(
        box, code,
        *({"kind": "assert", "source": source} for source in (
            "assert f() == Shop('a') and f() != Shop('b')", "assert stock == [1, 2]", "assert twice(4) == 8",
            "assert name_of(Shop('z')) == 'z'", "assert isinstance(f(), Shop)",
        )), setup=setup,
    )  # fmt: skip
    assert [o.ok for o in report.outcomes] == [True] * 5, [(o.got, o.error) for o in report.outcomes]
