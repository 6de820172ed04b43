"""What a component's command starts: scripts with their arguments, read from its text as bash would read it.

Nothing is expanded. Where the shell is too dynamic to tell (here-documents, unbalanced quotes) nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .errors import Severity

_PORT = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([\w.-]+)\s*\}\}")
_EXPRESSION = re.compile(r"\$\{\{([^$}]*(?:(?:\$(?!\{\{)|\}(?!\}))[^$}]*)*)\}\}")
_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?(?:\.exe)?")
_SCRIPT = re.compile(r"[\w./-]+\.py")
_OTHER_SCRIPT = re.compile(r"[\w./-]+\.(?:sh|bash|R|r)")
_LONE_BACKSLASH = re.compile(r"(?:(?<=[ \t])|^)\\(?=[ \t])")
_FAR = 20_000  # characters; no command is longer, and one that is takes no longer to judge
_OPTION = re.compile(r"--?[A-Za-z]")
_CONTINUATION = re.compile(r"\\\r?\n")
_REDIRECTION = re.compile(r"\d*[<>]{1,2}(?:&\d|&-|\|)?")
# What means nothing to the shell, wherever it stands.
_PLAIN = re.compile(r"[A-Za-z0-9_./:,=@%+-]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
# Programs that start a script named among their own arguments, what follows it being the script's.
_LAUNCHERS = frozenset({"accelerate", "coverage", "deepspeed", "env", "exec", "horovodrun", "ipython", "mpirun", "nohup",
                        "srun", "time", "torchrun", "xvfb-run"})
_INTERPRETERS = frozenset({"Rscript", "bash", "sh", "source"})
_WITH_VALUE = frozenset({"-W", "-X"})


class Word(NamedTuple):
    """One word of a command.

    Attributes:
        text: As written, without quotes; expressions stay as they are.
        offset: Where it begins in the command.
        optional: It stands inside ``$[[…]]``.
        dynamic: The shell puts something in its place that only the run knows (``$VAR``, ``$(…)``, a pattern).
        ports: The ports that it mentions: (side, name).
        whole: It is one expression and nothing else, without quotes: its value may become several words.
    """

    text: str
    offset: int
    optional: bool = False
    dynamic: bool = False
    ports: tuple[tuple[str, str], ...] = ()
    whole: bool = False


class Break(NamedTuple):
    """A place where lines of a command do not go together as they were meant to."""

    offset: int
    what: str
    why: str
    fix: str
    severity: Severity


def broken_lines(command: str) -> list[Break]:
    """Where *command* continues a line by a backslash that does not, or goes on without any."""
    found: list[Break] = []
    if ("\n" not in command and "\\" not in command) or "<<" in command:  # a here-document has its own rules
        return found
    match = next((match for match in _LONE_BACKSLASH.finditer(command[:_FAR]) if not _is_quoted(command, match.start())), None)
    if match is not None:
        found.append(Break(
            match.start(), "the command passes a blank where '\\' was to continue a line",
            "YAML has joined the lines ('>' and plain text do), so that nothing follows the '\\' but a blank",
            "remove the '\\'", Severity.ERROR))
    alone = next((words[0] for words in simple_commands(command) if _OPTION.match(words[0].text)), None)
    if alone is not None:
        found.append(Break(
            alone.offset, f"the command runs {alone.text!r} as a program",
            "bash takes each line as a command; YAML keeps the lines of a '|' block, and of a '>' block those indented further",
            "write '>-' and indent all lines of the command alike", Severity.WARNING))
    continued = _CONTINUATION.search(command) if "$[[" in command else None
    if continued:
        found.append(Break(
            continued.start(), "the command has $[[…]] and continues a line by '\\'",
            "Azure ML's documentation says that the two do not go together",
            "write '>-' instead of '|', and no '\\'", Severity.WARNING))
    return found


def _is_quoted(command: str, at: int) -> bool:
    return any(command.count(quote, 0, at) % 2 for quote in "'\"")


class Invocation(NamedTuple):
    """A script or module that a command starts, with what it is given; *python* when Python runs it."""

    script: str | None
    module: str | None
    python: bool = True
    arguments: Sequence[Word] = ()
    offset: int = 0


def invocations(command: str) -> list[Invocation]:
    """The scripts and modules that *command* starts, in order; empty when that cannot be told."""
    if "<<" in command:
        return []
    found = []
    for words in simple_commands(command):
        started = _started(words)
        if started is not None:
            found.append(started)
    return found


def _started(words: list[Word]) -> Invocation | None:
    while words and _ASSIGNMENT.match(words[0].text):
        words = words[1:]
    if not words:
        return None
    program = words[0]
    if _PYTHON.fullmatch(program.text):
        return _of_python(words)
    name = program.text.rpartition("/")[2]
    if name in _INTERPRETERS:
        script = next((word for word in words[1:] if not word.text.startswith("-")), None)
        if script is not None and not script.dynamic and _OTHER_SCRIPT.fullmatch(script.text):
            return Invocation(script=script.text, module=None, python=False, offset=script.offset)
        return None
    if name in _LAUNCHERS:
        for index, word in enumerate(words[1:], 1):
            if _PYTHON.fullmatch(word.text):
                return _of_python(words[index:])
            if _SCRIPT.fullmatch(word.text):
                return Invocation(script=word.text, module=None, arguments=words[index + 1:], offset=word.offset)
    return None


def _of_python(words: list[Word]) -> Invocation | None:
    index = 1
    while index < len(words):
        word = words[index]
        if word.text == "-m" and index + 1 < len(words):
            rest = words[index + 2:]
            for position, inner in enumerate(rest):  # python -m torch.distributed.launch … train.py …
                if _SCRIPT.fullmatch(inner.text) and not inner.optional:
                    return Invocation(script=inner.text, module=None, arguments=rest[position + 1:], offset=inner.offset)
            return Invocation(script=None, module=words[index + 1].text, arguments=rest, offset=word.offset)
        if word.text == "-c" or word.dynamic:
            return None
        if not word.text.startswith("-"):
            if not _SCRIPT.fullmatch(word.text):
                return None
            return Invocation(script=word.text, module=None, arguments=words[index + 1:], offset=word.offset)
        index += 2 if word.text in _WITH_VALUE else 1
    return None


def simple_commands(command: str) -> Iterator[list[Word]]:
    """The words of each simple command of a shell text: what stands between ``&&``, ``;``, ``|`` and the like."""
    reader = _Reader(command)
    return reader.read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.optional = False
        self.words: list[Word] = []

    def read(self) -> Iterator[list[Word]]:
        skip = False  # the next word is where a redirection goes
        while self.at < len(self.text):
            rest = self.text[self.at:self.at + 3]
            if rest.startswith(("\\\n", "\\\r")):
                self.at += 2
            elif rest[0] in " \t\r":
                self.at += 1
            elif rest == "$[[":
                self.optional = True
                self.at += 3
            elif self.optional and rest.startswith("]]"):
                self.optional = False
                self.at += 2
            elif rest[0] in "\n;|&()":
                if rest.startswith("&>"):
                    self.at += 2
                    skip = True
                    continue
                self.at += 1
                if self.words:
                    yield self.words
                    self.words = []
            elif rest[0] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif redirection := _REDIRECTION.match(self.text, self.at):
                self.at = redirection.end()
                skip = redirection[0][-1] in "<>|"
            else:
                word = self._word()
                if word is None:
                    return  # a quote that is not closed: the shell would refuse it
                if not skip:
                    self.words.append(word)
                skip = False
        if self.words:
            yield self.words

    def _word(self) -> Word | None:
        start, parts, quoted, dynamic = self.at, [], False, False
        while self.at < len(self.text):
            if plain := _PLAIN.match(self.text, self.at):
                parts.append(plain[0])
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if character in " \t\r\n;|&()<>":
                break
            if self.optional and self.text.startswith("]]", self.at):
                break
            if self.text.startswith("$[[", self.at):
                break
            expression = _EXPRESSION.match(self.text, self.at)
            if expression:
                parts.append(expression[0])
                self.at = expression.end()
            elif character == "\\" and self.at + 1 < len(self.text):
                if self.text[self.at + 1] != "\n":
                    parts.append(self.text[self.at + 1])
                self.at += 2
            elif character == "'":
                end = self.text.find("'", self.at + 1)
                if end < 0:
                    return None
                parts.append(self.text[self.at + 1:end])
                quoted = True
                self.at = end + 1
            elif character == '"':
                end = self._closing(self.at + 1)
                if end < 0:
                    return None
                inside = self.text[self.at + 1:end]
                dynamic = dynamic or bool(re.search(r"[$`]", _EXPRESSION.sub("", inside)))
                parts.append(inside.replace('\\"', '"'))
                quoted = True
                self.at = end + 1
            else:
                dynamic = dynamic or character in "$`*?[{~"
                if self.text.startswith("$(", self.at):
                    depth = self.text.find(")", self.at)
                    self.at = len(self.text) if depth < 0 else depth
                parts.append(character)
                self.at += 1
        text = "".join(parts)
        whole = not quoted and _EXPRESSION.fullmatch(text) is not None
        ports = tuple((match[1], match[2]) for match in _PORT.finditer(text))
        return Word(text=text, offset=start, optional=self.optional, dynamic=dynamic, ports=ports, whole=whole)

    def _closing(self, at: int) -> int:
        while at < len(self.text):
            if self.text[at] == "\\":
                at += 2
                continue
            if self.text[at] == '"':
                return at
            at += 1
        return -1
