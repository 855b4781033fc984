"""The filter of system calls, decided by a small reader of its own program: for both architectures, on any machine."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import importlib.util
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nbcopilot.sandbox.worker import seccomp, system_calls
from nbcopilot.sandbox.worker.system_call_numbers import NUMBERS

ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOWED, KILLED = 0, -1  # else an errno; FROZEN is one that says success
FROZEN = -2
PID = 4321


def decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would do with a call: ALLOWED, KILLED, FROZEN or an errno."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *(0,) * (6 - len(arguments)))
    code = list(struct.iter_unpack("=HBBI", program))
    at = value = 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op == 0x20:
            (value,) = struct.unpack_from("=I", data, k)
        elif op == 0x54:
            value &= k
        elif op in (0x15, 0x35):
            at += yes if (value == k if op == 0x15 else value >= k) else no
        elif op == 0x06:
            if k == 0x7FFF0000:
                return ALLOWED
            return KILLED if k == 0x80000000 else (k & 0xFFFF) or FROZEN
        else:
            raise AssertionError(f"an instruction that the filter should not use: {op:#x}")


@pytest.fixture(params=ARCHES, ids=str)
def call(request: pytest.FixtureRequest) -> Callable[..., int]:
    column, arch = ARCHES[request.param]
    program = seccomp.program(column, arch, signals_to=PID, freeze_modes=True, keep_session=True)

    def decided(name: str | int, *arguments: int) -> int:
        number = name if isinstance(name, int) else NUMBERS[name][column]
        assert number is not None, f"{name} is no call of {request.param}"
        return decide(program, arch, number, *arguments)

    return decided


def test_a_call_that_is_not_named_is_refused_whatever_its_number(call: Callable[..., int], request: pytest.FixtureRequest) -> None:  # fmt: skip
    column, _ = ARCHES[request.node.callspec.params["call"]]
    named = {numbers[column] for numbers in NUMBERS.values()}
    for number in set(range(1000)) - named:
        assert call(number) == (errno.ENOSYS if number >= system_calls.FIRST_NEW else errno.EPERM), number


def test_every_call_without_a_condition_is_allowed(call: Callable[..., int], request: pytest.FixtureRequest) -> None:
    column, _ = ARCHES[request.node.callspec.params["call"]]
    for name in system_calls.allowed():
        if NUMBERS[name][column] is not None:
            assert call(name) == ALLOWED, name


def test_another_entry_into_the_kernel_is_refused() -> None:
    column, arch = ARCHES["x86_64"]
    program = seccomp.program(column, arch)
    assert decide(program, 0x40000003, NUMBERS["read"][0] or 0) == KILLED  # i386 numbers
    assert decide(program, arch, 0x40000000 | (NUMBERS["write"][0] or 0)) == errno.ENOSYS  # x32


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("clone", [0x01200011], [[0x10000011], [0x02000000], [0x00000080]]),
        ("prlimit64", [0, 7, 0], [[0, 7, 0x1000], [0, 7, 1 << 32], [5, 0, 1]]),
        ("fcntl", [3, 2, 1], [[3, 8, PID], [3, 15, 0], [3, 10, 10], [3, 1026, 1]]),
        ("ioctl", [0, 0x5401], [[0, 0x5412], [0, 0x40086602], [0, 0x541C], [0, 0x8933]]),
        ("prctl", [15, 1], [[22, 2], [4, 1], [24, 0], [36, 1], [0x59616D61, 1]]),
        ("sched_setaffinity", [0, 8], [[PID, 8], [1, 8]]),
        ("socketpair", [1, 1 | 0x80000], [[1, 2], [2, 1], [1, 5], [16, 3]]),
        ("sendto", [3, 1, 1, 0, 0], [[3, 1, 1, 0, 0x1000], [3, 1, 1, 0, 1 << 32]]),
        ("kill", [PID, 9], [[1, 9], [0, 9], [0xFFFFFFFF, 9]]),
    ],
)
def test_a_call_with_a_condition_is_allowed_by_its_arguments_only(
    call: Callable[..., int], name: str, right: list[int], wrong: list[list[int]]
) -> None:
    assert call(name, *right) == ALLOWED
    for arguments in wrong:
        assert call(name, *arguments) == errno.EPERM, arguments


def test_only_processor_time_of_the_process_itself_can_be_limited(call: Callable[..., int]) -> None:
    assert call("prlimit64", 0, 0, 0x7FFF00001000) == ALLOWED
    assert call("prlimit64", 0, 6, 0x7FFF00001000) == errno.EPERM
    assert call("prlimit64", PID, 0, 0x7FFF00001000) == errno.EPERM


def test_what_libraries_try_first_fails_in_the_way_that_they_expect(call: Callable[..., int]) -> None:
    assert call("clone3") == errno.ENOSYS
    assert call("socket", 2, 1, 0) == errno.EACCES
    assert call("listxattr") == errno.ENOTSUP
    assert call("fchmod", 3, 0o777) == FROZEN
    assert call("setsid") == errno.EPERM


def script() -> ModuleType:
    path = Path(__file__).parents[3] / "scripts" / "system_calls.py"
    spec = importlib.util.spec_from_file_location("system_calls_script", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_are_those_of_the_kernels_headers() -> None:
    made = script()
    if not made.X86_64.is_file():
        pytest.skip("the kernel's headers are not here")
    assert made.TARGET.read_text() == made.written()


@pytest.mark.skipif(not ctypes.util.find_library("seccomp"), reason="libseccomp is not here")
def test_the_numbers_are_those_of_libseccomp() -> None:
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    for name, numbers in NUMBERS.items():
        for (_, arch), number in zip(ARCHES.values(), numbers, strict=True):
            theirs = library.seccomp_syscall_resolve_name_arch(arch, name.encode())
            assert theirs == number or (number is None and theirs < 0) or theirs == -1, (
                name,
                arch,
            )  # -1: newer than it


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
def test_the_filter_fits_into_the_kernels_limit() -> None:
    for column, arch in ARCHES.values():
        assert len(seccomp.program(column, arch, signals_to=1, freeze_modes=True, keep_session=True)) // 8 < 1000
