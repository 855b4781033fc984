"""Values that stand beside a name that says secret, in code, settings files, command lines, URLs and prose.

`password = "…"`, `password: …`, `DB_PASSWORD=…`, `?token=…&`, `PWD={…};`, `"password", "…"` in a call, `<password>…<`,
`name: PASSWORD` with `value: …`, `the password is …`. Names are found by parts of words (names.HINTS) and read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbcopilot.redaction import names
from nbcopilot.redaction.rule import MARK, Span
from nbcopilot.redaction.values import entropy, is_literal, is_placeholder, is_random, is_word_like, mixed

LONGEST_NAME = 80
_BEFORE = re.compile(r"[\w.$-]{0,80}\Z")
_IDENTIFIER = re.compile(r"[\w.-]*")
_LAST_WORD = re.compile(
    r"(?i)\b(api|access|secret|private|auth|account|client|subscription|license|shared|connection|bearer|session|bot|mot de)[ -]\Z"
)
_CLOSE = r"(?P<close>(?:\\{0,3}[\"'`*]{1,2})?[\])]{0,2})"
_ASSIGN = re.compile(
    _CLOSE
    + r"(?P<note>:[ \t]{0,4}[A-Za-z_][\w.\[\]| ,]{0,60}?(?=[ \t]*=(?!=)[ \t]*\S))?(?P<gap>[ \t]{0,40})(?P<sign>:=|=>|->|<-|[=!]==?|:(?![/:])|=)(?P<room>[ \t]{0,40})"
)
_PAIR = re.compile(
    r"(?:\\{0,3}[\"'])(?:\s{0,10},\s{0,10}[\"']?[Vv]alue[\"']?\s{0,4}[:=]|\s{0,10},|\s{1,10}value\s{0,4}=)\s{0,20}(?=[rbufRBUF]{0,2}\\{0,3}[\"'])"
)
_VALUE_BELOW = re.compile(r"[\"']?[ \t]{0,10},?\s{1,40}[\"']?value[\"']?\s{0,4}[:=][ \t]{0,10}")
_CALLED = re.compile(r"\(\s{0,20}(?=[rbufRBUF]{0,2}[\"'])")
_TAG = re.compile(r">[ \t]{0,10}(?P<value>[^<>\s]{3,200})[ \t]{0,10}</")
_SPACED = re.compile(r"[ \t]{1,20}(?P<value>[^\s\"'`]{3,400}|[\"'][^\"'\n]{3,200}[\"'])")
_SAID = re.compile(
    r"[ \t]{1,4}(?:is|was|are|ist|lautet|est|es|é|è|=)[ \t]*:?[ \t]{1,4}[\"'`]?(?P<value>[^\s\"'`]{3,200})"
)
_QUOTED = re.compile(
    r"(?:[rbufRBUF]{1,2}|@|(?:[\w.]{0,20}(?:SecretStr|Secret|quote|quote_plus|str|bytes|b64encode|b64decode|bytearray|md5|sha256|sha1|encode)\([ \t]{0,4}[rbufRBUF]{0,2}))?"
    r"(?P<quote>\\{0,3}(?:\"\"\"|'''|[\"'`“”]))(?P<value>(?:(?!(?P=quote))(?:\\[^\n]|[^\\\n])){0,4000})(?P<end>(?P=quote)|(?=\n|\\?\Z))"
)
_MORE = re.compile(r"[ \t]{0,20}\\?\n?[ \t]{0,40}\+?[ \t]{0,20}(?=[rbufRBUF]{0,2}[\"'])")
_BRACED = re.compile(r"\{(?P<value>[^{}\n]{3,200})\}(?=;|\s*\Z|\s*[\"'\n])")
_BARE = re.compile(r"[^\s\"'`<>]{3,400}")
_FALLBACK = re.compile(
    r"(?:\b(?:or|else)\s+|(?:getenv|environ\.get|env|config|get)\([^()\n]{1,80},\s{0,4}(?:default\s{0,2}=\s{0,2})?)(?=[rbu]{0,2}[\"'])"
)
_LEAD = re.compile(
    r"[ \t]*(?:[-#*>/!%;$|]+[ \t]*|(?:export|set|setx|ENV|ARG|%env|%set_env|env|declare -x|[Yy]our|[Mm]y|[Tt]he|[Dd]as|[Mm]ein|[Ll]e|[Ll]a|[Ee]l)[ \t]+|\w{1,30}:[ \t]{0,4})*\Z"
)
_COMMAND = re.compile(
    r"[ \t!%#$-]*(?:export|setx?|ENV|ARG|%env|%set_env|wandb|aws|requirepass|masterauth)\b|.{0,200}--[\w-]*\Z|.{0,200}(?:IDENTIFIED BY|\bWITH)[ \t]+[\w-]*\Z|.{0,200}\b(?:login|machine|user)[ \t]",
    re.S,
)
# `--name=value`, and an option whose own value is one: `--build-arg NAME=value`, `--from-literal=name=value`.
_OPTION = re.compile(r"(?:\A|[ \t])--?(?:[A-Za-z][\w-]{0,40}[= \t])?\Z")
_SECTION = re.compile(r"^\[[\w .:/-]{1,60}\][ \t]*$", re.MULTILINE)
_READERS = re.compile(r"(?i)(?:\A|[._])(?:get|load|read|fetch|from|find|has|is|check|verify|validate|make|create|gen|generate|new|count|prompt|ask|input|parse|test|hash|the|getpass|require[ds]?)(?=[_A-Z]|pass|\Z)")  # fmt: skip
_SENTENCE = re.compile(
    r"(?i)\b(?:the|is|your|please|must|an?|enter|not|or|invalid|to|for|of|with|and|should|be|this|at|in|required|are|new|contain)\b"
)


def spans(text: str, lowered: str) -> Iterator[Span]:
    """Every value in `text` that its name makes a secret; `lowered` is the text in lower case, of the same length."""
    sections = bool(_SECTION.search(text))
    done = 0
    for start, end, name in _names(text, lowered):
        if start < done:
            continue
        kind = names.kind_of(name)
        if kind is None:
            continue
        found = [
            span for span in _after(text, start, end, name, kind, sections) if MARK not in text[span.start : span.end]
        ]
        if found:
            done = found[-1].end
            yield from found


def _names(text: str, lowered: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, name) of the identifiers in which a hint occurs, in order, each once."""
    places = sorted({place for hint in names.HINTS for place in _places(lowered, hint)})
    done = -1
    for place in places:
        if place < done:
            continue
        before = _BEFORE.search(text, max(0, place - LONGEST_NAME), place)
        start = before.start() if before else place
        identifier = _IDENTIFIER.match(text, place)
        done = end = identifier.end() if identifier else place
        name = text[start:end].lstrip(".-$").rstrip(".-")
        start = text.index(name, start) if name else start
        end = start + len(name)
        if end - start > LONGEST_NAME:
            continue
        word = _LAST_WORD.search(text, max(0, start - 16), start)
        if word:
            start = word.start()
        yield start, end, text[start:end]


def _places(lowered: str, hint: str) -> Iterator[int]:
    at = lowered.find(hint)
    while at >= 0:
        yield at
        at = lowered.find(hint, at + len(hint))


def _after(text: str, start: int, end: int, name: str, kind: names.Kind, sections: bool) -> list[Span]:
    """The secrets that the name at [start, end) is given."""
    line = text[max(text.rfind("\n", max(0, start - 300), start) + 1, start - 300, 0) : start]
    if assign := _ASSIGN.match(text, end):
        return _assigned(text, start, assign, line, kind, sections)
    if below := _VALUE_BELOW.match(text, end):
        return _value(text, below.end(), kind, _Place("yaml"))
    if (pair := _PAIR.match(text, end)) and text[max(0, start - 1) : start] in ("'", '"'):
        value = "value" in pair[0].lower()
        return _value(
            text,
            pair.end(),
            kind,
            _Place("yaml" if value else "pair" if line.rstrip("rbu\"' ").endswith("(") else "list"),
        )
    if (called := _CALLED.match(text, end)) and not _READERS.search(name):
        return _value(text, called.end(), kind, _Place("call"))
    if tag := _TAG.match(text, end):
        return _one(text, tag.span("value"), kind, _Place("yaml"))
    if kind != "weak" and (said := _SAID.match(text, end)):
        start, end = said.span("value")
        end -= len(said["value"]) - len(said["value"].rstrip(".,;!?)"))
        return _one(text, (start, end), kind, _Place("said"))
    if spaced := _SPACED.match(text, end):
        first, last = spaced.span("value")
        if text[first] in "\"'":
            first, last = first + 1, last - 1
        place = _Place("env" if line.endswith("-") or _COMMAND.match(line + name) else "said")
        kind = "token" if kind == "weak" and line.endswith("-") else kind  # an option is about nothing else
        shown = text[first - 1] in "\"'" and kind == "password"
        if place.kind == "env" or shown or is_random(text[first:last], 20, 3.2):
            return _one(text, (first, last), kind, place)
    return []


class _Place:
    """Where a value stands: what may be believed of one that is not in quotes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.words = kind in ("env", "yaml", "ini", "connection", "query")


def _assigned(text: str, start: int, assign: re.Match[str], line: str, kind: names.Kind, sections: bool) -> list[Span]:
    at, sign = assign.end(), assign["sign"]
    below = re.compile(r"[\[({]?[ \t]*\\?\n?[ \t]{0,60}(?=[rbufRBUF]{0,2}\\{0,3}[\"'`“”])").match(text, at)
    opened = below is not None and below[0][:1] in ("(", "[", "{")
    if below and ("\n" not in below[0] or opened):
        found = _value(text, below.end(), kind, _Place("quoted"), several=opened)
        if found:
            return found
    if _QUOTED.match(text, at):
        return _value(text, at, kind, _Place("quoted"))
    if text[at : at + 1] == "{" and (several := re.compile(r"\{\s{0,4}[\w\"']{1,20}:\s{0,4}(?=[\"'])").match(text, at)):
        return _value(text, several.end(), kind, _Place("quoted"), several=True)
    place = _place(text, start, line, sign, assign, sections)
    if (braced := _BRACED.match(text, at)) and place.kind == "connection":
        return [Span(*braced.span("value"), "password")]
    bare = _BARE.match(text, at)
    if bare is None or MARK in bare[0]:
        return []
    scheme = re.compile(r"(?:Basic|Bearer|Token|ApiKey|Digest)[ \t]+(?=\S)", re.IGNORECASE).match(text, at)
    if scheme and (bare := _BARE.match(text, scheme.end())) is None:
        return []
    if found := _one(text, (bare.start(), bare.start() + _length(bare[0], place)), kind, place):
        return found
    fallback = _FALLBACK.search(text, at, _line_end(text, at, 200))
    return _value(text, fallback.end(), kind, _Place("quoted")) if fallback else []


def _place(text: str, start: int, line: str, sign: str, assign: re.Match[str], sections: bool) -> _Place:
    tight = not assign["gap"] and not assign["room"]
    before = line.rstrip(" \t")[-1:]
    if line[-1:] in ("?", "&") and tight:
        return _Place("query")
    if before == ";" or (text[start - 1 : start] == "{" and tight):
        return _Place("connection")
    if tight and _OPTION.search(line):
        return _Place("env")
    leads = bool(_LEAD.match(line))
    if sign == "=" and tight:
        rest = text[assign.end() : _line_end(text, assign.end(), 200)]
        if (leads and not rest.rstrip().endswith((",", "("))) or _continues(line):
            inside = "(" in line and line.count("'") % 2 == 0 and line.count('"') % 2 == 0
            return _Place("code" if inside else "env" if leads and "(" not in line else "connection")
        return _Place("code")
    if sign == ":" and (leads or line[-1:] in ("'", '"')):
        return _Place("yaml")
    if sign == "=" and leads and not assign["close"]:
        return _Place("ini" if sections else "line")
    return _Place("line" if leads else "code")


def _continues(line: str) -> bool:
    """Whether `name=value` at the end of `line` is one of several, or an argument of a command: `host=x password=…`."""
    if line[-1:] not in " \t":
        return line[-1:] in ("'", '"', ";")
    word = line[-80:].rstrip().rpartition(" ")[2]
    return word in ("-e", "--env", "=") or bool(re.search(r"\w=", word)) or (word[-1:].isalnum() and "(" not in line)


def _line_end(text: str, at: int, most: int) -> int:
    """Where the line at `at` ends, `most` characters on at the latest."""
    stop = text.find("\n", at, at + most)
    return stop if stop >= 0 else min(len(text), at + most)


def _length(value: str, place: _Place) -> int:
    """How much of an unquoted run is the value."""
    if place.kind == "query":
        cut = re.search(r"[&#;,)\]]|\\n", value)
    elif place.kind in ("connection", "env"):
        cut = re.search(r";(?=\s*\w[\w ]{0,30}=|\s*\Z)|&(?=\w+=)|,(?=\w+[=:])|\\n", value)
    else:
        cut = re.search(r";(?=\w[\w ]{0,30}=|\s*\Z)|\\n|,(?=\w+[=:])", value)
    kept = value[: cut.start()] if cut else value
    return len(kept.rstrip(",;)]}\\") or kept)


def _value(text: str, at: int, kind: names.Kind, place: _Place, *, several: bool = False) -> list[Span]:
    """The quoted string (or strings: those that follow it in a bracket, or are joined to it) at `at`, if it is secret."""
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        bare = _BARE.match(text, at)
        return _one(text, (at, at + _length(bare[0], place)), kind, place) if bare and place.words else []
    strings = [quoted.span("value")]
    whole = quoted["value"]
    for _ in range(200):
        more = _MORE.match(text, quoted.end())
        if more is None or not more[0].strip(" \t"):
            more = (
                re.compile(r"\s{0,10},\s{0,20}(?:[\w\"']{1,20}:\s{0,4})?(?=[\"'])").match(text, quoted.end())
                if several
                else None
            )
        following = _QUOTED.match(text, more.end()) if more else None
        if following is None:
            break
        quoted = following
        strings.append(quoted.span("value"))
        whole += quoted["value"]
    if len(strings) == 1:
        return _one(text, strings[0], kind, place, quoted=True, open_end=not quoted["end"])
    if several and "," in text[at : quoted.start("value")]:
        return [span for one in strings for span in _one(text, one, kind, _Place("list"), quoted=True)]
    return [Span(*one, "secret") for one in strings if one[0] < one[1]] if _quoted_secret(whole, kind, place) else []


def _one(
    text: str, where: tuple[int, int], kind: names.Kind, place: _Place, *, quoted: bool = False, open_end: bool = False
) -> list[Span]:
    value = text[where[0] : where[1]]
    scheme = re.match(r"(?:Basic|Bearer|Token|ApiKey|Digest)\s+(?=\S)", value, re.IGNORECASE)
    if scheme:
        where, value = (where[0] + scheme.end(), where[1]), value[scheme.end() :]
    good = _quoted_secret(value, kind, place) if quoted else _bare_secret(value, kind, place)
    if open_end and good and kind != "password":
        good = is_random(value, 8, 2.5)
    return [Span(*where, "secret")] if good else []


def _quoted_secret(value: str, kind: names.Kind, place: _Place) -> bool:
    """Whether a value in quotes is a secret, by the kind of its name."""
    if value.lstrip()[:1] in (")", "]", ",", ";") or is_placeholder(value) or value == "\\n":
        return False
    if kind == "password":
        if " " in value.strip() and (_SENTENCE.search(value) or value.rstrip()[-1:] in ":.?!" or value.count(" ") > 24):
            return False
        if place.kind in ("list", "call", "pair") and not (mixed(value) or re.search(r"[^\w\s./-]", value)):
            return place.kind != "list" and not is_word_like(value)
        if re.match(r"[/~.][/\w]", value) and value.count("/") > 1:
            return False  # a path
        return len(value) >= 3 and not re.fullmatch(r"https?://\S*|\{\w+\}", value)
    if " " in value or value.startswith(("http://", "https://")):
        return False
    if kind == "key":
        return len(value) >= 8 and (mixed(value) or bool(re.search(r"[a-z][A-Z]|[A-Z][a-z]+[A-Z]", value)) or (len(value) >= 16 and entropy(value) > 3.2 and not is_word_like(value))) and not re.fullmatch(r"[a-z]+(?:_[a-z]+)*_?\d?", value)  # fmt: skip
    if kind == "token":
        return (len(value) >= 7 and mixed(value) and not re.fullmatch(r"v?\d[\d.]*\w?", value)) or is_random(value)
    return is_random(value, 12) and not is_word_like(value) and not value.startswith("sha256:")


def _bare_secret(value: str, kind: names.Kind, place: _Place) -> bool:
    """Whether a value without quotes is a secret, by the kind of its name and where it stands."""
    if kind == "password":
        if place.kind == "said":
            return (
                len(value) >= 4
                and (mixed(value) or bool(re.search(r"\w[^\w\s.,:/'’-]", value)))
                and is_literal(value, words=True)
            )
        if place.kind == "code":
            return not re.search(r"[()\[\]{}]", value) and (
                is_random(value, 24, 3.5) or (not re.fullmatch(r"[\w.]+", value) and is_random(value, 10, 2.8))
            )
        return is_literal(value, words=place.words)
    if re.search(r"[()\[\]{}$<>]", value) or is_placeholder(value):
        return False
    if kind == "key":
        return (
            len(value) >= 8
            and mixed(value)
            and not is_word_like(value)
            and (place.kind != "code" or is_random(value, 20))
        )
    if kind == "token":
        return is_random(value, 8 if place.words else 16, 2.5) and not is_word_like(value)
    return is_random(
        value, 8 if place.kind == "query" else 20, 2.5 if place.kind == "query" else 3.2
    ) and not is_word_like(value)
