"""A seccomp filter by ctypes: system calls that a check never needs and an escape would.

Denied: sockets, ptrace and reading other processes, mounting and new namespaces, kernel keys, bpf, perf, io_uring,
memory outside the limits (memfd, SysV), raising limits, leaving the session, messages to an address, priorities and
placement of processes, watching files, attributes of files, every call newer than this list; on request, signals to others and
changes of file modes (which Landlock does not cover: they seem to succeed and do nothing).
Linux on x86-64 and aarch64; elsewhere `install` returns False. Numbers from the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# name: (x86-64, aarch64); None where the architecture has no such call.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "setrlimit": (160, 164), "personality": (135, 92), "reboot": (169, 142), "kexec_load": (246, 104),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "swapon": (167, 224), "swapoff": (168, 225),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "vhangup": (153, 58),
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setgroups": (116, 159), "capset": (126, 91), "kexec_file_load": (320, 294),
    "quotactl_fd": (443, 443), "lsm_set_self_attr": (460, 460), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
}  # fmt: skip
_LEAVING = {"setsid": (112, 157), "setpgid": (109, 154)}
_SIGNALS = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
            "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424)}  # fmt: skip
_MODES = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT, _IOCTL = (56, 220), (435, 435), (302, 261), (16, 29)
_SOCKETPAIR, _SENDTO = (53, 199), (44, 206)
_FIRST_UNKNOWN = 463  # calls from here on came after Linux 6.12; what they may do nobody has looked at for this filter
# TIOCSTI, TIOCLINUX; FS_IOC_SETFLAGS (64 and 32 bits), FSSETXATTR, SETVERSION (64 and 32 bits), ENABLE_VERITY,
# SET_ENCRYPTION_POLICY, ADD_ENCRYPTION_KEY, SETFSLABEL
_IOCTLS = (0x5412, 0x541C, 0x40086602, 0x40046602, 0x401C5820, 0x40087602, 0x40047602, 0x40806685, 0x800C6613,
           0xC0506617, 0x41009432)  # fmt: skip

_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET|NEWTIME
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AND, _RETURN, _ATLEAST, _MASK = 0x20, 0x15, 0x45, 0x06, 0x35, 0x54
_NR, _ARCH, _ARG = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes, low word first
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22


def install(*, signals_to: int | None = None, freeze_modes: bool = False, keep_session: bool = False) -> bool:
    """Put the filter on this process and all that it will start; True when it is in force.

    signals_to: the only process id that may get signals (None: no such rule). freeze_modes: chmod, chown and the
    like do nothing. keep_session: setsid and setpgid are denied, so that a group can be killed as one.
    """
    arch = _ARCHES.get(platform.machine())
    if arch is None or not hasattr(os, "fork") or struct.calcsize("P") != 8 or platform.system() != "Linux":
        return False
    program = _program(*arch, signals_to=signals_to, freeze_modes=freeze_modes, keep_session=keep_session)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(head), 0, 0) == 0)


def _program(column: int, audit_arch: int, *, signals_to: int | None, freeze_modes: bool, keep_session: bool) -> bytes:
    """The filter as BPF. Each rule is complete in itself: load, test, return."""
    code: list[bytes] = [
        _op(_LOAD, _ARCH), _op(_EQUAL, audit_arch, 1, 0), _op(_RETURN, _KILL),
        _op(_LOAD, _NR), _op(_ATLEAST, 0x40000000, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS),  # x32
        _op(_ATLEAST, _FIRST_UNKNOWN, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS),
    ]  # fmt: skip
    denied = {**_NUMBERS, **(_LEAVING if keep_session else {})}
    for name, numbers in denied.items():
        code += _deny(numbers[column], errno.EACCES if name in ("socket", "connect", "bind") else errno.EPERM)
    for numbers in _MODES.values() if freeze_modes else ():
        code += _deny(numbers[column], 0)
    if signals_to is not None:
        for name, numbers in _SIGNALS.items():
            if name == "pidfd_send_signal":
                code += _deny(numbers[column], errno.EPERM)
            else:
                code += _unless(
                    numbers[column], [_op(_LOAD, _ARG), _op(_EQUAL, signals_to & 0xFFFFFFFF, 1, 0)], errno.EPERM
                )
    code += _deny(_CLONE3[column], errno.ENOSYS)  # its flags cannot be read here; the C library falls back to clone
    code += _unless(_CLONE[column], [_op(_LOAD, _ARG), _op(_AND, _NEW_NAMESPACES, 0, 1)], errno.EPERM)
    # prlimit64 may read limits (third argument NULL), not set them.
    both = [_op(_LOAD, _ARG + 16), _op(_EQUAL, 0, 0, 2), _op(_LOAD, _ARG + 20), _op(_EQUAL, 0, 1, 0)]
    code += _unless(_PRLIMIT[column], both, errno.EPERM)
    last = len(_IOCTLS) - 1
    tests = [_op(_EQUAL, number, last - at, 1 if at == last else 0) for at, number in enumerate(_IOCTLS)]
    code += _unless(_IOCTL[column], [_op(_LOAD, _ARG + 8), *tests], errno.EPERM)
    # socketpair gives connected Unix streams (1, 1) only, and sendto has no address (fifth argument NULL).
    stream = [_op(_LOAD, _ARG), _op(_EQUAL, 1, 0, 3), _op(_LOAD, _ARG + 8), _op(_MASK, 0xF), _op(_EQUAL, 1, 1, 0)]
    code += _unless(_SOCKETPAIR[column], stream, errno.EACCES)
    nowhere = [_op(_LOAD, _ARG + 32), _op(_EQUAL, 0, 0, 2), _op(_LOAD, _ARG + 36), _op(_EQUAL, 0, 1, 0)]
    code += _unless(_SENDTO[column], nowhere, errno.EACCES)
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def _op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def _deny(number: int | None, error: int) -> list[bytes]:
    return [] if number is None else [_op(_EQUAL, number, 0, 1), _op(_RETURN, _ERRNO | error)]


def _unless(number: int | None, test: list[bytes], error: int) -> list[bytes]:
    """Deny call `number` unless `test` jumps over the refusal; the accumulator holds the number again afterwards."""
    if number is None:
        return []
    body = [*test, _op(_RETURN, _ERRNO | error), _op(_RETURN, _ALLOW)]
    return [_op(_EQUAL, number, 0, len(body)), *body]
