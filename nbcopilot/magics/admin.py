"""`%nbcopilot ask|status|config|trust|context|stop|undo|accept|reject|models|panel`."""

from __future__ import annotations

import difflib
import html
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import session, trust
from nbcopilot._version import __version__
from nbcopilot.config import effective, with_changes
from nbcopilot.config_schema import former_names, known
from nbcopilot.errors import UsageError
from nbcopilot.magics import background, context_view
from nbcopilot.magics.delivering import deliver
from nbcopilot.magics.display import Stream
from nbcopilot.notebook import document, whereabouts
from nbcopilot.write import comm, delivery, finishing
from nbcopilot.write.wire import Answer, Refused


def run(line: str, shell: InteractiveShell) -> Any:
    """Carry out one `%nbcopilot` line. Raises UsageError for an unknown word."""
    word, _, rest = line.strip().partition(" ")
    if not word:
        word = "status"
    if word in ("help", "-h", "--help"):
        print("\n".join(f"%nbcopilot {name:16} {text}" for name, text in HELP.items()))
        return None
    action = ACTIONS.get(word)
    if action is None:
        near = difflib.get_close_matches(word, ACTIONS, n=1, cutoff=0.4)
        hint = f"did you mean `%nbcopilot {near[0]}`?" if near else "it takes " + ", ".join(ACTIONS)
        raise UsageError(f"%nbcopilot has no {word!r}", hint=hint)
    return action(rest.strip(), shell)


def _status(rest: str, shell: InteractiveShell) -> None:
    current = session.current()
    print(f"nbcopilot {__version__}")
    if current._engine is None:
        print(f"no model loaded yet (model = {current.config.model}, engine = {current.config.engine})")
    else:
        info = current._engine.describe()
        print(f"{info.id} · {info.engine} · {info.device} · {info.precision} · {info.context_tokens} tokens of context")
        for name, value in info.detail.items():
            print(f"  {name}: {value}")
    count = sum(write.confirmed for write in current.history)
    print(
        f"{count or 'no'} write{'' if count == 1 else 's'} in this session"
        + ("; one answer waits for %nbcopilot accept" if current.pending else "")
    )
    if jobs := _jobs(shell):
        print(f"{len(jobs)} request{'s' if len(jobs) > 1 else ''} under way: %nbcopilot stop cancels")


def _config(rest: str, shell: InteractiveShell) -> None:
    """Without text: every setting and where it came from. `name = value`: change it for this session."""
    current = session.current()
    if rest:
        name, found, value = rest.partition("=")
        if not found:
            name, _, value = rest.partition(" ")
        name = name.strip().lstrip("-").replace("-", "_")
        for notice in former_names({name: value}, "the call"):
            print(f"nbcopilot: {notice}")
        name = known(name, "the call")
        current.config = with_changes(current.config, **{name: value.strip().strip("\"'")})
        shown = "(set)" if name == "api_key" else getattr(current.config, name)
        print(f"{name} = {shown} for this session")
        return
    here = effective()
    for setting in here.settings:
        value = getattr(current.config, setting.name)
        origin = setting.origin if value == setting.value else "this session"
        shown = "(set)" if setting.name == "api_key" and value else value
        print(f"{setting.name:20} {shown!s:24} {origin}")
    for notice in here.notices:
        print(f"nbcopilot: {notice}")


def _trust(rest: str, shell: InteractiveShell) -> None:
    """Trust the folder whose settings were ignored here, and use them from now on."""
    folder = rest.strip("\"'") or effective().untrusted
    if folder is None:
        print("nothing waits for your trust here: no setting of this project is ignored")
        return
    made = trust.add(folder)
    session.reset()
    print(f"{made.folder} is trusted: its settings count in full from now on")


def _context(rest: str, shell: InteractiveShell) -> None:
    print(context_view.render(session.current().last_context)[0])


def _undo(rest: str, shell: InteractiveShell) -> None:
    """Take the latest request back: stop it when it is still under way, else take out what it wrote."""
    current = session.current()
    if jobs := [job for job in _jobs(shell) if not job.stopped]:
        jobs[-1].stop()
        print("the latest request was still under way: it is stopped, nothing was written")
        return
    if not current.history:
        print("nothing was written in this session")
        return
    write = current.history.pop()
    link = comm.connect(shell)
    if write.route == "comm" and link is not None:
        stream = _stream(shell)

        def answered(answer: Answer) -> None:
            if isinstance(answer, Refused) and answer.reason != "no-cell":
                current.history.append(write)
            _say(stream, delivery.explain_undo(answer))

        stream.status("taking the last write back …")
        link.undo(write.edit.group, answered, force="--force" in rest)
    elif write.route == "payload" and getattr(shell, "kernel", None) is None:
        print("a terminal has no cells: the answer only stood at the prompt, there is nothing to take back")
    elif write.route == "payload":
        print("this front end cannot take cells back: delete the cell below the one that asked (Esc, then d d)")
    else:
        print("the last answer was only shown; there is nothing to take back")


def _accept(rest: str, shell: InteractiveShell) -> None:
    current = session.current()
    if current.pending is None:
        waits = "the answer is not there yet: accept it when it is" if _jobs(shell) else "nothing waits to be accepted"
        print(waits)
        return
    edit, current.pending = current.pending, None
    overwrite, current.pending_overwrites = current.pending_overwrites, False
    stream = _stream(shell)

    def say(text: str, more: Mapping[str, str]) -> None:
        _say(stream, text, more)

    say(deliver(edit, shell, current.config, say, overwrite=overwrite), {})


def _stop(rest: str, shell: InteractiveShell) -> None:
    """Cancel what is under way at the next token."""
    requests = background.under_way(shell)
    count = requests.stop() if requests is not None else 0
    print(f"{count} request{'s' if count > 1 else ''} stopped" if count else "no request is under way")


def _jobs(shell: InteractiveShell) -> list[background.Job]:
    requests = background.under_way(shell)
    return requests.jobs if requests is not None else []


def _stream(shell: InteractiveShell) -> Stream:
    return Stream(rich=getattr(shell, "kernel", None) is not None)


def _say(stream: Stream, text: str, more: Mapping[str, str] | None = None) -> None:
    more = more or {}
    stream.finish(text + more.get("text/plain", ""), f"<div>{html.escape(text)}</div>{more.get('text/html', '')}")


def _reject(rest: str, shell: InteractiveShell) -> None:
    current = session.current()
    print("dropped; nothing was written" if current.pending else "nothing waits to be rejected")
    current.pending = None


def _finish(rest: str, shell: InteractiveShell) -> None:
    """Make the open notebook run without nbcopilot: from its saved file, as one undo step in the page."""
    link, path = comm.connect(shell), whereabouts.said(shell.user_ns)
    if link is None or not link.ready or path is None:
        raise UsageError(
            "no page takes changes of this notebook", hint="run in a shell: nbcopilot finish NOTEBOOK.ipynb --in-place"
        )
    edit = finishing.edit_of(document.read(path), metadata="--metadata" in rest)
    if edit is None:
        print("there is nothing to finish: the notebook as it was saved runs without nbcopilot")
        return
    stream, count = _stream(shell), len(edit.cells)

    def answered(answer: Answer) -> None:
        if isinstance(answer, Refused):
            detail = "the notebook has changed since it was saved: save it, then run this again"
            return _say(stream, detail if answer.reason == "edited" else delivery.explain(answer))
        session.current().history.append(session.Write(edit, "comm", confirmed=True))
        _say(
            stream,
            f"{count} cell{'s' if count != 1 else ''} finished: the notebook runs without nbcopilot (%nbcopilot undo takes it back)",
        )

    stream.status("finishing the notebook …")
    link.send(edit, answered, on_silence=lambda: _say(stream, "no page has answered: the notebook is as it was"))


def _models(rest: str, shell: InteractiveShell) -> None:
    from nbcopilot.models.store import listing

    print("\n".join(listing()))


def _ask(rest: str, shell: InteractiveShell) -> None:
    """The next turn of the conversation about this notebook."""
    from nbcopilot.magics import commands

    commands.chat(shell, rest.strip().strip("\"'"), None)


def _panel(rest: str, shell: InteractiveShell) -> Any:
    from nbcopilot.panel import panel

    return panel()


HELP = {
    "ask TEXT": "the next turn of the conversation about this notebook (also %%chat)",
    "status": "which model answers, and how (also %nbcopilot alone)",
    "config": "every setting and where it comes from",
    "trust": "let all settings of this project count",
    "config NAME=VALUE": "change a setting for this session",
    "context": "what the last request sent to the model, and why",
    "stop": "cancel the requests that are under way",
    "undo": "take back the last write",
    "accept": "write the answer that waits: of --dry-run, or one that was not written",
    "reject": "drop the answer that waits",
    "finish": "make the notebook run without nbcopilot: requests become comments, labels go",
    "models": "the models on this machine",
    "panel": "a panel of widgets, for front ends without the extension",
}
ACTIONS: dict[str, Callable[[str, InteractiveShell], Any]] = {
    "ask": _ask,
    "status": _status,
    "config": _config,
    "trust": _trust,
    "context": _context,
    "stop": _stop,
    "undo": _undo,
    "accept": _accept,
    "reject": _reject,
    "finish": _finish,
    "models": _models,
    "panel": _panel,
}
