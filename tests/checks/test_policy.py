"""Kinds of code by reading, and the policy file."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnosing import static

from nbcopilot.checks.registry import area, message
from nbcopilot.checks.side_effects import uses
from nbcopilot.errors import ConfigError
from nbcopilot.policy import KINDS, Policy, load
from nbcopilot.verdict import Diagnostic


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("import os\nos.system('ls')", {"shell"}),
        ("import os as o\no.system('rm -rf x')", {"shell", "deletion"}),
        ("from os import system as run\nrun('ls')", {"shell"}),
        ("import os\nrun = os.system\nrun('ls')", {"shell"}),
        ("import os\ngetattr(os, 'system')('ls')", {"shell"}),
        ("__import__('os').system('ls')", {"shell", "eval"}),
        ("!ls", {"shell"}),
        ("x = !curl http://x", {"shell", "network"}),
        ("%%bash\nrm -rf /tmp/x", {"shell", "deletion"}),
        ("!pip install numpy", {"install"}),
        ("%pip install numpy", {"install"}),
        ("import subprocess\nsubprocess.run(['git', 'clone', 'x'])", {"subprocess", "network"}),
        ("import subprocess\nsubprocess.run('ls', shell=True)", {"shell"}),
        ("import os\nos.execv('/bin/sh', [])", {"subprocess"}),
        ("import shutil\nshutil.rmtree('x')", {"deletion"}),
        ("from pathlib import Path\nPath('x').unlink()", {"deletion"}),
        ("open('x', 'w').write('1')", {"files"}),
        ("open('x', mode='ab')", {"files"}),
        ("from pathlib import Path\nPath('x').open('w')", {"files"}),
        ("df.to_csv('x.csv')", {"files"}),
        ("fig.savefig('x.png')", {"files"}),
        ("import requests\nrequests.get('http://x')", {"network"}),
        ("from urllib.request import urlopen\nurlopen('http://x')", {"network"}),
        ("import pandas as pd\npd.read_csv('https://x/y.csv')", {"network"}),
        ("eval('1')", {"eval"}),
        ("import os\nos.environ['HOME']", {"environ"}),
        ("import os\nos.getenv('KEY')", {"environ"}),
        ("import ctypes\nctypes.CDLL(None)", {"native"}),
        ("import os\nos.kill(1, 9)", {"signals"}),
        ("%%writefile x.py\nx = 1", {"files"}),
    ],
)
def test_kinds_are_read_from_the_code(code: str, kinds: set[str]) -> None:
    assert {use.kind for use in uses(code)} == kinds


@pytest.mark.parametrize(
    "code",
    [
        "import pandas as pd\ndf = pd.read_csv('x.csv')\ndf.groupby('a').sum()",
        "open('x').read()",
        "open('x', 'rb')",
        "df.to_csv()",
        "import os\nos.path.join('a', 'b')\nos.listdir('.')",
        "re.compile('x')",
        "model.eval()",
        "df.eval('a + b')",
        "x.remove(1)",
        "del x",
        "s = 'os.system(1)'  # rm -rf",
        "%matplotlib inline",
        "not ( python",
        "system = 1\nprint(system)",
    ],
)
def test_harmless_code_has_no_kind(code: str) -> None:
    assert uses(code) == ()


def held(code: str, policy: Policy) -> list[Diagnostic]:
    return [d for d in static(code, "df", policy=policy) if area(d) == "policy"]


def policy_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_forbidden_kinds_are_errors_and_said_kinds_warnings(tmp_path: Path) -> None:
    policy = load(policy_file(tmp_path, 'forbid = ["shell"]\nwarn = ["files"]'))
    found = held("!ls\ndf.to_csv('x')\neval('1')", policy)
    assert [(f.code, f.severity, f.line) for f in found] == [("NB401", "error", 1), ("NB402", "warning", 2)]
    assert message(found[0]) == "Runs a shell command (`!ls`), which the policy forbids"


def test_forbidden_imports_include_their_submodules(tmp_path: Path) -> None:
    policy = load(policy_file(tmp_path, 'forbid_imports = ["os", "xml.etree"]'))
    assert len(held("import os.path\nfrom xml.etree.ElementTree import parse\nimport xml.dom", policy)) == 2


def test_without_a_policy_file_nothing_is_forbidden() -> None:
    assert load("") == Policy()
    assert held("!rm -rf /", Policy()) == []


def test_a_level_is_allowed_from_the_one_asked_for_upwards() -> None:
    assert Policy(run_at="landlock").allows_level("bubblewrap")
    assert not Policy(run_at="landlock").allows_level("rlimits")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('forbidden = ["shell"]', "Did you mean `forbid`"),
        ('forbid = ["shel"]', "Did you mean `shell`"),
        ('forbid = "shell"', "It takes a list"),
        ('run_at = "docker"', "It takes rlimits"),
        ("forbid = [", "cannot be read"),
    ],
)
def test_a_wrong_policy_file_is_one_clear_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match="policy") as error:
        load(policy_file(tmp_path, text))
    assert says in str(error.value)


def test_a_missing_policy_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_every_kind_has_its_sentence() -> None:
    assert all(text for text in KINDS.values())
