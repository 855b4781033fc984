"""An OpenAI-compatible server in the test's process that says what it is told, at the pace it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Scripted:
    """`answer` is what it says, or makes it of the texts of the messages; `pause` the seconds before each word.

    cancelled: how many clients went away. asked: the texts of the messages of each request.
    """

    def __init__(self) -> None:
        self.pause, self.cancelled, self.words = 0.0, 0, 0
        self.answer: str | Callable[[list[str]], str] = "ok"
        self.asked: list[list[str]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._json({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                script.asked.append([str(message["content"]) for message in body.get("messages", [])])
                said = script.answer(script.asked[-1]) if callable(script.answer) else script.answer
                if not body.get("stream"):
                    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
                    return self._json({"id": "1", "object": "chat.completion", "choices": [{**choice, "text": said}]})
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    for word in said.split(" "):
                        time.sleep(script.pause)
                        script.words += 1
                        self._event({"delta": {"content": word + " "}, "text": word + " ", "finish_reason": None})
                    self._event({"delta": {}, "text": "", "finish_reason": "stop"})
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    script.cancelled += 1

            def _event(self, choice: dict[str, Any]) -> None:
                data = {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
                self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
                self.wfile.flush()

            def _json(self, data: Any) -> None:
                payload = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
