"""Attempts to get out of the sandbox or to use up the machine, at every level that this machine has.

Each attempt is code that prints ESCAPED when it got what it wanted; canaries outside (files, a process, sockets)
are looked at afterwards, and the sandbox must serve the next job. `open_at` names the levels at which an attempt is
known to succeed: the statement in sandbox/start.py, held to be true in both directions.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nbcopilot.execution import Job, Limits, RunReport
from nbcopilot.policy import LEVELS
from nbcopilot.sandbox import bubblewrap
from nbcopilot.sandbox.start import Sandbox
from nbcopilot.sandbox.worker import landlock

BEST, MIDDLE, WEAKEST = "bubblewrap", "landlock", "rlimits"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no sandbox")

CTYPES = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); syscall = libc.syscall\n"


@dataclass(frozen=True)
class Attempt:
    """Code, and the levels where it is known to succeed."""

    name: str
    code: str
    open_at: tuple[str, ...] = ()


def attempt(name: str, code: str, *open_at: str) -> Attempt:
    return Attempt(name, code, open_at)


# Where no filter of system calls can be had, the hook of the weakest level sees nothing of these.
NO_FILTER = () if sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64") else (WEAKEST,)

ATTEMPTS = [
    # ------------------------------------------------------------------ network
    attempt("tcp to this machine", "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\nprint('ESCAPED')"),
    attempt("tcp to the world", "import socket\nsocket.create_connection(('1.1.1.1', 53), 1)\nprint('ESCAPED')"),
    attempt("dns", "import socket\nsocket.getaddrinfo('example.org', 80)\nprint('ESCAPED')"),
    attempt("udp", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('127.0.0.1', PORT))\nprint('ESCAPED')"),
    attempt("http", "import urllib.request\nurllib.request.urlopen(f'http://127.0.0.1:{PORT}/', timeout=1)\nprint('ESCAPED')"),
    attempt("listening", "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nprint('ESCAPED')"),
    attempt("raw socket", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\nprint('ESCAPED')"),
    attempt("packet socket", "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nprint('ESCAPED')"),
    attempt("netlink", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\nprint('ESCAPED')"),
    attempt("our engine's socket", "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(SOCK)\nprint('ESCAPED')"),
    attempt("abstract unix socket", "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0' + ABSTRACT)\nprint('ESCAPED')"),
    attempt("tcp by bash", "import subprocess\nprint(subprocess.run(['bash', '-c', f'echo x > /dev/tcp/127.0.0.1/{PORT} && echo ESC''APED'], capture_output=True, text=True).stdout)"),
    attempt("socket by system call", CTYPES + "if libc.socket(2, 1, 0) >= 0: print('ESCAPED')"),
    attempt("io_uring", CTYPES + "import os\nif syscall(425, 4, ctypes.create_string_buffer(256)) >= 0: print('ESCAPED')"),
    attempt("session bus", "import socket, glob\nfor p in glob.glob('/run/**/*.sock', recursive=True) + ['/run/dbus/system_bus_socket', '/var/run/docker.sock']:\n    try:\n        s = socket.socket(socket.AF_UNIX); s.connect(p); print('ESCAPED')\n    except OSError: pass"),
    # ------------------------------------------------------------------ files
    attempt("write outside", "open(OUT + '/new.txt', 'w').write('x')\nprint('ESCAPED')"),
    attempt("append outside", "open(CANARY, 'a').write('x')\nprint('ESCAPED')"),
    attempt("delete outside", "import os\nos.remove(CANARY)\nprint('ESCAPED')"),
    attempt("rename outside", "import os\nos.rename(CANARY, CANARY + '2')\nprint('ESCAPED')"),
    attempt("truncate outside", "import os\nos.truncate(CANARY, 0)\nprint('ESCAPED')"),
    attempt("chmod outside", "import os\nos.chmod(CANARY, 0o777)"),
    attempt("touch outside", "import os\nos.utime(CANARY, (0, 0))"),
    attempt("mkdir outside", "import os\nos.mkdir(OUT + '/d')\nprint('ESCAPED')"),
    attempt("write through a symlink", "import os\nos.symlink(CANARY, 'link')\nopen('link', 'w').write('x')\nprint('ESCAPED')"),
    attempt("write through a hard link", "import os\nos.link(CANARY, 'hard')\nopen('hard', 'w').write('x')\nprint('ESCAPED')"),
    attempt("write by a shell", "import os\nos.system(f'echo x > {OUT}/new.txt')"),
    attempt("write by low-level open", "import os\nfd = os.open(OUT + '/new.txt', os.O_CREAT | os.O_WRONLY)\nprint('ESCAPED')"),
    attempt("sqlite outside", "import sqlite3\nc = sqlite3.connect(OUT + '/new.db')\nc.execute('create table t (x)')\nc.commit()\nprint('ESCAPED')"),
    attempt("private key", "if 'PRIVATE' in open(HOME + '/.ssh/id_ed25519').read(): print('ESCAPED')"),
    attempt("password file by a symlink", "import os\nos.symlink(HOME + '/.netrc', 'n')\nif 'hunter2' in open('n').read(): print('ESCAPED')"),
    attempt("secrets by a program", "import subprocess\nif 'hunter2' in subprocess.run(['cat', HOME + '/.netrc'], capture_output=True, text=True).stdout: print('ESCAPED')"),
    attempt("list of the home folder", "import os\nif '.ssh' in os.listdir(HOME): print('ESCAPED')", WEAKEST),
    attempt("secrets of the notebook's folder", "if 'hunter2' in open(DATA + '/.env').read(): print('ESCAPED')"),
    attempt("write into the notebook's folder", "open(DATA + '/new.csv', 'w').write('x')\nprint('ESCAPED')"),
    attempt("delete the notebook's data", "import os\nos.remove(DATA + '/big.bin')\nprint('ESCAPED')"),
    attempt("change data through the scratch folder", "open('big.bin', 'r+b').write(b'x')\nprint('ESCAPED')"),
    attempt("write into the interpreter", "import sys, os\nopen(os.path.join(sys.prefix, 'nbcopilot-escape'), 'w')\nprint('ESCAPED')"),
    attempt("password hashes", "if 'root:' in open('/etc/shadow').read(): print('ESCAPED')", WEAKEST),
    attempt("environment of the parent", "import os\nfor p in os.listdir('/proc'):\n    if p.isdigit():\n        try:\n            if b'hunter2' in open(f'/proc/{p}/environ', 'rb').read(): print('ESCAPED')\n        except OSError: pass"),
    attempt("file system of process 1", "import os\nif os.path.exists('/proc/1/root' + CANARY): print('ESCAPED')\nopen('/proc/1/root' + CANARY, 'a').write('x')\nprint('ESCAPED')"),
    attempt("memory of the parent", "import os\nopen(f'/proc/{os.getppid()}/mem', 'r+b')\nprint('ESCAPED')"),
    attempt("file handles left open", "import os\nfor fd in range(3, 256):\n    try:\n        t = os.readlink(f'/proc/self/fd/{fd}')\n    except OSError: continue\n    if t.startswith('socket') or CANARY in t: print('ESCAPED')"),
    attempt("mount", CTYPES + "if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0: print('ESCAPED')"),
    attempt("new namespaces", CTYPES + "if libc.unshare(0x10020000) == 0: print('ESCAPED')"),
    attempt("chroot", "import os\nos.chroot('.')\nprint('ESCAPED')"),
    attempt("deleting the working folder", "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)\nos.chdir('/')"),
    attempt("locking the working folder", "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)"),
    attempt("deep folders", "import os\nfor i in range(400):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)"),
    # ------------------------------------------------------------------ processes and signals
    attempt("kill a stranger", "import os\nos.kill(PID, 9)\nprint('ESCAPED')"),
    attempt("kill everything", "import os, time\nos.kill(-1, 9)"),
    attempt("kill the parent", "import os\nos.kill(os.getppid(), 9)"),
    attempt("stop the parent", "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)"),
    attempt("kill by a shell", "import os\nos.system(f'kill -9 {PID}')"),
    attempt("kill by system call", CTYPES + "if libc.kill(PID, 9) == 0: print('ESCAPED')"),
    attempt("ptrace", CTYPES + "if libc.ptrace(16, PID, 0, 0) == 0: print('ESCAPED')"),
    attempt("read another's memory", CTYPES + "if syscall(310, PID, 0, 0, 0, 0, 0) >= 0: print('ESCAPED')"),
    attempt("fork bomb", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    attempt("shell bomb", "import subprocess\nwhile True: subprocess.Popen(['sleep', '30'])"),
    attempt("a daemon left behind", "import os, time\nif os.fork() == 0:\n    try: os.setsid()\n    except OSError: pass\n    if os.fork() == 0:\n        for _ in range(600):\n            time.sleep(0.1)\n    os._exit(0)"),
    attempt("a thread left behind", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"),
    attempt("an exit hook", "import atexit, time\natexit.register(time.sleep, 60)"),
    attempt("becoming another program", "import os\nos.execv('/bin/sh', ['sh', '-c', f'echo x > {OUT}/new.txt; sleep 30'])"),
    attempt("higher limits", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\nprint('ESCAPED')"),
    attempt("kernel keys", CTYPES + "if syscall(248, b'user', b'x', b'y', 1, -3) >= 0: print('ESCAPED')"),
    attempt("typing into the terminal", "import fcntl, os\nfd = os.open('/dev/tty', os.O_RDWR)\nfcntl.ioctl(fd, 0x5412, b'x')\nprint('ESCAPED')"),
    attempt("native code", CTYPES + "if libc.open((OUT + '/new.txt').encode(), 65, 0o600) >= 0: print('ESCAPED')"),
    attempt("switching off the audit hook", "import sys\nfor name, module in list(sys.modules.items()):\n    if name.endswith('worker.audit'): module.PAUSED.append(1)\nopen(OUT + '/new.txt', 'w').write('x')\nprint('ESCAPED')"),
    # ------------------------------------------------------------------ resources
    attempt("memory", "x = []\nwhile True: x.append(bytearray(10_000_000))"),
    attempt("memory of many processes", "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        x = bytearray(os.urandom(1) * 90_000_000)\n        time.sleep(30)\ntime.sleep(30)"),
    attempt("memory outside the process", CTYPES + "fd = syscall(319, b'x', 0)\nif fd >= 0: print('ESCAPED')"),
    attempt("shared memory", CTYPES + "if libc.shmget(0, 1 << 30, 0o1600) >= 0: print('ESCAPED')"),
    attempt("endless loop", "while True: pass"),
    attempt("endless loop that catches all", "while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    attempt("endless loop in C", "sum(range(10 ** 15))"),
    attempt("endless loop with signals blocked", "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass"),
    attempt("endless sleep", "import time\ntime.sleep(10_000)"),
    attempt("printing a gigabyte", "for _ in range(1000): print('x' * 1_000_000)"),
    attempt("writing a gigabyte to file handle 1", "import os\nfor _ in range(1000): os.write(1, b'x' * 1_000_000)"),
    attempt("a file of ten gigabytes", "f = open('big', 'wb')\nfor _ in range(1000): f.write(b'x' * 10_000_000)\nprint('ESCAPED')"),
    attempt("a sparse file of ten gigabytes", "f = open('big', 'wb')\nf.truncate(10 ** 10)\nprint('ESCAPED')"),
    attempt("a thousand files of a megabyte", "import time\nfor i in range(1000):\n    open(f'f{i}', 'wb').write(b'x' * 1_000_000)\n    time.sleep(0.001)\nprint('ESCAPED')"),
    attempt("filling /dev/shm", "for i in range(1000): open(f'/dev/shm/nbc{i}', 'wb').write(b'x' * 1_000_000)\nprint('ESCAPED')"),
    attempt("ten thousand open files", "import os\nx = [os.open('/dev/null', os.O_RDONLY) for _ in range(10_000)]\nprint('ESCAPED')"),
    attempt("endless recursion", "def f(): f()\nf()"),
    attempt("a crash in native code", CTYPES + "ctypes.string_at(0)"),
    attempt("ending the process", "import os\nos._exit(0)"),
    attempt("waiting for input", "input('password? ')"),
    attempt("secrets in the environment", "import os\nif 'hunter2' in str(dict(os.environ)): print('ESCAPED')"),
    attempt("a repr without end", "class A:\n    def __repr__(self):\n        while True: pass\nA()"),
    # ------------------------------------------------------------------ later additions
    attempt("a datagram from a socket pair", "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendto(b'x', DGRAM)\nprint('ESCAPED')"),
    attempt("a datagram by message", CTYPES + "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendmsg([b'x'], [], 0, DGRAM)\nprint('ESCAPED')"),
    attempt("handles handed over", "import socket, os\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\nsocket.send_fds(a, [b'x'], [0], 0, DGRAM)\nprint('ESCAPED')"),
    attempt("priority of another process", CTYPES + "if libc.setpriority(0, PID, 15) == 0: print('ESCAPED')"),
    attempt("scheduling of another process", "import os\nos.sched_setscheduler(PID, os.SCHED_IDLE, os.sched_param(0))\nprint('ESCAPED')", *NO_FILTER),
    attempt("processors of another process", "import os\nos.sched_setaffinity(PID, {0})\nprint('ESCAPED')", *NO_FILTER),
    attempt("input and output of another process", CTYPES + "if syscall(251, 1, PID, (3 << 13)) == 0: print('ESCAPED')"),
    attempt("watching files outside", CTYPES + "fd = libc.inotify_init()\nif fd >= 0 and libc.inotify_add_watch(fd, OUT.encode(), 0xfff) >= 0: print('ESCAPED')"),
    attempt("attributes of a file by a new call", CTYPES + "if syscall(469, -100, CANARY.encode(), ctypes.create_string_buffer(32), 24, 0) == 0 or ctypes.get_errno() not in (1, 2, 38, 13): print('ESCAPED')"),
    attempt("inode flags", "import fcntl, os\nfd = os.open(CANARY, os.O_RDONLY)\nfcntl.ioctl(fd, 0x40086602, (0x40).to_bytes(8, 'little'))\nprint('ESCAPED')", *NO_FILTER),
    attempt("moving pages of another process", CTYPES + "if syscall(279, PID, 0, 0, 0, 0, 0) == 0: print('ESCAPED')"),
    attempt("a program started by hand", "import _posixsubprocess, os\nr, w = os.pipe()\n_posixsubprocess.fork_exec([b'/bin/sh', b'-c', f'echo x > {OUT}/new.txt'.encode()], [b'/bin/sh'], True, (w,), None, None, -1, -1, -1, -1, -1, -1, r, w, False, False, -1, None, None, None, -1, None, True)\nimport time\ntime.sleep(0.5)"),
    attempt("a program started by a second copy", "import sys\nsys.modules.pop('_posixsubprocess', None)\nimport _posixsubprocess as p, os\nr, w = os.pipe()\np.fork_exec([b'/bin/sh', b'-c', f'echo x > {OUT}/new.txt'.encode()], [b'/bin/sh'], True, (w,), None, None, -1, -1, -1, -1, -1, -1, r, w, False, False, -1, None, None, None, -1, None, True)\nimport time\ntime.sleep(0.5)"),
    attempt("a file by an open folder", "import os\nfd = os.open(OUT, os.O_RDONLY)\nos.open('new.txt', os.O_CREAT | os.O_WRONLY, dir_fd=fd)\nprint('ESCAPED')"),
    attempt("a folder by an open folder", "import os\nfd = os.open(OUT, os.O_RDONLY)\nos.mkdir('new', dir_fd=fd)\nprint('ESCAPED')"),
    attempt("a removal by an open folder", "import os\nfd = os.open(OUT, os.O_RDONLY)\nos.unlink('canary.txt', dir_fd=fd)\nprint('ESCAPED')"),
    attempt("many files", "for i in range(400):\n    open(f'f{i:05}', 'w').close()\nfor i in range(30000):\n    open(f'g{i}', 'wb').write(b'x' * 100_000)\nprint('ESCAPED')"),
    attempt("files in deep folders", "import os\nfor i in range(2000):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\n    open('f', 'wb').write(b'x' * 1_000_000)\nprint('ESCAPED')"),
    attempt("a regex without end", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')"),
]  # fmt: skip


@dataclass
class Outside:
    """What lies outside the sandbox and must be as it was afterwards."""

    folder: Path
    sandbox: Sandbox
    process: subprocess.Popen[bytes]
    connections: list[str]
    setup: str

    def state(self) -> dict[str, object]:
        files = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                info = path.stat()
                files[str(path)] = (info.st_mode, info.st_mtime_ns, path.read_bytes())
            elif path.is_dir():
                files[str(path)] = ()
        return {"files": files, "connections": list(self.connections), "alive": self.process.poll() is None}


LIMITS = Limits(seconds=1.5, setup_seconds=5, memory_mb=512, processes=20, file_mb=32, disk_mb=64)
# For what has to work, on a busy machine too.
PATIENT = replace(LIMITS, seconds=30, setup_seconds=30)


def available() -> list[str]:
    found = [WEAKEST]
    if landlock.version():
        found.append(MIDDLE)
    if bubblewrap.program():
        found.append(BEST)
    return found


@pytest.fixture(scope="module", params=LEVELS)
def outside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    level = str(request.param)
    if level not in available():
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail(f"the level {level} cannot be had here, and CI must not skip it")
        pytest.skip(f"the level {level} cannot be had here")
    folder = tmp_path_factory.mktemp("outside")
    home, data, out = folder / "home", folder / "data", folder / "out"
    for path in (home / ".ssh", data, out):
        path.mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text("PRIVATE")
    (home / ".netrc").write_text("hunter2")
    (data / ".env").write_text("KEY=hunter2")
    (data / "big.bin").write_bytes(bytes(2_000_000))
    (out / "canary.txt").write_text("canary")
    connections: list[str] = []
    servers = [
        listen(socket.AF_INET, ("127.0.0.1", 0), connections),
        listen(socket.AF_UNIX, str(folder / "e.sock"), connections),
    ]
    datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagrams.bind(str(folder / "d.sock"))
    servers.append(datagrams)
    abstract = f"nbcopilot-test-{uuid.uuid4()}"
    if sys.platform == "linux":
        servers.append(listen(socket.AF_UNIX, "\0" + abstract, connections))
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, "TOKEN": "hunter2"})
    values = {
        "PORT": servers[0].getsockname()[1], "SOCK": str(folder / "e.sock"), "DGRAM": str(folder / "d.sock"), "ABSTRACT": abstract, "PID": process.pid,
        "HOME": str(home), "DATA": str(data), "OUT": str(out), "CANARY": str(out / "canary.txt"),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("TOKEN", "hunter2")
        with Sandbox(level=level, data_dir=data, disk_mb=LIMITS.disk_mb) as sandbox:
            setup = "\n".join(f"{name} = {value!r}" for name, value in values.items())
            yield Outside(folder, sandbox, process, connections, setup)
    process.kill()
    process.wait()
    for server in servers:
        server.close()


def listen(family: int, address: object, connections: list[str]) -> socket.socket:
    server = socket.socket(family)
    server.bind(address)  # type: ignore[arg-type]
    server.listen()

    def serve() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return
            connections.append(str(address))

    threading.Thread(target=serve, daemon=True).start()
    return server


def run(outside: Outside, code: str, limits: Limits = PATIENT) -> RunReport:
    return outside.sandbox.run(Job(codes=(code,), setup=(outside.setup,), limits=limits))[0]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_escape(outside: Outside, attempt: Attempt, record_property: Callable[[str, object], None]) -> None:
    level = outside.sandbox.level
    before = outside.state()
    report = run(outside, attempt.code, PATIENT if level in attempt.open_at else LIMITS)
    escaped = "ESCAPED" in report.stdout or outside.state() != before
    for name, value in (("attempt", attempt.name), ("level", level), ("escaped", escaped)):
        record_property(name, value)  # read by benchmarks/escapes.py
    assert escaped == (level in attempt.open_at), f"{report}\n{outside.connections}"
    restore(outside)
    after = run(outside, "1 + 1")
    assert after.ok and after.result is not None and after.result.repr == "2", after


def restore(outside: Outside) -> None:
    """Take back what a level that is open let happen."""
    for path in (outside.folder / "out").iterdir():
        if path.name != "canary.txt":
            path.unlink()
    (outside.folder / "out" / "canary.txt").write_text("canary")


def test_there_are_at_least_forty_attempts() -> None:
    assert len(ATTEMPTS) >= 40
    assert len({a.name for a in ATTEMPTS}) == len(ATTEMPTS)


def test_everything_is_stopped_at_the_best_level() -> None:
    assert not [a.name for a in ATTEMPTS if BEST in a.open_at]
