"""What a worker process of this machine has done when it begins: all are forked from one that has imported this.

Imports what workers need and asks once what each of them would ask; processes.py names it.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from typing import Any

import distributed.versions

# That a disk is busy is nothing to warn of.
warnings.filterwarnings("ignore", message="Creating scratch directories")

for _name in ("nbcopilot.batch.cluster", "nbcopilot.serve.client", "IPython.core.inputtransformer2", "numpy.random"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)

_versions: Any = distributed.versions.get_versions
_versions()  # remembered by Dask; each worker tells them to the scheduler
