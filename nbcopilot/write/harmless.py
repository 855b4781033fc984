"""A model's Markdown before it goes into a cell: nothing in it is fetched, runs, or leads anywhere.

JupyterLab loads images when it renders a cell. So images, links, reference definitions and HTML go; their words stay.
What is code is asked of a Markdown parser, and fences are written again in one form, so that a renderer that reads the
text in another way finds nothing live either. Addresses of the notebook's own stay as plain text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

_CODE_SPAN = re.compile(r"(?<![\\`])(?P<mark>`{1,8})(?!`)(?P<code>.{1,2000}?)(?<!`)(?P=mark)(?!`)", re.DOTALL)
# Elements that go with what is in them, and all elements of HTML that go alone.
_WHOLE = "script|style|iframe|svg|math|object|template|noscript|textarea|title|xmp|noembed|noframes|select|audio|video"
_WITH_CONTENT = re.compile(rf"<({_WHOLE})\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_ELEMENTS = (
    "a|abbr|address|applet|area|article|aside|b|base|basefont|bdi|bdo|bgsound|big|blink|blockquote|body|br|button|canvas|caption|center|cite|code|col|"
    "colgroup|command|data|datalist|dd|del|details|dfn|dialog|dir|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|frameset|h[1-6]|"
    "head|header|hgroup|hr|html|i|image|img|input|ins|isindex|kbd|keygen|label|legend|li|link|listing|main|map|mark|marquee|menu|menuitem|meta|meter|nav|"
    "nobr|ol|optgroup|option|output|p|param|picture|plaintext|portal|pre|progress|q|rb|rp|rt|rtc|ruby|s|samp|search|section|slot|small|source|spacer|span|"
    "strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|time|tr|track|tt|u|ul|var|wbr"
)
_TAG = re.compile(
    rf"</?(?:{_ELEMENTS}|{_WHOLE})(?![\w])(?:[^<>\"']|\"[^\"]{{0,2000}}\"|'[^']{{0,2000}}'){{0,200}}>?|</?[A-Za-z][\w:-]{{0,40}}\s[^<>\n]{{0,500}}=[^<>]{{0,2000}}>?",
    re.IGNORECASE,
)
_AUTOLINK = re.compile(r"<(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:|//|\\\\)[^<>\s]{0,2000}>|<[\w.+-]{1,80}@[\w.-]{1,80}>")
_INLINE = re.compile(
    r"!?\[(?P<words>(?:[^\[\]\\]|\\.){0,400})\](?:\((?:[^()\\\n]|\\.|\((?:[^()\n]){0,400}\)){0,2000}\)|[ ]?\[[^\[\]\n]{0,400}\])"
)
# What may stand before a block in its line: quotation marks and the marks of lists.
_MARKS = r"(?:[ \t>*+-]|\d{1,9}[.)]){0,60}"
_DEFINITION = re.compile(
    rf"^{_MARKS}\[(?:[^\[\]\\]|\\.){{1,400}}\]:[ \t]*\n?[^\n]*(?:\n[ \t]+[\"'(][^\n]*)?$", re.MULTILINE
)
_SCHEME = re.compile(r"\b(javascript|vbscript|livescript|data|file|blob|command)(?=:[^\s])", re.IGNORECASE)
# What an address is, in any spelling that a browser takes for one.
ADDRESS = re.compile(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}:[ ]?(?:\\{1,4}|/{2,})[^\s)>\]`]{1,2000}|\bwww\.[^\s)>\]`]{1,2000}|(?<![\w:/\\])(?:\\\\|//)[\w-]{1,63}\.[^\s)>\]`]{1,2000}"
    r"|\b(?:javascript|vbscript|data):[^\s)>\]`]{1,2000}|\bmailto:[^\s)>\]`]{1,200}",
    re.IGNORECASE,
)


def harmless(text: str) -> str:
    """`text` (Markdown) without images, links, reference definitions and HTML; code stays as it is. Idempotent."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for _ in range(8):  # what was taken away may have kept two halves of a tag apart
        cleaned = "\n".join(_parts(text))
        if cleaned == text:
            break
        text = cleaned
    return text


def without_addresses(text: str, known: str = "") -> str:
    """`text` with every address that does not occur in `known` replaced by "(address removed)"."""

    def keep(match: re.Match[str]) -> str:
        return match[0] if match[0].rstrip(".,;:") in known else "(address removed)"

    return ADDRESS.sub(keep, text)


@functools.cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def _parts(text: str) -> Iterator[str]:
    """The blocks of code and what is between them, in order, each cleaned."""
    lines = text.split("\n")
    tokens = _parser().parse(text)
    spans = {
        _squeezed(child.content) for token in tokens for child in token.children or () if child.type == "code_inline"
    }
    at = 0
    for token in tokens:
        if token.type not in ("fence", "code_block") or token.map is None or token.map[0] < at:
            continue
        start, end = token.map
        while token.type == "code_block" and end > start and not lines[end - 1].strip():
            end -= 1
        if start > at:
            yield _prose("\n".join(lines[at:start]), spans)
        if token.type == "fence" and token.level > 0:  # its other lines carry the marks of the block around it
            lines[start] = lines[start].partition(token.markup)[0] + token.markup + _language(token)
        yield _fence(token) if token.type == "fence" and token.level == 0 else "\n".join(lines[start:end])
        at = end
    if at < len(lines):
        yield _prose("\n".join(lines[at:]), spans)


def _fence(token: Token) -> str:
    """The block of code between backticks, more of them than stand in it."""
    longest = max((len(run) for run in re.findall(r"`+", token.content)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{_language(token)}\n{token.content.rstrip(chr(10))}\n{mark}"


def _language(token: Token) -> str:
    """What a fence says of its language, without all else."""
    found = re.match(r"[\w+#.-]{0,30}", token.info.strip())
    return found[0] if found else ""


def _prose(text: str, code: set[str]) -> str:
    """Text between blocks of code. code: the contents of the spans of code as the parser reads them."""
    kept: list[str] = []

    def put_away(match: re.Match[str]) -> str:
        if _squeezed(match["code"]) not in code:
            return match[0]
        # On one line: where a line begins, another reader may see a block.
        kept.append(re.sub(r"\s*\n\s*", " ", match[0]))
        return f"\x00{len(kept) - 1}\x00"

    text = _CODE_SPAN.sub(put_away, text.replace("\x00", ""))
    text = _COMMENT.sub("", _WITH_CONTENT.sub("", text))
    text = _AUTOLINK.sub("", _TAG.sub("", text))
    text = _DEFINITION.sub("", text)
    for _ in range(6):  # an image within a link
        text, count = _INLINE.subn(lambda match: match["words"], text)
        if not count:
            break
    # What is left of a form that was not recognised cannot become a link, a definition or a tag any more.
    text = re.sub(r"\](?=[(\[])", r"]\\", text)
    text = re.sub(rf"^({_MARKS}\[[^\n]{{0,400}}\])(?=:)", r"\1\\", text, flags=re.MULTILINE)
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
    text = _SCHEME.sub(r"\1\\", text)
    return re.sub(r"\x00(\d+)\x00", lambda match: kept[int(match[1])], text)


def _squeezed(code: str) -> str:
    return re.sub(r"\s+", " ", code).strip()
