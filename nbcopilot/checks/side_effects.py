"""Kinds of code that reach outside the notebook, read from the syntax tree: shell, deletion, network and so on.

Used by policy, and by check to say in advance what a run will need. Names are followed through imports and simple
assignments (`import os as o`, `from os import system as s`, `run = os.system`, `getattr(os, "system")`), not through
data: a reading of intent, not a barrier. The barrier is the sandbox.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from nbcopilot.notebook import syntax

# Dotted names, exact or as a prefix ending in ".", and the kind they mean.
_CALLS = {
    "os.system": "shell", "os.popen": "shell", "subprocess.getoutput": "shell", "subprocess.getstatusoutput": "shell",
    "asyncio.create_subprocess_shell": "shell", "commands.": "shell", "pexpect.": "subprocess", "sh.": "subprocess",
    "subprocess.": "subprocess", "os.exec": "subprocess", "os.spawn": "subprocess", "os.posix_spawn": "subprocess",
    "os.fork": "subprocess", "os.startfile": "subprocess", "pty.": "subprocess", "asyncio.create_subprocess_exec": "subprocess",
    "multiprocessing.Process": "subprocess", "plumbum.": "subprocess",
    "os.remove": "deletion", "os.unlink": "deletion", "os.rmdir": "deletion", "os.removedirs": "deletion",
    "shutil.rmtree": "deletion", "os.truncate": "deletion", "send2trash.": "deletion",
    "os.rename": "files", "os.replace": "files", "os.renames": "files", "os.mkdir": "files", "os.makedirs": "files",
    "os.link": "files", "os.symlink": "files", "os.chmod": "files", "os.chown": "files", "shutil.copy": "files",
    "shutil.move": "files", "shutil.copytree": "files", "shutil.copyfile": "files", "shutil.make_archive": "files",
    "shutil.unpack_archive": "files", "numpy.save": "files", "numpy.savetxt": "files", "numpy.savez": "files",
    "torch.save": "files", "joblib.dump": "files", "shelve.open": "files", "sqlite3.connect": "files",
    "matplotlib.pyplot.savefig": "files", "matplotlib.pyplot.imsave": "files", "cv2.imwrite": "files",
    "imageio.imwrite": "files", "pickle.dump": "files", "json.dump": "files", "yaml.dump": "files",
    "urllib.request.": "network", "urllib3.": "network", "http.client.": "network", "http.server.": "network",
    "requests.": "network", "httpx.": "network", "aiohttp.": "network", "socket.": "network", "socketserver.": "network",
    "ftplib.": "network", "smtplib.": "network", "poplib.": "network", "imaplib.": "network", "telnetlib.": "network",
    "paramiko.": "network", "websockets.": "network", "websocket.": "network", "boto3.": "network", "openai.": "network",
    "anthropic.": "network", "huggingface_hub.": "network", "yfinance.": "network", "wget.": "network", "gdown.": "network",
    "ssl.": "network", "asyncio.open_connection": "network", "asyncio.start_server": "network", "xmlrpc.": "network",
    "sklearn.datasets.fetch_": "network", "seaborn.load_dataset": "network", "nltk.download": "network",
    "torch.hub.": "network", "tensorflow.keras.utils.get_file": "network", "datasets.load_dataset": "network",
    "eval": "eval", "exec": "eval", "compile": "eval", "__import__": "eval", "runpy.": "eval", "code.interact": "eval",
    "importlib.import_module": "eval", "pickle.load": "eval", "pickle.loads": "eval", "dill.load": "eval", "marshal.loads": "eval",
    "cloudpickle.load": "eval", "builtins.eval": "eval", "builtins.exec": "eval",
    "os.getenv": "environ", "os.putenv": "environ", "os.unsetenv": "environ", "dotenv.": "environ", "os.environ.": "environ",
    "getpass.": "environ", "keyring.": "environ",
    "pip.": "install", "ensurepip.": "install", "piplite.": "install", "micropip.": "install",
    "ctypes.": "native", "cffi.": "native", "mmap.": "native",
    "os.kill": "signals", "os.killpg": "signals", "os._exit": "signals", "os.abort": "signals", "signal.": "signals",
}  # fmt: skip
_METHODS = {
    "unlink": "deletion", "rmdir": "deletion", "rmtree": "deletion", "write_text": "files", "write_bytes": "files",
    "savefig": "files", "to_csv": "files", "to_excel": "files", "to_parquet": "files", "to_pickle": "files",
    "to_feather": "files", "to_hdf": "files", "to_sql": "files", "to_stata": "files", "to_netcdf": "files", "to_zarr": "files",
    "save_pretrained": "files", "save_weights": "files", "extractall": "files", "mkdir": "files", "touch": "files",
    "write_csv": "files", "write_parquet": "files", "write_html": "files", "write_image": "files",
    "from_pretrained": "network",
}  # fmt: skip
_RETURN_TEXT = frozenset({"to_csv", "to_html", "to_json", "to_latex", "to_markdown"})  # text unless a path is given
_READS = frozenset(
    {"read_csv", "read_json", "read_html", "read_excel", "read_table", "read_parquet", "read_xml", "imread", "load"}
)
_URL = re.compile(r"^(?:https?|ftp|s3|gs|ssh|wss?)://", re.IGNORECASE)
_INSTALL = re.compile(
    r"^\s*(?:python3?\s+-m\s+)?(?:pip3?|conda|mamba|uv|apt|apt-get|brew|npm)\b.*\b(?:install|add|uninstall|remove)\b"
)
_FETCH = re.compile(r"\b(?:curl|wget|ssh|scp|rsync|git\s+(?:clone|pull|push|fetch)|aws|gsutil|kaggle)\b")
_REMOVE = re.compile(r"(?:^|[;&|]\s*)(?:sudo\s+)?(?:rm|rmdir|shred|unlink|del)\b|\bfind\b.*-delete\b|\bgit\s+clean\b")
_SHELL_MAGICS = frozenset({"bash", "sh", "script", "system", "sx", "cmd", "powershell", "perl", "ruby", "!", "zsh"})
_ENV_MAGICS = frozenset({"env", "set_env", "dotenv", "load_dotenv"})


@dataclass(frozen=True)
class Use:
    """One place where code reaches outside: the kind, the line (1-based) and the call as written, shortened."""

    kind: str
    line: int
    call: str


def uses(code: str, language: str = "python") -> tuple[Use, ...]:
    """What the code would do outside the notebook, in order of appearance; () when it cannot be parsed."""
    if not syntax.is_python(language):
        return ()
    magic = syntax.foreign_magic(code)
    if magic:
        return tuple(_cell_magic_uses(magic, code))
    tree = syntax.tree(code)
    if tree is None:
        return ()
    reader = _Reader()
    reader.visit(tree)
    unique = {(use.kind, use.line, use.call): use for use in reader.found}
    return tuple(sorted(unique.values(), key=lambda use: use.line))


def first_uses(code: str, language: str, kinds: Collection[str]) -> Iterator[Use]:
    """The first use of each of `kinds` in the code, in order of appearance; nothing is read when there are none."""
    seen: set[str] = set()
    for use in uses(code, language) if kinds else ():
        if use.kind in kinds and use.kind not in seen:
            seen.add(use.kind)
            yield use


def _cell_magic_uses(magic: str, code: str) -> Iterator[Use]:
    body = code.split("\n", 1)[-1]
    if magic in _SHELL_MAGICS:
        yield from _shell_uses(body, 1, f"%%{magic}")
    elif magic in ("writefile", "file"):
        yield Use("files", 1, f"%%{magic}")


def _shell_uses(command: str, line: int, call: str) -> Iterator[Use]:
    if _INSTALL.search(command):
        yield Use("install", line, call)
        return
    yield Use("shell", line, call)
    if _FETCH.search(command):
        yield Use("network", line, call)
    if _REMOVE.search(command):
        yield Use("deletion", line, call)


class _Reader(ast.NodeVisitor):
    """Collects the uses of a tree; `origin` maps local names to the dotted names they stand for."""

    def __init__(self) -> None:
        self.found: list[Use] = []
        self.origin: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.origin[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.origin[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        dotted = self._dotted(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                if dotted and dotted in _CALLS:
                    self.origin[target.id] = dotted
                else:
                    self.origin.pop(target.id, None)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        dotted = self._dotted(node.func) or ""
        if dotted.startswith("get_ipython."):
            self._magic(node)
        elif dotted in ("open", "io.open", "builtins.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"):
            if _opens_for_writing(node):
                self._add("files", node)
        elif kind := _kind_of(dotted):
            shell = kind == "subprocess" and any(k.arg == "shell" and _is_true(k.value) for k in node.keywords)
            self._add("shell" if shell else kind, node)
            text = _literal_command(node)
            if kind in ("shell", "subprocess") and text:
                self.found += [u for u in _shell_uses(text, node.lineno, _short(node)) if u.kind != "shell"]
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func.attr)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._dotted(node.value) == "os.environ":
            self._add("environ", node)
        self.generic_visit(node)

    def _method(self, node: ast.Call, name: str) -> None:
        has_url = any(
            isinstance(a, ast.Constant) and isinstance(a.value, str) and _URL.match(a.value) for a in node.args
        )
        if has_url and (name in _READS or name in ("get", "post", "urlopen", "urlretrieve", "connect")):
            self._add("network", node)
        kind = _METHODS.get(name)
        if name in _RETURN_TEXT and not (node.args or any(k.arg in ("path_or_buf", "buf") for k in node.keywords)):
            return
        if name == "open" and _opens_for_writing(node, first=0):
            kind = "files"
        if kind:
            self._add(kind, node)

    def _magic(self, node: ast.Call) -> None:
        """`get_ipython().run_line_magic("name", "line")` and `.system("command")`, as IPython writes them."""
        texts = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else "" for a in node.args]
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if called in ("system", "getoutput", "getoutput_lines") and texts:
            self.found += _shell_uses(texts[0], node.lineno, f"!{texts[0][:60]}")
        elif called in ("run_line_magic", "run_cell_magic") and texts:
            rest = " ".join(texts[1:])
            if texts[0] in ("pip", "conda", "mamba", "uv"):
                self.found.append(Use("install", node.lineno, f"%{texts[0]} {rest}"[:60]))
            elif texts[0] in _SHELL_MAGICS:
                self.found += _shell_uses(rest, node.lineno, f"%{texts[0]}")
            elif texts[0] in _ENV_MAGICS:
                self.found.append(Use("environ", node.lineno, f"%{texts[0]}"))
            elif texts[0] in ("writefile", "file", "save", "logstart"):
                self.found.append(Use("files", node.lineno, f"%{texts[0]}"))

    def _add(self, kind: str, node: ast.expr) -> None:
        self.found.append(Use(kind, node.lineno, _short(node)))

    def _dotted(self, node: ast.expr) -> str | None:
        """The dotted name that an expression stands for, through imports and aliases; None for anything else."""
        if isinstance(node, ast.Name):
            return self.origin.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return f"{base}.{node.attr}" if base else None
        if isinstance(node, ast.Call):
            base = self._dotted(node.func)
            if base == "getattr" and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
                owner = self._dotted(node.args[0])
                return f"{owner}.{node.args[1].value!s}" if owner else None
            if (
                base in ("__import__", "importlib.import_module")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                return str(node.args[0].value)
            return "get_ipython" if base == "get_ipython" else None
        return None


def _kind_of(dotted: str) -> str | None:
    if dotted in _CALLS:
        return _CALLS[dotted]
    for size in range(len(dotted), 0, -1):
        kind = _CALLS.get(dotted[:size])
        if kind and (dotted[size - 1] == "." or (dotted[:size] in _STEMS and "." not in dotted[size:])):
            return kind
    return None


# Families told by a stem: os.execv, os.spawnlp, shutil.copy2, sklearn.datasets.fetch_california_housing, numpy.savez_compressed.
_STEMS = frozenset(
    {"os.exec", "os.spawn", "os.posix_spawn", "shutil.copy", "sklearn.datasets.fetch_", "numpy.savez", "pickle.load"}
)


def _opens_for_writing(node: ast.Call, first: int = 1) -> bool:
    mode: ast.expr | None = node.args[first] if len(node.args) > first else None
    mode = next((k.value for k in node.keywords if k.arg == "mode"), mode)
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set(mode.value) & set("wax+"))


def _literal_command(node: ast.Call) -> str:
    if not node.args:
        return ""
    first = node.args[0]
    items = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]
    return " ".join(i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str))


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:59] + "…"
