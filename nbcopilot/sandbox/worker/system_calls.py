"""Which system calls code in a sandbox may make: by what they are for, with conditions on arguments where those decide.

A call that is not here is refused: EPERM, or ENOSYS for the newer ones, so that libraries take their older way. Found
by tracing the libraries of `tests/sandbox/test_libraries.py` and the tests (docs/decisions/012-allowed-system-calls.md).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

ALLOWED = {
    "memory": """brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock get_mempolicy membarrier""",
    "open files": """read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup
        dup2 dup3 flock fsync fdatasync sync_file_range fadvise64 readahead sendfile copy_file_range ftruncate fallocate
        fstat fstatfs getdents getdents64 fchdir""",
    "paths": """open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat statfs
        getcwd chdir truncate mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
        umask""",
    "waiting": """poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd
        eventfd2 pipe pipe2 timerfd_create timerfd_settime timerfd_gettime pause restart_syscall""",
    "time": """clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times alarm getitimer setitimer
        timer_create timer_settime timer_gettime timer_getoverrun timer_delete""",
    "own signals": """rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack
        signalfd signalfd4""",
    "own processes": """fork vfork execve execveat wait4 waitid exit exit_group set_tid_address set_robust_list
        get_robust_list futex futex_waitv rseq arch_prctl sched_yield""",
    "questions about itself and the machine": """getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid
        getgroups getpgid getpgrp getsid getpriority capget getrlimit getrusage uname sysinfo getcpu getrandom
        sched_getaffinity sched_getparam sched_getscheduler sched_getattr sched_get_priority_max sched_get_priority_min
        sched_rr_get_interval ioprio_get""",
    "sockets that it has": """recvfrom recvmsg shutdown getsockname getpeername getsockopt""",
}
MODES = """chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat"""
SESSIONS = """setsid setpgid"""
SIGNALS = """kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo"""
# What libraries try first and do without, given the right answer.
ERRORS = {
    errno.EACCES: "socket connect bind listen accept accept4",
    errno.ENOSYS: "clone3",  # its flags cannot be read here; the C library falls back to clone
    errno.ENOTSUP: """getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr
        lremovexattr fremovexattr""",
}
FIRST_NEW = 424  # from here on numbers are the same everywhere, and programs expect calls that a kernel does not have


@dataclass(frozen=True)
class Argument:
    """A condition: argument `at`, without the bits outside `mask`, is one of `values`. wide: its upper half is 0."""

    at: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    wide: bool = False


NULL = (0,)
_NAMESPACES = 0x7E020080  # CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET|NEWTIME
_ASYNC = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others
_DUPFD, _GETFD, _SETFD, _GETFL, _SETFL, _GETLK, _SETLK, _SETLKW = 0, 1, 2, 3, 4, 5, 6, 7
_FCNTL = (_DUPFD, _GETFD, _SETFD, _GETFL, _SETFL, _GETLK, _SETLK, _SETLKW, 36, 37, 38,  # locks of an open file
          1030, 1031, 1032, 1033, 1034)  # F_DUPFD_CLOEXEC, pipe sizes, seals  # fmt: skip
# Looking at a terminal (TCGETS, TCGETS2, TIOCGPGRP, TIOCGWINSZ), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FICLONE.
_IOCTL = (0x5401, 0x802C542A, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409)
# Names of a thread and of memory, ends with the parent, no core files, timer slack, huge pages off, reading of states.
_PRCTL = (1, 2, 3, 15, 16, 21, 23, 27, 29, 30, 38, 39, 40, 41, 42, 51, 56, 0x53564D41)

# Each call with ways to be right: in one of them all conditions hold.
CONDITIONS: dict[str, tuple[tuple[Argument, ...], ...]] = {
    "clone": ((Argument(0, (0,), _NAMESPACES),),),
    "prlimit64": (
        (Argument(2, NULL, wide=True),),
        (Argument(0, (0,)), Argument(1, (0,))),
    ),  # reading; own processor time
    "fcntl": ((Argument(1, _FCNTL),),),
    "ioctl": ((Argument(1, _IOCTL),),),
    "prctl": ((Argument(0, _PRCTL),), (Argument(0, (4,)), Argument(1, (0,)))),  # PR_SET_DUMPABLE: off only
    "sched_setaffinity": ((Argument(0, (0,)),),),  # of itself
    "socketpair": ((Argument(0, (1,)), Argument(1, (1,), 0xF)),),  # connected streams of this machine
    "sendto": ((Argument(4, NULL, wide=True),),),  # to no address
}


def names() -> frozenset[str]:
    """Every call that is named here."""
    texts = [*ALLOWED.values(), MODES, SESSIONS, SIGNALS, *ERRORS.values()]
    return frozenset(name for text in texts for name in text.split()) | frozenset(CONDITIONS)


def allowed(*more: str) -> Iterable[str]:
    """The calls that need no condition, with those of the texts `more`."""
    return [name for text in (*ALLOWED.values(), *more) for name in text.split()]
