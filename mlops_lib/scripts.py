"""What a Python script takes on its command line, logs and defines: read from its syntax tree, never imported."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .commands import Invocation, Word
from .errors import did_you_mean, listing
from .rules.facts import MANY, Arity

_NO_VALUE = frozenset({"append_const", "count", "help", "store_const", "store_false", "store_true", "version"})
# Ways to read a command line that say too little in the source.
_FOREIGN = frozenset({"absl", "configargparse", "docopt", "fire", "hydra", "jsonargparse", "lightning", "optparse",
                      "plac", "pytorch_lightning", "simple_parsing", "tap", "transformers", "tyro"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option or positional argument of a script.

    Attributes:
        names: ``--rate``, ``-r``; of a positional its one name.
        least, most: How many values follow it.
        choices: The texts that it takes; empty when it takes any.
        boolean: Its type is ``bool``, for which every text but the empty one is true.
    """

    names: tuple[str, ...]
    required: bool = False
    least: int = 1
    most: int = 1
    choices: tuple[str, ...] = ()
    boolean: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Parser:
    """A script's command line; *lenient* when it passes over what it does not know."""

    options: Sequence[Option] = ()
    positionals: Sequence[Option] = ()
    lenient: bool = False
    abbreviates: bool = True
    flags: Mapping[str, Option] = field(default_factory=dict)


class Problem(NamedTuple):
    """What a command gets wrong: *offset* is where, in the command."""

    code: str
    what: str
    why: str
    fix: str
    offset: int


class Metrics(NamedTuple):
    """The names of the metrics that a script logs; *open* when it logs others that the source does not name."""

    names: frozenset[str]
    open: bool


# --- parsers ---------------------------------------------------------------------------------------------------------


def parser_of(tree: ast.Module) -> Parser | None:
    """The command line that a script reads; None when it reads none, or the source does not tell all of it."""
    nodes = _below(tree)
    imports = _imports(nodes)
    if imports & _FOREIGN:
        return None
    try:
        if "argparse" in imports:
            return _argparse(nodes)
        if "click" in imports:
            return _click(nodes)
        if "typer" in imports:
            return _typer(nodes)
    except _Untold:
        return None
    return None


class _Untold(Exception):
    """The source does not tell all of the command line."""


def _below(node: ast.AST) -> list[ast.AST]:
    """A node and all below it, those above first: what ``ast.walk`` yields, in a third of its time."""
    found = [node]
    for above in found:  # grows on the way
        for name in above._fields:
            value = getattr(above, name, None)
            if isinstance(value, list):
                for item in value:  # most have one or none: a comprehension costs more than it saves
                    if isinstance(item, ast.AST):
                        found.append(item)
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def _imports(nodes: Iterable[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def _called(node: ast.AST) -> str:
    """The last part of what a call calls: ``add_argument`` of ``parser.add_argument(…)``."""
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _argparse(nodes: Sequence[ast.AST]) -> Parser | None:
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    made = [call for call in calls if _called(call) == "ArgumentParser"]
    names = {_called(call) for call in calls}
    if len(made) != 1 or names & {"add_subparsers", "set_defaults_from_file"} or not names & _PARSES:
        return None
    for keyword in made[0].keywords:
        if keyword.arg in (None, "fromfile_prefix_chars", "parents", "prefix_chars"):
            return None
    _refuse_elsewhere(nodes, calls)
    loops = _loops(nodes)
    conditional = _conditional(nodes, loops)
    options: list[Option] = []
    positionals: list[Option] = []
    for call in calls:
        if _called(call) in _PARSES and any(not _is_argv(argument) for argument in call.args):
            return None
        for loop in loops.get(call, [{}]) if _called(call) == "add_argument" else ():
            option = _argument(call, conditional, loop)
            (options if option.names[0].startswith("-") else positionals).append(option)
    exclusive = any(_called(call) == "add_mutually_exclusive_group" for call in calls)
    if exclusive:  # one of several: none of them by itself
        options = [_optional(option) for option in options]
    if not _is_false(_keyword(made[0], "add_help")):
        options.append(Option(names=("--help", "-h"), least=0, most=0))
    abbreviates = not _is_false(_keyword(made[0], "allow_abbrev"))
    return _parser(options, positionals, "parse_known_args" in names or "parse_known_intermixed_args" in names, abbreviates)


_PARSES = frozenset({"parse_args", "parse_intermixed_args", "parse_known_args", "parse_known_intermixed_args"})


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_argv(node: ast.expr) -> bool:
    return "argv" in ast.dump(node) or (isinstance(node, ast.Constant) and node.value is None)


def _parser(options: list[Option], positionals: list[Option], lenient: bool, abbreviates: bool) -> Parser:
    flags = {name: option for option in options for name in option.names}
    return Parser(options=tuple(options), positionals=tuple(positionals), lenient=lenient, abbreviates=abbreviates, flags=flags)


def _optional(option: Option) -> Option:
    return Option(names=option.names, least=option.least, most=option.most, choices=option.choices, boolean=option.boolean)


def _refuse_elsewhere(nodes: Iterable[ast.AST], calls: list[ast.Call]) -> None:
    """A parser that is handed to code of another module may get options there."""
    parsers = {target.id for node in nodes if isinstance(node, ast.Assign) and _called(node.value) in _MAKES
               for target in node.targets if isinstance(target, ast.Name)}
    local = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    for call in calls:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(isinstance(value, ast.Name) and value.id in parsers for value in given) and _called(call) not in local:
            raise _Untold


_MAKES = frozenset({"ArgumentParser", "add_argument_group", "add_mutually_exclusive_group"})


def _loops(nodes: Iterable[ast.AST]) -> dict[ast.AST, list[dict[str, object]]]:
    """What is repeated for each of a few written values: ``for name in ("train", "test"): …``, and the values."""
    found: dict[ast.AST, list[dict[str, object]]] = {}
    for node in nodes:
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and not node.orelse:
            values = _written(node.iter)
            if values is None:
                continue
            inside = [part for statement in node.body for part in _below(statement)]
            if not any(isinstance(part, ast.For | ast.If | ast.Break | ast.Continue) for part in inside):
                found.update({part: [{node.target.id: value} for value in values] for part in inside})
    return found


def _written(node: ast.expr) -> Sequence[object] | None:
    if isinstance(node, ast.List | ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts):
        return [item.value for item in node.elts if isinstance(item, ast.Constant)]
    if isinstance(node, ast.Call) and _called(node) == "range" and not node.keywords:
        bounds = [item.value for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, int)]
        if bounds and len(bounds) == len(node.args) <= 2 and max(map(abs, bounds)) <= 1000:
            return range(*bounds)
    return None


def _conditional(nodes: Iterable[ast.AST], loops: Collection[ast.AST]) -> set[ast.AST]:
    """What stands in branches, loops and handlers: it may or may not happen, or happen with other names each time."""
    found: set[ast.AST] = set()
    for node in nodes:
        # One that stands in another was found with that, and all below it.
        if isinstance(node, ast.For | ast.While | ast.Try | ast.If) and node not in found and not _is_main(node):
            found.update(part for part in _below(node) if part not in loops)
    return found


def _text_of(node: ast.expr, loop: Mapping[str, object]) -> str | None:
    """A string that is written, or put together from written parts and a loop's variable."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        value = loop.get(node.id)
        return value if isinstance(value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [str(loop[part.value.id]) if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name)
                 and part.value.id in loop and part.format_spec is None else part.value if isinstance(part, ast.Constant)
                 else None for part in node.values]
        return None if None in parts else "".join(map(str, parts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text_of(node.left, loop), _text_of(node.right, loop)
        return None if left is None or right is None else left + right
    return None


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def _argument(call: ast.Call, conditional: Collection[ast.AST], loop: Mapping[str, object]) -> Option:
    names = [text for argument in call.args if (text := _text_of(argument, loop)) is not None]
    if len(names) != len(call.args) or not names or any(keyword.arg is None for keyword in call.keywords):
        raise _Untold
    least, most = _values(call)
    option = names[0].startswith("-")
    action = _keyword(call, "action")
    word = action.value if isinstance(action, ast.Constant) else _called(action) if action is not None else "store"
    if word in _NO_VALUE:
        least = most = 0
    elif word == "BooleanOptionalAction":
        least = most = 0
        names += [f"--no-{name[2:]}" for name in names if name.startswith("--")]
    elif word not in ("append", "extend", "store"):
        raise _Untold
    kind = _keyword(call, "type")
    boolean = isinstance(kind, ast.Name) and kind.id == "bool"
    choices = _choices(_keyword(call, "choices")) if kind is None or _called(kind) == "str" else ()
    required = (_is_true(_keyword(call, "required")) if option else least > 0) and call not in conditional
    return Option(names=tuple(names), required=required, least=least if option or call not in conditional else 0, most=most,
                  choices=choices, boolean=boolean)


def _values(call: ast.Call) -> tuple[int, int]:
    nargs = _keyword(call, "nargs")
    if nargs is None:
        return 1, 1
    if not isinstance(nargs, ast.Constant):
        raise _Untold
    if isinstance(nargs.value, int):
        return nargs.value, nargs.value
    found = {"?": (0, 1), "*": (0, MANY), "+": (1, MANY)}.get(str(nargs.value))
    if found is None:
        raise _Untold
    return found


def _choices(node: ast.expr | None) -> tuple[str, ...]:
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return ()
    values = [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return tuple(values) if len(values) == len(node.elts) else ()


def _click(nodes: Iterable[ast.AST]) -> Parser | None:
    commands = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            names = [_called(decorator) for decorator in node.decorator_list]
            if "group" in names:
                return None
            if "command" in names:
                commands.append(node)
    if len(commands) != 1:
        return None
    options: list[Option] = [Option(names=("--help",), least=0, most=0)]
    positionals: list[Option] = []
    for decorator in commands[0].decorator_list:
        if not isinstance(decorator, ast.Call):
            if _called(decorator) == "command":
                continue
            return None
        name = _called(decorator)
        if name == "command":
            if _keyword(decorator, "context_settings") is not None or _keyword(decorator, "cls") is not None:
                return None
        elif name == "option":
            options.append(_click_option(decorator))
        elif name == "argument":
            positionals.append(_click_argument(decorator))
        else:
            return None  # a decorator of another's making, which may add options
    return _parser(options, positionals, False, True)


def _texts(call: ast.Call) -> list[str]:
    names = [argument.value for argument in call.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
    if len(names) != len(call.args) or any(keyword.arg is None for keyword in call.keywords):
        raise _Untold
    return names


def _click_option(call: ast.Call) -> Option:
    names: list[str] = []
    flag = _is_true(_keyword(call, "is_flag")) or _is_true(_keyword(call, "count"))
    for name in _texts(call):
        if name.startswith("-"):
            flag = flag or "/" in name
            names += [part.strip() for part in name.split("/")]
    if not names:
        raise _Untold
    for risky in ("cls", "flag_value", "prompt", "envvar", "callback"):
        if _keyword(call, risky) is not None:
            raise _Untold
    values = 0 if flag else 1
    nargs = _keyword(call, "nargs")
    if isinstance(nargs, ast.Constant) and isinstance(nargs.value, int):
        values = nargs.value
    elif nargs is not None:
        raise _Untold
    required = _is_true(_keyword(call, "required")) and _keyword(call, "default") is None
    return Option(names=tuple(names), required=required, least=values, most=values, choices=_click_choices(call))


def _click_choices(call: ast.Call) -> tuple[str, ...]:
    kind = _keyword(call, "type")
    if isinstance(kind, ast.Call) and _called(kind) == "Choice" and kind.args and _keyword(kind, "case_sensitive") is None:
        return _choices(kind.args[0])
    return ()


def _click_argument(call: ast.Call) -> Option:
    [name, *_] = _texts(call) or [""]
    nargs = _keyword(call, "nargs")
    count = nargs.value if isinstance(nargs, ast.Constant) and isinstance(nargs.value, int) else None
    if nargs is not None and count is None:
        if isinstance(nargs, ast.UnaryOp):  # -1: any number
            return Option(names=(name,), least=0, most=MANY)
        raise _Untold
    needed = not _is_false(_keyword(call, "required")) and _keyword(call, "default") is None
    return Option(names=(name,), required=needed, least=(count or 1) if needed else 0, most=count or 1,
                  choices=_click_choices(call))


def _typer(nodes: Sequence[ast.AST]) -> Parser | None:
    run = [call.args[0].id for call in nodes if isinstance(call, ast.Call) and _called(call) == "run" and call.args
           and isinstance(call.args[0], ast.Name)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    commands = [node for node in functions if node.name in run
                or any(_called(decorator) == "command" for decorator in node.decorator_list)]
    if len(commands) != 1 or any(_called(decorator) == "callback" for node in functions for decorator in node.decorator_list):
        return None
    arguments = commands[0].args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        return None
    plain = arguments.args
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    options = [Option(names=("--help",), least=0, most=0), Option(names=("--install-completion",), least=0, most=1),
               Option(names=("--show-completion",), least=0, most=1)]
    positionals: list[Option] = []
    for parameter, default in [*zip(plain, defaults, strict=True),
                               *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]:
        option, positional = _typer_parameter(parameter, default)
        (positionals if positional else options).append(option)
    return _parser(options, positionals, False, False)


def _typer_parameter(parameter: ast.arg, default: ast.expr | None) -> tuple[Option, bool]:
    annotation = parameter.annotation
    told: ast.Call | None = None
    if isinstance(annotation, ast.Subscript) and _called(annotation.value) == "Annotated" and isinstance(
            annotation.slice, ast.Tuple):
        told = next((item for item in annotation.slice.elts[1:] if isinstance(item, ast.Call)), None)
        annotation = annotation.slice.elts[0]
    elif isinstance(default, ast.Call) and _called(default) in ("Argument", "Option"):
        told = default
        first = default.args[0] if default.args else _keyword(default, "default")
        default = None if first is None or (isinstance(first, ast.Constant) and first.value is ...) else first
        told = ast.Call(func=told.func, args=told.args[1:], keywords=told.keywords)
    if "List" in ast.dump(annotation or ast.Constant(None)) or "list" in ast.dump(annotation or ast.Constant(None)):
        raise _Untold
    kind = _called(told) if told is not None else ""
    required = default is None
    if kind == "Argument" or (not kind and required):
        return Option(names=(parameter.arg,), required=required, least=int(required), most=1), True
    names = [name for name in (_texts(told) if told is not None else []) if name.startswith("-")]
    dashed = parameter.arg.replace("_", "-")
    if isinstance(annotation, ast.Name) and annotation.id == "bool":
        flags = [part for name in names for part in name.split("/")] or [f"--{dashed}", f"--no-{dashed}"]
        return Option(names=tuple(flags), required=required, least=0, most=0), False
    return Option(names=tuple(names) or (f"--{dashed}",), required=required), False


# --- a command against a parser --------------------------------------------------------------------------------------


def judge(invocation: Invocation, parser: Parser, types: Mapping[str, str]) -> list[Problem]:
    """What is certain to go wrong when a script with *parser* is started as *invocation* says.

    Args:
        invocation: The script with its arguments.
        parser: Its command line.
        types: The types of the component's inputs. The text of a string may become several words, or none, or a flag.
    """
    return _Judge(invocation, parser, types).judge()


class _Judge:
    def __init__(self, invocation: Invocation, parser: Parser, types: Mapping[str, str]) -> None:
        self.words = list(invocation.arguments)
        self.start = invocation.offset
        self.parser = parser
        self.types = types
        self.script = invocation.script or invocation.module or "the script"
        self.problems: list[Problem] = []
        self.given: dict[int, bool] = {}  # options by identity: whether one is passed outside $[[…]]
        self.loose: list[Word] = []
        self.unknown = False

    def find(self, code: str, what: str, offset: int, *, why: str = "", fix: str = "") -> None:
        self.problems.append(Problem(code, what, why, fix, offset))

    def judge(self) -> list[Problem]:
        index = 0
        while index < len(self.words) and self.words[index].text != "--":
            word = self.words[index]
            index += 1
            if _is_flag(word):
                index = self.flag(word, index)
            else:
                self.loose.append(word)
        if index < len(self.words) or any(word.dynamic for word in self.words):
            return self.problems  # what else is passed, only the shell knows
        # An option misspelt is one that seems missing, too, and its value one that seems to stand alone.
        if not self.unknown:
            if not self.parser.lenient:
                self.positionals()
            if not any(map(self.may_be_more, self.loose)):
                self.required()
        return self.problems

    def flag(self, word: Word, index: int) -> int:
        """Judge one option; the index of the word after its values."""
        text, equals, value = word.text.partition("=") if word.text.startswith("--") else (word.text, "", "")
        option = _find(text, self.parser)
        if option is None:
            if not self.parser.lenient and not word.dynamic:
                self.unknown = True
                known = sorted(name for name in self.parser.flags if name not in ("--help", "-h"))
                self.find("unknown-flag", f"the command passes {text!r}, which {self.script} does not take", word.offset,
                          why=f"it takes {listing(known)}" if known else "it takes no options",
                          fix=did_you_mean(text, known) if known else "remove it")
            return self.next_flag(index)
        self.given[id(option)] = self.given.get(id(option), False) or not word.optional
        if equals:
            self.values(option, text, [word], [value])
            return index
        if text not in self.parser.flags and not text.startswith("--"):
            if option.most == 0:
                self.unknown = True  # several flags in one word: what the last of them takes is not told here
            return index  # -nVALUE has its value
        taken: list[Word] = []
        while index < len(self.words) and len(taken) < option.most and not _is_flag(self.words[index]):
            taken.append(self.words[index])
            index += 1
        fewer = len(taken) < option.least and not any(self.may_be_more(part) for part in taken)
        if fewer:
            self.find("flag-value", f"the command gives {text!r} no value, and {self.script} needs one", word.offset,
                      fix=f"write {text} VALUE")
        self.values(option, text, taken, [part.text for part in taken])
        return index

    def values(self, option: Option, text: str, words: Sequence[Word], values: Sequence[str]) -> None:
        if values and option.most == 0:
            self.find("flag-value", f"the command gives {text!r} a value, and {self.script} takes none for it",
                      words[0].offset, fix=f"write {text} alone, or leave it out")
            return
        for word, value in zip(words, values, strict=True):
            if option.choices and "${{" not in value and not word.dynamic and value not in option.choices:
                self.find("flag-value", f"the command passes {text} {value}, which {self.script} does not take", word.offset,
                          why=f"it takes {listing(option.choices)}", fix=did_you_mean(value, option.choices))
            if option.boolean and any(
                    side == "inputs" and self.types.get(name) == "boolean" for side, name in word.ports):
                self.find("boolean-flag", f"{self.script} reads {text!r} with type=bool, for which the text 'False' is true",
                          word.offset, why="Azure ML passes True or False as text; bool() of any text but '' is True",
                          fix="compare the text in the script, or take the value as a string with choices")

    def may_be_more(self, word: Word) -> bool:
        """Whether a word may become several words, or a flag."""
        return word.whole and any(side != "outputs" and self.types.get(name, "string") == "string" for side, name in word.ports)

    def positionals(self) -> None:
        if any(map(self.may_be_more, self.loose)):
            return
        most = sum(option.most for option in self.parser.positionals)
        least = sum(option.least for option in self.parser.positionals)
        sure = [word for word in self.loose if not word.optional]
        if len(sure) > most:
            self.find("extra-argument", f"the command passes {sure[most].text!r}, which {self.script} has no place for",
                      sure[most].offset, why="every value needs a flag before it" if most == 0 else
                      f"it takes {most} without a flag", fix="remove it, or name its flag")
        elif len(self.loose) < least:
            last = [option.names[0] for option in self.parser.positionals if option.least][-1]
            self.find("missing-flag", f"{self.script} requires the argument {last!r}, which the command does not pass",
                      self.start, fix="add it to the command")

    def required(self) -> None:
        for option in self.parser.options:
            if option.required and not self.given.get(id(option), False):
                how = "passes only inside $[[…]]" if id(option) in self.given else "does not pass"
                self.find("missing-flag", f"{self.script} requires {option.names[0]!r}, which the command {how}", self.start,
                          fix=f"add {option.names[0]} to the command")

    def next_flag(self, index: int) -> int:
        while index < len(self.words) and not _is_flag(self.words[index]):
            index += 1
        return index


def _is_flag(word: Word) -> bool:
    return word.text.startswith("-") and len(word.text) > 1 and not word.text[1].isdigit() and word.text[1] != "."


def _find(text: str, parser: Parser) -> Option | None:
    if text in parser.flags:
        return parser.flags[text]
    if text.startswith("--"):
        if parser.abbreviates:
            near = {id(option): option for name, option in parser.flags.items() if name.startswith(text)}
            if near:
                return next(iter(near.values()))
        return None
    # -xVALUE, or several short flags in one word
    return parser.flags.get(text[:2])


# --- what it logs and defines ----------------------------------------------------------------------------------------


def metrics_of(trees: Iterable[ast.Module]) -> Metrics:
    """The metrics that scripts log with MLflow, or with azureml's run."""
    names: set[str] = set()
    more = False
    for tree in trees:
        for node in _below(tree):
            if not isinstance(node, ast.Call):
                continue
            called = _called(node)
            if called == "autolog" or called.startswith("log_batch"):
                more = True
            elif called in ("log", "log_metric"):
                found = _metric_name(node)
                names |= {found} if found else set()
                more = more or found is None
            elif called == "log_metrics":
                found_names = _keys(node)
                names |= found_names or set()
                more = more or found_names is None
    return Metrics(frozenset(names), more)


def _metric_name(call: ast.Call) -> str | None:
    """The name that is logged: MLflow's client takes the run's id before it."""
    texts = [argument.value for argument in call.args[:2] if isinstance(argument, ast.Constant)
             and isinstance(argument.value, str)]
    key = _keyword(call, "key") or _keyword(call, "name")
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    return texts[0] if texts else None


def _keys(call: ast.Call) -> set[str] | None:
    given = next((argument for argument in call.args if isinstance(argument, ast.Dict)), _keyword(call, "metrics"))
    if not isinstance(given, ast.Dict):
        return None
    names = {key.value for key in given.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return names if len(names) == len(given.keys) else None


def defined_in(tree: ast.Module) -> Mapping[str, Arity | None]:
    """The names that a module defines at its top level; of functions with the arguments that they take, if that is told."""
    found: dict[str, Arity | None] = {}
    for node in _below(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update({alias.asname or alias.name.partition(".")[0]: None for alias in node.names})
    for node in _top(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = _arity(node.args) if not node.decorator_list else None
        elif isinstance(node, ast.Assign):
            found.update({target.id: None for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
    return found


def _arity(arguments: ast.arguments) -> Arity:
    named = len(arguments.posonlyargs) + len(arguments.args)
    return Arity(named - len(arguments.defaults), MANY if arguments.vararg else named)


def _top(body: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _top([*node.body, *node.orelse])


def imports_all(tree: ast.Module) -> bool:
    """Whether a module takes names from another without saying which: ``from x import *``."""
    return any(isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names) for node in _below(tree))


def local_imports(tree: ast.Module) -> set[str]:
    """The first parts of the modules that a script imports: those beside it are part of it."""
    nodes = _below(tree)
    found = _imports(nodes)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found
