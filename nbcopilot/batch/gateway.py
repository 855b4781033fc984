"""A cluster of Dask Gateway by its name: its address, and the keys that only the gateway's server hands out."""

from __future__ import annotations

import asyncio
from typing import Any

from nbcopilot.errors import EngineUnavailableError, UsageError

SCHEME = "gateway://"


def found(address: str) -> dict[str, Any]:
    """What Dask's Client needs for gateway://NAME, or for the whole address that the cluster shows.

    The server and how to log in are Dask's own settings. Raises UsageError, EngineUnavailableError.
    """
    name = address.removeprefix(SCHEME).rstrip("/").rpartition("/")[2]
    if not name:
        raise UsageError(f"{address} names no cluster", hint="gateway://NAME, as the gateway's list of clusters has it")
    try:
        from dask_gateway import Gateway
    except ImportError as exc:
        raise UsageError("gateway:// needs dask-gateway", hint="pip install dask-gateway") from exc

    async def asked() -> dict[str, Any]:
        async with Gateway(asynchronous=True) as gateway, await gateway.connect(name) as cluster:
            return {"address": cluster.scheduler_address, "security": cluster.security}

    try:
        return asyncio.run(asked())
    except Exception as exc:
        said = " ".join(str(exc).split())[:200]
        raise EngineUnavailableError(
            f"Dask Gateway gives no cluster {name}: {said}",
            hint="check the name, and the server in DASK_GATEWAY__ADDRESS",
        ) from exc
