"""Write nbcopilot/sandbox/worker/system_call_numbers.py: the numbers of the calls that the sandbox names.

    python scripts/system_calls.py [--check]

Read from the kernel's headers for programs (Debian: linux-libc-dev), which have both tables: asm/unistd_64.h for x86-64
and asm-generic/unistd.h for aarch64. --check writes nothing and ends with 1 when the file is not what would be written.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from nbcopilot.sandbox.worker import system_calls

HEADERS = Path("/usr/include")
X86_64, GENERIC = HEADERS / "x86_64-linux-gnu/asm/unistd_64.h", HEADERS / "asm-generic/unistd.h"
TARGET = Path(system_calls.__file__).with_name("system_call_numbers.py")
# In both tables under the same number since the kernel that added them; older headers do not have them.
NEWER = {"fchmodat2": 452}
HEAD = '''"""Numbers of system calls on x86-64 and aarch64, None where there is no such call.

Written by scripts/system_calls.py from the kernel's headers: do not edit.
"""

from __future__ import annotations

NUMBERS: dict[str, tuple[int | None, int | None]] = {
'''


def tables() -> tuple[dict[str, int], dict[str, int]]:
    """Numbers by name on x86-64 and on aarch64, as the headers have them. Raises OSError where there are none."""
    return NEWER | _defined(X86_64.read_text(), "__NR_"), NEWER | _generic(GENERIC.read_text())


def _generic(text: str) -> dict[str, int]:
    """The generic table as 64-bit machines have it: there `__NR_lseek` is the number of `__NR3264_lseek`."""
    either = _defined(text, "__NR3264_")
    wide = text.rsplit("#if __BITS_PER_LONG == 64", 1)[1].split("#else", 1)[0]
    names = re.findall(r"^#define __NR_(\w+) __NR3264_(\w+)$", wide, re.MULTILINE)
    return _defined(text, "__NR_") | {name: either[base] for name, base in names if base in either}


def _defined(text: str, prefix: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(rf"^#define {prefix}(\w+) (\d+)$", text, re.MULTILINE)}


def written() -> str:
    """The file as it should be."""
    first, second = tables()
    lines = [f'    "{name}": ({first.get(name)}, {second.get(name)}),\n' for name in sorted(system_calls.names())]
    return HEAD + "".join(lines) + "}\n"


def main() -> int:
    """0 when the file is as it should be afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    if not check:
        TARGET.write_text(written())
    return int(TARGET.read_text() != written())


if __name__ == "__main__":
    sys.exit(main())
