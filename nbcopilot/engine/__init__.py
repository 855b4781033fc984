"""Prompt -> text. `protocol` is the contract; `local`, `remote` and `fake` are its three peers.

`local` reads top-down: local (requests) -> scheduler (which rows next) -> decode (one sequence) -> transformer
(one forward pass) -> quantize (one linear). Nothing here imports torch until an engine is loaded.
"""

from __future__ import annotations

import os

# Read by the OpenMP runtime when torch is first imported: threads that wait for the others sleep instead of
# spinning, because the second core usually belongs to the user's own kernel (docs/measuring.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
