"""The judge of everyday requests: runs an answer in a session's state and its check on what that left.

    process (client) -> server (child, forks) -> running -> sight, drawn, changes -> verdict

Separate from the product's sandbox and checks, so that a fault there cannot colour a score. The meaning of the helpers
that a check may call is in docs/measuring.md. Guarded against accidents (time, memory, own folder), not hostile authors.
"""
