"""What a run may see of a folder: a list of the files that are no secrets, by their real paths.

An allow-list: whatever is not on it stays hidden, also what appears later and what lies beyond the limit. No link is
followed; one that leads to a listed file or folder is kept as a link, any other is left out.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_ENTRIES = 10_000

# Keys, tokens, credentials and connection files by the names that their programs give them. What begins with a dot
# is hidden in any case.
_SECRET = re.compile(
    r"""id_[^.]*(\.pub)? | .*\.(pem|key|p8|p12|pfx|ppk|pk8|jks|keystore|kdbx?|token|env|htpasswd|pgpass|netrc|ovpn|tfstate)
    | _?netrc | (.*[-_.])?(api|access|auth|secret|private)[-_]?(key|token|secret)s?(\.(txt|json|ya?ml|toml|ini|cfg))?
    | (.*[-_])?token(\.(txt|json|ya?ml|pickle|pkl))? | (.*[-_.])?(credentials?|secrets?)(\.(?!py$|ipynb$)\w+)?
    | (.*[-_.])?(passwords?|passwd)(\.(txt|json|ya?ml|xlsx?))? | rootkey\.csv | .*accesskeys\.csv
    | client[-_]secret.*\.json | service[-_]?account.*\.json | application_default_credentials.* | kaggle\.json
    | (kernel|jpserver|nbserver)-.*\.(json|html) | .*cookie_secret | cookies(\.sqlite|\.txt)? | wallet\.dat | (.*\.)?env\.local""",
    re.VERBOSE | re.IGNORECASE,
)


def is_hidden(name: str) -> bool:
    """Whether an entry of this name is kept from the code that is checked."""
    return name.startswith(".") or _SECRET.fullmatch(name) is not None


@dataclass
class Tree:
    """The visible part of the folder `top`, all by real paths.

    files: status of each. folders: whether all in it is visible (`top` left out). links: what each leads to.
    """

    top: str
    files: dict[str, os.stat_result] = field(default_factory=dict)
    folders: dict[str, bool] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def below(self, folder: str) -> Iterator[str]:
        """The visible files and folders in `folder`, at any depth."""
        start = folder + os.sep
        return (path for some in (self.folders, self.files, self.links) for path in some if path.startswith(start))


def tree(folder: str, limit: int | None = None) -> Tree:
    """The visible part of a folder; of one with more than `limit` entries (MAX_ENTRIES) what lies nearest to its top."""
    top = os.path.realpath(folder)
    found = Tree(top)
    waiting = deque([top])
    left = MAX_ENTRIES if limit is None else limit
    while waiting:
        place = waiting.popleft()
        entries = _entries(place, left)
        left -= len(entries or ())
        if entries is None or left <= 0:
            _is_partial(found, place)
        for entry in entries or ():
            kind = _kind(entry)
            if is_hidden(entry.name) or kind is None:
                _is_partial(found, place)
            elif stat.S_ISLNK(kind.st_mode):
                found.links[entry.path] = ""
            elif stat.S_ISDIR(kind.st_mode):
                found.folders[entry.path] = True
                waiting.append(entry.path)
            else:
                found.files[entry.path] = kind
    for path in found.links:
        found.links[path] = os.path.realpath(path)
    kept = {path: real for path, real in found.links.items() if real in found.files or real in found.folders}
    found.links = kept
    return found


def _entries(folder: str, limit: int) -> list[os.DirEntry[str]] | None:
    """The entries in the order of their names, at most `limit`; None when they cannot be listed or may not be."""
    if limit <= 0 or os.path.realpath(folder) != folder:
        return None
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)[:limit]
    except OSError:
        return None


def _kind(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The status of a file, folder or link; None for what is none of them."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    mode = found.st_mode
    return found if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode) else None


def _is_partial(found: Tree, folder: str) -> None:
    """Note that something in `folder` is not visible, so that neither it nor a folder around it is shown whole."""
    while found.folders.get(folder):
        found.folders[folder] = False
        folder = os.path.dirname(folder)
