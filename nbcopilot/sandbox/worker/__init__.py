"""What runs inside the sandbox's child process, beside the code that is checked.

Imports the standard library and its own siblings only, so that the child starts in milliseconds; it is told
everything over a pipe and answers with JSON. The other side of the pipe is `sandbox/start.py`, which believes
nothing but the shape of what comes back: code that is checked shares this process and could forge an answer.
"""
