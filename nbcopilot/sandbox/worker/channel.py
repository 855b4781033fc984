"""JSON messages over a socket between the process of an answer and the one that judges it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from nbcopilot.sandbox.worker import plain

MAX_MESSAGE = 64 << 20
_SIZE = struct.Struct(">I")


class Ended(Exception):
    """The other side is gone, or has sent what is no message."""


class Channel:
    """One end of a socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises Ended."""
        data = json.dumps(message).encode()
        if len(data) > MAX_MESSAGE:
            raise Ended("a message that is too long")
        try:
            self._end.sendall(_SIZE.pack(len(data)) + data)
        except OSError as exc:
            raise Ended(str(exc)) from exc

    def receive(self) -> dict[str, Any]:
        """The next message. Raises Ended."""
        (size,) = _SIZE.unpack(self._read(_SIZE.size))
        if size > MAX_MESSAGE:
            raise Ended("a message that is too long")
        try:
            message = plain.loads(self._read(size))
        except ValueError as exc:
            raise Ended(str(exc)) from exc
        if not isinstance(message, dict):
            raise Ended("no message")
        return message

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._end.recv(min(1 << 20, size - len(data)))
            except OSError as exc:
                raise Ended(str(exc)) from exc
            if not part:
                raise Ended("the process ended")
            data += part
        return bytes(data)
