"""What notebooks use works in a sandbox: each library that is installed here computes, reads and writes at every level.

The list of allowed system calls (`worker/system_calls.py`) was made by tracing these snippets; a call that one of
them needs and that is missing shows here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from nbcopilot.execution import Job, Limits
from nbcopilot.policy import LEVELS
from nbcopilot.sandbox.start import Sandbox
from tests.sandbox.test_escapes import available

# Seconds to import alone: tried under Landlock, where the fewest files can be seen. The list of calls is the same everywhere.
SLOW = ("torch", "sklearn", "scipy", "matplotlib")
LIMITS = Limits(seconds=300, setup_seconds=30, memory_mb=8192, processes=64, file_mb=256, disk_mb=512)

# Each ends with an expression that is true when all went well.
LIBRARIES = {
    "numpy": """
import numpy as np
a = np.random.default_rng(0).normal(size=(300, 300))
np.linalg.svd(a[:50, :50]); np.fft.fft(a); np.save('a.npy', a)
bool((a @ a).shape == (300, 300) and np.load('a.npy', mmap_mode='r').sum() == a.sum())""",
    "pandas": """
import pandas as pd
t = pd.DataFrame({'k': list('abca'), 'v': [1, 2, 3, 4], 'd': pd.date_range('2024', periods=4, tz='Europe/Paris')})
t.to_csv('t.csv'); t.to_pickle('t.pkl')
int(pd.read_csv('t.csv').groupby('k').v.sum()['a'] + len(pd.read_pickle('t.pkl').merge(t, on='k'))) == 11""",
    "matplotlib": """
import os
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.hist([1, 2, 2, 3]); ax.set_title('t $x^2$'); fig.savefig('p.png'); fig.savefig('p.svg')
os.path.getsize('p.png') > 1000""",
    "scipy": """
from scipy import integrate, optimize, stats
abs(optimize.minimize(lambda x: (x[0] - 1) ** 2, [0.0]).x[0] - 1) < 1e-3 and integrate.quad(abs, -1, 1)[0] == 1.0 and float(stats.norm.cdf(0)) == 0.5""",
    "sklearn": """
import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
x = np.random.default_rng(0).normal(size=(200, 4)); y = (x[:, 0] > 0).astype(int)
RandomForestClassifier(5, n_jobs=2).fit(x, y); HistGradientBoostingClassifier(max_iter=3).fit(x, y); KMeans(2, n_init=1).fit(x)
bool(cross_val_score(LogisticRegression(), x, y).mean() > 0.8)""",
    "torch": """
import torch
m = torch.nn.Linear(8, 1); o = torch.optim.Adam(m.parameters())
m(torch.randn(64, 8)).pow(2).mean().backward(); o.step()
torch.set_num_threads(2); torch.randn(400, 400) @ torch.randn(400, 400)
torch.save(m.state_dict(), 'm.pt'); m.load_state_dict(torch.load('m.pt'))
len(list(torch.utils.data.DataLoader(torch.arange(10), batch_size=3))) == 4""",
    "polars": """
import polars as pl
pl.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}).write_parquet('t.parquet')
pl.scan_parquet('t.parquet').group_by('k').agg(pl.col('v').sum()).sort('k').collect()['v'].to_list() == [4, 2]""",
    "duckdb": """
import duckdb
c = duckdb.connect('d.db')
c.execute('create table t as select range as x from range(100000)'); c.execute("copy t to 't.parquet'")
int(c.execute("select sum(x) from 't.parquet'").fetchone()[0]) == 4999950000""",
    "pyarrow": """
import pyarrow as pa, pyarrow.csv, pyarrow.feather, pyarrow.parquet as pq
t = pa.table({'x': list(range(1000)), 's': ['a'] * 1000})
pq.write_table(t, 't.parquet'); pyarrow.feather.write_feather(t, 't.feather'); pyarrow.csv.write_csv(t, 't.csv')
pq.read_table('t.parquet', memory_map=True).num_rows + pyarrow.csv.read_csv('t.csv').num_rows == 2000""",
    "numba": """
import numba, numpy as np
@numba.njit(parallel=True)
def total(a):
    s = 0.0
    for i in numba.prange(a.size): s += a[i]
    return s
total(np.ones(1000)) == 1000.0""",
    "sqlite3": """
import sqlite3
c = sqlite3.connect('d.db')
c.execute('pragma journal_mode=wal'); c.execute('create table t (x)'); c.executemany('insert into t values (?)', [(i,) for i in range(100)]); c.commit()
n = c.execute('select count(*) from t').fetchone()[0]; c.execute('vacuum'); c.close()
n == 100""",
    "PIL": """
from PIL import Image
Image.new('RGB', (64, 64), 'red').save('i.png'); Image.open('i.png').resize((8, 8)).save('i.jpg')
Image.open('i.jpg').size == (8, 8)""",
    "hypothesis": """
import hypothesis, hypothesis.strategies as st
seen = []
@hypothesis.given(st.integers())
@hypothesis.settings(max_examples=10, deadline=None)
def f(x): seen.append(x)
f()
len(seen) >= 5""",
    "threading": """
import concurrent.futures, queue, threading
q = queue.Queue()
t = threading.Thread(target=lambda: q.put(q.get(timeout=5) + 1)); t.start(); q.put(1); t.join()
with concurrent.futures.ThreadPoolExecutor(4) as pool: n = sum(pool.map(lambda x: x * 2, range(10)))
n == 90 and q.get() == 2""",
    "asyncio": """
import asyncio
await asyncio.sleep(0.01)
await asyncio.to_thread(sum, [1, 2]) == 3""",
    "shutil": """
import fcntl, gzip, mmap, os, pathlib, shutil, tempfile, zipfile
with tempfile.TemporaryDirectory() as d:
    p = pathlib.Path(d) / 'a'; p.mkdir(); (p / 'f').write_text('x' * 5000)
    shutil.copy2(p / 'f', p / 'g'); shutil.copytree(p, pathlib.Path(d) / 'b'); shutil.move(p / 'g', p / 'h')
    os.link(p / 'h', p / 'i'); os.symlink('h', p / 'j'); os.truncate(p / 'h', 10)
    with zipfile.ZipFile(p / 'z.zip', 'w') as z: z.write(p / 'f')
    with gzip.open(p / 'g.gz', 'wb') as g: g.write(b'x')
    with open(p / 'f', 'r+b') as f:
        fcntl.flock(f, fcntl.LOCK_EX); m = mmap.mmap(f.fileno(), 0); m[0] = 65; m.flush(); m.close(); os.fsync(f.fileno())
    n = len(list(pathlib.Path(d).rglob('*')))
n >= 8""",
    "resource": """
import os, platform, resource, signal, time, uuid
time.sleep(0.01); signal.setitimer(signal.ITIMER_REAL, 0); resource.getrusage(resource.RUSAGE_SELF); resource.getrlimit(resource.RLIMIT_AS)
os.cpu_count(); os.sched_getaffinity(0); uuid.uuid4(); os.times(); os.statvfs('.'); platform.platform()
len(os.urandom(8)) == 8""",
}  # fmt: skip
# These start programs, which the weakest level refuses.
PROGRAMS = {
    "programs": """
import subprocess
subprocess.run(['sh', '-c', 'ls / | sort | head -2; date; cp /bin/true t; mv t u; rm u'], capture_output=True).returncode == 0""",
    "pytest": """
import subprocess, sys
open('test_x.py', 'w').write('def test_a(tmp_path, capsys):\\n    (tmp_path / "f").write_text("x")\\n')
subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_x.py'], capture_output=True).returncode == 0""",
}


@pytest.fixture(scope="module", params=LEVELS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param not in available():
        pytest.skip(f"the level {request.param} cannot be had here")
    with Sandbox(level=str(request.param), disk_mb=LIMITS.disk_mb) as sandbox:
        yield sandbox


CASES = [
    (level, name)
    for level in LEVELS
    for name in LIBRARIES
    if importlib.util.find_spec(name) is not None and (level == "landlock" or name not in SLOW)
]


@pytest.mark.parametrize(("sandbox", "name"), CASES, indirect=["sandbox"])
def test_what_notebooks_use_works(sandbox: Sandbox, name: str) -> None:
    assert_true(sandbox, LIBRARIES[name])


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_work_where_they_may_be_started(sandbox: Sandbox, name: str) -> None:
    if sandbox.level == "rlimits":
        report = sandbox.run(Job(codes=(PROGRAMS[name],), limits=LIMITS))[0]
        assert not report.ok, report
    else:
        assert_true(sandbox, PROGRAMS[name])


def assert_true(sandbox: Sandbox, code: str) -> None:
    report = sandbox.run(Job(codes=(code,), limits=LIMITS))[0]
    assert report.ok and report.result is not None and report.result.repr in ("True", "np.True_"), report


def test_forks_of_a_run_know_their_libraries_and_are_not_blamed_for_what_is_hidden(sandbox: Sandbox) -> None:
    """Several candidates run in forks, whose part of /proc Landlock cannot show."""
    loaded = "import math\nlen([line for line in open('/proc/self/maps') if '.so' in line]) > 3"
    hidden = "raise OSError(\"Cannot open file '/proc/self/cgroup': Permission denied\")"
    first, second = sandbox.run(Job(codes=(loaded, hidden), limits=LIMITS))
    assert first.ok and first.result is not None and first.result.repr == "True", first
    if sandbox.level == "landlock":
        assert second.needs is not None and second.needs.reason == "outside", second
    else:
        assert second.needs is None and second.error is not None
