"""Attempts that need no time and use up nothing: all of them as cells of one job, at every level that this machine has.

Written after the filter of system calls became a list of what is allowed, against files, other processes, the kernel
and what native code can do; `test_escapes` has the loud ones. ESCAPED is printed on success, except that NEW is a path of
each attempt's own that must not be there outside, and what lies outside is as it was.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from nbcopilot.execution import Job
from tests.sandbox.test_escapes import CTYPES, PATIENT, Attempt, Outside, attempt, outside

__all__ = ["outside"]  # the fixture
E = "print('ESCAPED')"


# Loaded once, for all.
SETUP = "import multiprocessing, numpy, pandas, sqlite3, subprocess, urllib.request\n"


def native(name: str, call: str, *open_at: str, before: str = "") -> Attempt:
    """A call that succeeds with 0 or more; one that makes a file has to make it outside."""
    then = "pass" if "NEW" in call else E
    return attempt(name, f"{CTYPES}import os, struct\n{before}\nif {call} >= 0: {then}", *open_at)


ATTEMPTS = [
    # ------------------------------------------------------------------ network
    attempt("vsock", f"import socket\nsocket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)\n{E}"),
    attempt("crypto socket", f"import socket\nsocket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)\n{E}"),
    attempt("sequenced pair", f"import socket\nsocket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n{E}"),
    attempt("a pair connected elsewhere", f"import socket\na, b = socket.socketpair()\na.connect(SOCK)\n{E}"),
    attempt("a pair that listens", f"import socket\na, b = socket.socketpair()\na.bind(os.getcwd() + '/s')\n{E}".replace("import socket", "import os, socket")),
    native("socket of the 32-bit entry", "syscall(0x40000000 + 41, 2, 1, 0)"),
    native("socket by a socket call of i386", "f()", before="import mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(bytes([0xb8, 0x67, 1, 0, 0, 0xbb, 2, 0, 0, 0, 0xb9, 1, 0, 0, 0, 0x31, 0xd2, 0xcd, 0x80, 0xc3]))\nf = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))"),
    native("io_uring without its call", "syscall(427, 0, 0, 0, 0)"),
    attempt("a proxy in the environment", f"import urllib.request\nurllib.request.urlopen(urllib.request.Request('http://x.example/', headers={{}}), timeout=1)\n{E}"),
    # ------------------------------------------------------------------ writing
    native("opening by openat2", "syscall(437, -100, NEW.encode(), struct.pack('QQQ', 0o101, 0o600, 0), 24)"),
    native("creating by its own call", "syscall(85, NEW.encode(), 0o600)"),
    native("a file without a name", "libc.open(OUT.encode(), 0o20200002, 0o600)"),
    native("exchanging names", "syscall(316, -100, b'mine', -100, CANARY.encode(), 2)", before="open('mine', 'w').write('x')"),
    attempt("a hard link outside", "import os\nopen('mine', 'w').close()\nos.link('mine', NEW)"),
    attempt("a link outside", "import os\nos.symlink('/etc', NEW)"),
    attempt("a pipe outside", "import os\nos.mkfifo(NEW)"),
    attempt("a device in the scratch folder", f"import os, stat\nos.mknod('dev', 0o600 | stat.S_IFCHR, os.makedev(1, 1))\nopen('dev', 'rb')\n{E}"),
    attempt("numpy in place", f"import numpy as np\nm = np.memmap(CANARY, mode='r+', shape=(1,), dtype='u1'); m[0] = 1; m.flush()\n{E}"),
    attempt("numpy outside", "import numpy as np\nnp.zeros(3).tofile(NEW)"),
    attempt("pandas outside", "import pandas as pd\npd.DataFrame({'x': [1]}).to_csv(NEW)"),
    attempt("a log outside", "import logging\nlogging.FileHandler(NEW)"),
    attempt("a database of texts outside", "import dbm.dumb\ndbm.dumb.open(NEW, 'c')['a'] = b'b'"),
    attempt("an archive that climbs", "import io, os, tarfile\nb = io.BytesIO()\nt = tarfile.open(fileobj=b, mode='w'); i = tarfile.TarInfo(os.path.relpath(NEW)); i.size = 1; t.addfile(i, io.BytesIO(b'x')); t.close(); b.seek(0)\ntarfile.open(fileobj=b).extractall('.')"),
    attempt("by the root of the process", "open('/proc/self/root' + NEW, 'w').write('x')"),
    attempt("by its working folder", "import os\nopen('/proc/self/cwd/' + os.path.relpath(NEW), 'w').write('x')"),
    attempt("by an open path", "import os\nfd = os.open(OUT, os.O_PATH)\nopen(f'/proc/self/fd/{fd}/' + os.path.basename(NEW), 'w').write('x')"),
    attempt("through a folder that is changed", "import os\nos.mkdir('d')\nos.rename('d', NEW)"),
    attempt("into a byte code cache", f"import os\nos.makedirs(DATA + '/__pycache__', exist_ok=True)\nopen(DATA + '/__pycache__/helper.cpython-311.pyc', 'wb').write(b'x')\n{E}"),
    attempt("a path file of the interpreter", f"import sysconfig\nopen(sysconfig.get_path('purelib') + '/nbcopilot-escape.pth', 'w').write('import os')\n{E}"),
    native("a mapping of a file that is read only", "libc.mprotect(ctypes.c_void_p(a), 4096, 3)", before="libc.mmap.restype = ctypes.c_void_p\nfd = os.open(DATA + '/big.bin', os.O_RDONLY)\na = libc.mmap(None, 4096, 1, 1, fd, 0)"),
    attempt("owner of a file", "import os\nos.chown(CANARY, 65534, 65534)"),
    attempt("times by an open file", "import os\nos.utime(os.open(DATA + '/big.bin', os.O_RDONLY), (0, 0))"),
    native("modes by a newer call", "0 if os.stat(CANARY).st_mode & 0o7777 == 0o777 else -1", before="syscall(452, -100, CANARY.encode(), 0o777, 0)"),
    attempt("an attribute of a user's", f"import os\nos.setxattr(CANARY, 'user.x', b'y')\nprint(os.listxattr(CANARY))\nassert os.getxattr(CANARY, 'user.x') == b'y'\n{E}"),
    attempt("a lease", f"import fcntl, os\nfcntl.fcntl(os.open(DATA + '/big.bin', os.O_RDONLY), 1024, fcntl.F_RDLCK)\n{E}"),
    attempt("notices of a folder", f"import fcntl, os\nfcntl.fcntl(os.open(DATA, os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)\n{E}"),
    # ------------------------------------------------------------------ reading
    attempt("secrets by the root of the process", f"if 'hunter2' in open('/proc/self/root' + HOME + '/.netrc').read(): {E}"),
    attempt("a hard link to a secret", f"import os\nos.link(DATA + '/.env', 'mine')\nif 'hunter2' in open('mine').read(): {E}"),
    attempt("a secret moved here", f"import os\nos.rename(DATA + '/.env', 'mine')\nif 'hunter2' in open('mine').read(): {E}"),
    attempt("a secret exchanged", f"import glob\nif any('hunter2' in open(p).read() for p in glob.glob(DATA + '/.*')): {E}"),
    attempt("a secret by sqlite", f"import sqlite3\nc = sqlite3.connect('file:' + HOME + '/.netrc?mode=ro&immutable=1', uri=True)\ntry: c.execute('select 1 from sqlite_master')\nexcept sqlite3.DatabaseError as e:\n    if 'not a database' in str(e): {E}"),
    attempt("command lines of others", f"import os\nif any(b'600' in open(f'/proc/{{p}}/cmdline', 'rb').read() for p in [PID]): {E}"),
    attempt("memory maps of others", f"open(f'/proc/{{PID}}/maps').read()\n{E}"),
    attempt("input of the parent", f"import os\nos.read(os.open(f'/proc/{{os.getppid()}}/fd/0', os.O_RDONLY | os.O_NONBLOCK), 1)\n{E}"),
    attempt("output of the parent", f"import os\nos.write(os.open(f'/proc/{{os.getppid()}}/fd/4', os.O_WRONLY | os.O_NONBLOCK), b'')\n{E}"),
    attempt("the kernel's log", f"import os\nos.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)\n{E}"),
    attempt("the kernel's log by call", f"{CTYPES}b = ctypes.create_string_buffer(64)\nif libc.klogctl(3, b, 64) > 0: {E}"),
    attempt("discs", f"import glob, os\nfor p in glob.glob('/dev/[vs]d*'): os.read(os.open(p, os.O_RDONLY), 1); {E}"),
    attempt("processes that share our user", f"import os\nif os.listdir(f'/proc/{{PID}}/fd'): {E}"),
    attempt("connections of the machine", f"if len(open('/proc/net/tcp').readlines()) > 1: {E}"),
    # ------------------------------------------------------------------ processes
    native("a handle of a process", "syscall(434, PID, 0)"),
    native("handles of another", "syscall(438, syscall(434, PID, 0), 0, 0)"),
    native("comparing processes", "syscall(312, os.getpid(), PID, 0, 0, 0)"),
    native("memory advice to another", "syscall(440, 3, 0, 0, 4, 0)"),
    native("limits of another", "libc.prlimit(PID, 7, struct.pack('QQ', 1, 1), None)"),
    native("attributes of scheduling", "syscall(314, PID, struct.pack('IIQiIQQQ', 48, 3, 0, 0, 0, 0, 0, 0), 0)"),
    native("another's group", "libc.setpgid(PID, os.getpid())"),
    native("a signal to a thread", "libc.tgkill(PID, PID, 0)"),
    native("a signal with a value", "syscall(129, PID, 10, struct.pack('iiii112x', 10, 0, -1, 0))"),
    native("a signal by a handle", "syscall(424, syscall(434, PID, 0), 9, 0, 0)"),
    attempt("a signal when a pipe is ready", f"import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETSIG, 9); fcntl.fcntl(r, fcntl.F_SETOWN, PID); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)\nos.write(w, b'x')\n{E}"),
    attempt("the owner of a pipe", f"import fcntl, os\nr, w = os.pipe()\nfcntl.ioctl(r, 0x8901, PID.to_bytes(4, 'little'))\n{E}"),
    native("namespaces of another", "libc.setns(os.open(f'/proc/{PID}/ns/net', os.O_RDONLY), 0)"),
    native("a user namespace", "libc.unshare(0x10000000)"),
    native("a namespace with a new process", "syscall(56, 0x10000011, 0, 0, 0, 0)"),
    native("being traced", "libc.ptrace(0, 0, 0, 0)"),
    native("another personality", "libc.personality(0x0040000)"),
    native("a fault handler", "syscall(323, 1)"),
    native("counters of the processor", "syscall(298, struct.pack('IIQ104x', 1, 112, 0), 0, -1, -1, 0)"),
    native("a program of the kernel", "syscall(321, 5, ctypes.create_string_buffer(128), 128)"),
    native("a session of keys", "syscall(250, 1, b'x')"),
    native("secret memory", "syscall(447, 0)"),
    native("a message queue", "libc.mq_open(b'/nbc', 0o102, 0o600, None)"),
    native("semaphores", "libc.semget(0, 4, 0o1600)"),
    native("a further filter", "libc.prctl(22, 2, struct.pack('HxxxxxxP', 0, 0), 0, 0)"),
    native("being dumped", "libc.prctl(4, 1, 0, 0, 0)"),
    native("more capabilities", "libc.prctl(47, 2, 21, 0, 0)"),
    native("the machine's discs flushed", "syscall(306, os.open('.', os.O_RDONLY))"),
    attempt("a terminal of its own", f"import os\nm, s = os.openpty()\nimport fcntl; fcntl.ioctl(s, 0x540E, 0)\n{E}"),
    attempt("less likely to be killed", f"open('/proc/self/oom_score_adj', 'wb', 0).write(b'-1000')\n{E}"),
    attempt("settings of the kernel", f"import glob, os\nfor p in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/vm/drop_caches'):\n    try: os.open(p, os.O_WRONLY); {E}\n    except OSError: pass"),
    attempt("spawning by the library", "import os, time\nos.posix_spawn('/bin/sh', ['sh', '-c', 'echo x > ' + NEW], {})\ntime.sleep(0.2)"),
    attempt("a process by multiprocessing", "import multiprocessing as m\np = m.get_context('fork').Process(target=lambda: open(NEW, 'w').close()); p.start(); p.join()"),
    attempt("native code by numpy", "import numpy.ctypeslib as c\nl = c.load_library('libc.so.6', '/lib/x86_64-linux-gnu')\nif l.open(NEW.encode(), 65, 0o600) >= 0: pass"),
    attempt("native code by cffi", "import cffi\nf = cffi.FFI(); f.cdef('int open(const char *, int, int);')\nif f.dlopen(None).open(NEW.encode(), 65, 0o600) >= 0: pass"),
]  # fmt: skip


def test_nothing_gets_out_but_what_is_known(outside: Outside) -> None:
    before = outside.state()
    level = outside.sandbox.level
    new = [f"new-{i:03}" for i in range(len(ATTEMPTS))]
    codes = [f"NEW = OUT + '/{name}'\n{a.code}" for name, a in zip(new, ATTEMPTS, strict=True)]
    reports = outside.sandbox.run(
        Job(codes=tuple(codes), setup=(SETUP + outside.setup,), limits=replace(PATIENT, seconds=60, setup_seconds=300))
    )
    assert all(report.ran for report in reports), reports[0]
    got_out = set()
    for a, name, report in zip(ATTEMPTS, new, reports, strict=True):
        made = list(outside.folder.glob(f"out/{name}*"))
        if made or "ESCAPED" in report.stdout:
            got_out.add(a.name)
        for path in made:
            path.unlink()
    if "-v" in sys.argv:
        for a, report in zip(ATTEMPTS, reports, strict=True):
            print(level, a.name, report.error, report.stdout.strip())
    assert got_out == {a.name for a in ATTEMPTS if level in a.open_at}
    assert outside.state() == before


def test_the_names_are_names() -> None:
    assert len({a.name for a in ATTEMPTS}) == len(ATTEMPTS) >= 60
