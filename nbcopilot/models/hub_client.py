"""The child process that speaks to the model hub: `python -m nbcopilot.models.hub_client REQUEST`.

REQUEST is JSON: {"repo", "revision", "file", "folder"}. It prints one JSON object a line:
{"event": "ready"}, {"event": "found", "revision", "files": [{"name", "bytes", "hash"}]}, {"event": "done"},
or {"event": "error", "kind": "offline|unreachable|missing|gated|disk|other", "message"}.
HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and proxies are huggingface_hub's own business. It ends when its
standard input closes, so that it never outlives the process that asked.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 5
BLOCK = 1 << 18
# Weights, their index, configuration and tokenizer; never code (*.py).
_SIDE_FILES = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "spiece.model",
)  # fmt: skip


class ChoiceError(ValueError):
    """A repository holds no model, or several: the user must say which."""


def choose(names: Sequence[str]) -> list[str]:
    """The files to fetch of a repository: its transformers model, else its one .gguf (q4_k_m among several).

    Raises ChoiceError with the names when there is no telling.
    """
    top = [name for name in names if "/" not in name]
    if "config.json" in top:
        for kind in (".safetensors", ".bin"):
            weights = [
                n for n in top if n.endswith((kind, f"{kind}.index.json")) and n.startswith(("model", "pytorch_model"))
            ]
            if weights:
                return sorted(weights) + [name for name in _SIDE_FILES if name in top]
    found = sorted(name for name in top if name.endswith(".gguf"))
    usual = [name for name in found if name.lower().endswith(("q4_k_m.gguf", "q4_k_m-00001-of-00001.gguf"))]
    for several in (found, usual):
        if len(several) == 1:
            return several
    raise ChoiceError(", ".join(found[:12]) if found else "no config.json with weights, no .gguf")


def main(argument: str) -> None:
    """Serve one request; every failure becomes an error line."""
    request = json.loads(argument)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _serve(request)
    except Exception as exc:
        _say(event="error", kind=_kind(exc), message=_sentence(exc))


def _die_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _serve(request: dict[str, str]) -> None:
    import huggingface_hub as hub
    from huggingface_hub.constants import HF_HUB_OFFLINE

    _say(event="ready")
    found: list[dict[str, Any]]
    repo, revision, file, folder = (request[key] for key in ("repo", "revision", "file", "folder"))
    cached = hub.try_to_load_from_cache(repo, file, revision=revision) if file else None
    if isinstance(cached, str):
        target = Path(folder, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        _say(event="found", revision=revision, files=[{"name": file, "bytes": os.path.getsize(cached), "hash": ""}])
        shutil.copyfile(cached, target)
        _say(event="done")
        return
    if HF_HUB_OFFLINE:
        _say(event="error", kind="offline", message="HF_HUB_OFFLINE is set")
        return
    if file:
        meta = hub.get_hf_file_metadata(hub.hf_hub_url(repo, file, revision=revision), timeout=ANSWER_SECONDS)
        commit = meta.commit_hash or revision
        found = [{"name": file, "bytes": meta.size, "hash": meta.etag or ""}]
    else:
        info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS)
        commit = info.sha or revision
        siblings = {s.rfilename: s for s in info.siblings or []}
        found = [_item(siblings[name]) for name in choose(list(siblings))]
    _say(event="found", revision=commit, files=found)
    for item in found:
        _download(hub.hf_hub_url(repo, item["name"], revision=commit), Path(folder, item["name"]), item)
    _say(event="done")


def _download(url: str, target: Path, item: dict[str, Any]) -> None:
    """One file, from where an earlier download stopped: since 1.18 `hf_hub_download` starts again from nothing."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, not re-exported

    if target.is_file():
        return
    # Ours to set, in a process of our own: its 10 MB are minutes on a slow line, without a byte on the disk.
    constants.DOWNLOAD_CHUNK_SIZE = BLOCK
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{item['hash'][:12]}.incomplete")
    there = partial.stat().st_size if partial.exists() else 0
    if item["bytes"] is not None and there > item["bytes"]:
        there = 0
    with open(partial, "r+b" if there else "wb") as file:
        file.seek(there)
        http_get(url, file, resume_size=there, headers=build_hf_headers(), expected_size=item["bytes"])
    os.replace(partial, target)


def _item(sibling: Any) -> dict[str, Any]:
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    return {"name": sibling.rfilename, "bytes": sibling.size, "hash": digest or ""}


def _kind(exc: BaseException) -> str:
    names = {cls.__name__ for cls in type(exc).__mro__}
    if isinstance(exc, ChoiceError):
        return "choice"
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    if "GatedRepoError" in names:
        return "gated"
    if names & {"RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError", "HFValidationError"}:
        return "missing"
    if names & {
        "ConnectionError",
        "ConnectError",
        "TimeoutException",
        "Timeout",
        "TransportError",
        "OfflineModeIsEnabled",
    }:
        return "unreachable"
    return "other"


def _sentence(exc: BaseException) -> str:
    status = getattr(getattr(exc, "response", None), "status_code", None)
    if status is not None:
        return f"the hub answered {status}"
    text = " ".join(str(exc).split())
    return (text if len(text) <= 200 else text[:197] + "...") or type(exc).__name__


if __name__ == "__main__":
    main(sys.argv[1])
