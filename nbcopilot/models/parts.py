"""A file that grows part by part and can be taken up again: the partial file and its small state file.

Only whole parts are recorded, after they reached the disk. Knows nothing of where the parts come from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from nbcopilot.errors import ModelCorruptError
from nbcopilot.models.files import BLOCK, read_json, write_json


class PartialFile:
    """`folder/source.partial`, of a file whose SHA-256 will be `sha256` ("" when that is not known yet).

    `parts` holds (bytes, SHA-256) of the parts that are there. Opening it checks them against the file and
    keeps those from the start that still match; bytes of an unfinished part are cut off.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "source.partial"
        self._state = folder / "state.json"
        self._expected = sha256
        self._whole = hashlib.sha256()
        self.parts: list[tuple[int, str]] = []
        # Unbuffered: on a full disk nothing is left behind in a buffer to be written again on close.
        self._file = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)  # noqa: SIM115
        for size, digest in self._recorded():
            if not self._take(size, digest):
                break
        self._file.truncate(self.size)

    @property
    def size(self) -> int:
        """Bytes of the parts that are there."""
        return sum(size for size, _ in self.parts)

    @property
    def sha256(self) -> str:
        """SHA-256 of all that is there."""
        return self._whole.hexdigest()

    def _recorded(self) -> list[tuple[int, str]]:
        state = read_json(self._state)
        if state.get("sha256") != self._expected:
            return []
        return [(int(part["bytes"]), str(part["sha256"])) for part in state["parts"]]

    def _take(self, size: int, digest: str) -> bool:
        self._file.seek(self.size)
        part, whole, left = hashlib.sha256(), self._whole.copy(), size
        while left and (block := self._file.read(min(BLOCK, left))):
            part.update(block)
            whole.update(block)
            left -= len(block)
        if left or part.hexdigest() != digest:
            return False
        self._whole = whole
        self.parts.append((size, digest))
        return True

    def append(self, stream: IO[bytes], size: int, moved: Callable[[int], None]) -> None:
        """Add one part of exactly `size` bytes; `moved` gets the bytes of the whole file so far.

        Raises ModelCorruptError when the part is longer or shorter; then, as with any error, the file is as before.
        """
        start, part, whole, done = self.size, hashlib.sha256(), self._whole.copy(), 0
        try:
            self._file.seek(start)
            while block := stream.read(BLOCK):
                done += len(block)
                if done > size:
                    break
                self._write(block)
                part.update(block)
                whole.update(block)
                moved(start + done)
            if done != size:
                raise ModelCorruptError(
                    f"part {len(self.parts) + 1} has {'more' if done > size else done} bytes, not {size}"
                )
            os.fsync(self._file.fileno())
            self._record([*self.parts, (size, part.hexdigest())])
        except BaseException:
            self._file.truncate(start)
            raise
        self._whole = whole
        self.parts.append((size, part.hexdigest()))

    def _write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]

    def _record(self, parts: list[tuple[int, str]]) -> None:
        state = {"sha256": self._expected, "parts": [{"bytes": size, "sha256": digest} for size, digest in parts]}
        write_json(self._state, state)

    def keep(self, count: int) -> None:
        """Only the first `count` parts stay (what was there before this run, when the disk is full)."""
        self.parts = self.parts[:count]
        self._file.truncate(self.size)
        if self.parts:
            self._record(self.parts)
        else:
            self.close()
            self.path.unlink(missing_ok=True)
            self._state.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what is there stays for the next time."""
        self._file.close()
