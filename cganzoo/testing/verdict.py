"""``cganzoo plugin check``: the conformance checks on an installed plugin, and a verdict to read."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from pydantic import ValidationError

from cganzoo import testing
from cganzoo.config import parse
from cganzoo.console.streams import stderr_console, stdout_console
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.recipe.read import explain, set_value
from cganzoo.registry import ALLOW_LIST, KINDS, Component, Registry, discovery, load_plugins
from cganzoo.registry.probe import load_survivors

from .conformance import Conformance, Outcome, checks, run

if TYPE_CHECKING:
    from rich.console import Console

MARKS = {
    "passed": ("✓", "ok", "green"),
    "failed": ("✗", "FAILED", "red"),
    "expected": ("!", "known", "yellow"),
    "skipped": ("-", "-", "dim"),
}
"""How a line begins: with UTF-8, without, and its style."""

WORDS = {"expected": "known to fail"}
"""How a summary counts what is not called by its status."""

LONGEST = 600
"""Characters of a failure's message that are shown; some errors of torch go on for pages. JSON has all of it."""


@dataclass(frozen=True)
class Verdict:
    """What the checks say of one component."""

    component: Component
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(outcome.status != "failed" for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """``loss my_loss: 27 checks, 26 passed, 1 failed``."""
        return f"{self.component.kind} {self.component.name}: {counted(self.outcomes)}"


def show(what: str, kind: str | None = None, overrides: Sequence[str] = (), *, as_json: bool = False) -> bool:
    """Check a component, or all of a distribution, and print how it went; returns whether nothing failed.

    Args:
        what: a component, ``"my_loss"`` or ``"cganzoo-mine/my_loss"``, or a distribution, ``"cganzoo-mine"``.
        kind: of the component; default: all that are called so.
        overrides: of its options, ``"width=8"``.
        as_json: print JSON, and nothing else, on standard output.

    Raises:
        PluginError: there is no such thing, or its distribution does not load.
    """
    if not __debug__:
        raise PluginError("the checks are assertions, which python -O takes out; run without -O and PYTHONOPTIMIZE")
    components = find(what, kind)
    options: dict[str, Any] = {}
    for override in overrides:
        set_value(options, override)
    for component in components if options else ():
        _refuse_unknown(component, options)
    # Standard output is held on to: what a plugin prints must not come between the lines, or into the JSON.
    console = stderr_console() if as_json else stdout_console(file=sys.stdout)
    verdicts: list[Verdict] = []
    for component in components:
        if not as_json and verdicts:
            console.print()
        verdicts.append(_check(component, options, console, quiet=as_json))
    if as_json:
        print(json.dumps(described(verdicts), indent=2))
    elif len(verdicts) > 1:
        every = [outcome for verdict in verdicts for outcome in verdict.outcomes]
        console.print(f"\n{len(verdicts)} components: {counted(every)}", style="bold", highlight=False)
    return all(verdict.passed for verdict in verdicts)


def find(what: str, kind: str | None = None) -> list[Component]:
    """The components that ``what`` means; imports no other distribution's code where it can tell which one is meant.

    Raises:
        PluginError: there is none, or two distributions provide it; the sentence says what to write instead.
    """
    if kind is not None and kind not in KINDS:
        near = "".join(f'did you mean "{match}"? ' for match in difflib.get_close_matches(kind, KINDS, n=1))
        raise PluginError(f'--kind: there is no kind "{kind}"; {near}the kinds are {", ".join(KINDS)}')
    providers = discovery.installed()
    names = {PROJECT, *(provider.distribution for provider in providers)}
    prefix, _, name = what.rpartition("/")
    if not prefix and canonicalize_name(what) in names:
        distribution = canonicalize_name(what)
        components = load_plugins(_only(distribution)).components(kind)
        found = [component for component in components if component.provider.distribution == distribution]
        if not found:
            raise PluginError(f"{distribution}: is installed, but provides no {kind or 'component'}")
        return found
    if prefix and canonicalize_name(prefix) not in names:
        raise PluginError(f'there is no distribution "{prefix}"; {_advice(prefix, names)}')
    registry = load_plugins(_only(canonicalize_name(prefix))) if prefix else load_survivors()
    kinds = [key for key in KINDS if any(component.name == name for component in registry.components(key))]
    if kind is not None and kinds and kind not in kinds:
        raise PluginError(f'--kind: "{name}" is no {kind}, but a {" and a ".join(kinds)}')
    if kind is None and not kinds:
        raise PluginError(_unknown(what, registry, names))
    return [registry.get(key, what) for key in ([kind] if kind else kinds)]


def described(verdicts: list[Verdict]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "passed": all(verdict.passed for verdict in verdicts),
        "components": [
            {
                "component": verdict.component.name,
                "kind": verdict.component.kind,
                "distribution": verdict.component.provider.distribution,
                "version": verdict.component.provider.version,
                "passed": verdict.passed,
                "seconds": round(verdict.seconds, 3),
                "checks": [{**asdict(outcome), "seconds": round(outcome.seconds, 3)} for outcome in verdict.outcomes],
            }
            for verdict in verdicts
        ],
    }


def counted(outcomes: list[Outcome] | tuple[Outcome, ...]) -> str:
    """``27 checks, 25 passed, 1 failed, 1 skipped``."""
    count = Counter(str(outcome.status) for outcome in outcomes)
    parts = [f"{count[status]} {WORDS.get(status, status)}" for status in MARKS if count[status]]
    return ", ".join([f"{len(outcomes)} checks", *parts])


def conformance_class(component: Component, options: Mapping[str, Any] = MappingProxyType({})) -> type[Conformance]:
    """The class that a plugin's author writes in three lines, for a component that is installed."""
    base: type[Conformance] = getattr(testing, f"{component.kind.capitalize()}Conformance")
    known = component.spec.known_failures
    try:
        return type("Check", (base,), {"name": component.full_name, "options": options, "expected_failures": known})
    except TypeError as error:
        raise PluginError(f"{component.provider}: {str(error).replace('Check.expected', 'known', 1)}") from error


def _refuse_unknown(component: Component, options: Mapping[str, Any]) -> None:
    model = component.spec.config
    try:
        parse(model, options)
    except ValidationError as error:
        raise PluginError(explain(error, (model,), options, str(component), frozenset(options))) from error


def _check(component: Component, options: Mapping[str, Any], console: Console, *, quiet: bool) -> Verdict:
    """Run the checks of one component, each told when it has ended, unless ``quiet``."""
    from rich.text import Text

    conformance = conformance_class(component, options)
    names = checks(conformance)
    if not quiet:
        heading = Text.assemble((f"{component.kind} {component.name}", "bold"), (f"  {component.provider}", "dim"))
        console.print(heading, soft_wrap=not console.is_terminal)
    start = time.perf_counter()
    outcomes: list[Outcome] = []

    def doing() -> str:
        done = len(outcomes)
        return f"{done + 1} of {len(names)}: {names[done].replace('_', ' ')}" if done < len(names) else ""

    with _alone(component), redirect_stdout(sys.stderr), console.status(doing()) as status:
        for outcome in run(conformance):
            again = any(one.status == "skipped" and one.message == outcome.message for one in outcomes)
            outcomes.append(outcome)
            status.update(doing())
            if not quiet:
                _tell(outcome, console, again)
    verdict = Verdict(component, tuple(outcomes), time.perf_counter() - start)
    if not quiet:
        style = "bold green" if verdict.passed else "bold red"
        summary = Text.assemble((verdict.summary, style), (f"  {verdict.seconds:.0f} s", "dim"))
        console.print(summary, soft_wrap=not console.is_terminal)
    return verdict


def _tell(outcome: Outcome, console: Console, again: bool) -> None:
    """A line for a check; ``again``: it is skipped for a reason that was told before."""
    mark, plain, style = MARKS[outcome.status]
    mark = plain if console.options.ascii_only else mark
    what = _plain(outcome.what, outcome.check)
    if outcome.status == "failed":
        _line(console, mark, style, f"{outcome.check}: {what}", style)
        message = re.sub(r"\x1b\[[0-9;]*m", "", outcome.message)  # torch's own colours
        message = message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."
        for line in filter(str.strip, message.splitlines()):
            _line(console, " " * len(mark), style, line.strip())
    elif outcome.status == "expected":
        _line(console, mark, style, f"{what} Known to fail: {outcome.message}", style)
    elif outcome.status == "skipped":
        _line(console, mark, style, f"{what} Skipped{' as above.' if again else f': {outcome.message}'}", style)
    else:
        _line(console, mark, style, what)


def _line(console: Console, mark: str, mark_style: str, text: str, style: str = "") -> None:
    """A mark and a text: wrapped beside the mark for a reader; one line for a file or a pipe."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        console.print(Text(f"  {mark} {text}"), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_row("", Text(mark, mark_style), Text(text, style))
    console.print(grid)


def _plain(docstring: str | None, otherwise: str) -> str:
    """The first line of a docstring as a person reads it."""
    return (docstring or otherwise).strip().splitlines()[0].replace("``", "`")


def _only(distribution: str) -> list[str]:
    """What to ask :func:`load_plugins` for; the host's own components come with any registry."""
    return [] if distribution == PROJECT else [distribution]


@contextmanager
def _alone(component: Component) -> Iterator[None]:
    """This distribution is the only one that the checks, and the processes that they start, load; no warnings."""
    before = os.environ.get(ALLOW_LIST)
    os.environ[ALLOW_LIST] = ",".join(_only(component.provider.distribution))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[ALLOW_LIST]
        else:
            os.environ[ALLOW_LIST] = before


def _unknown(what: str, registry: Registry, distributions: set[str]) -> str:
    """Why there is nothing of this name, and what to do."""
    sentence = f'there is no component or distribution "{what}"'
    for failure in registry.failures:
        if failure.provider.distribution == _likely(what) or failure.provider.entry_point == what:
            return f"{sentence}; {failure}"
    for provider in registry.unloaded:
        if provider.distribution == _likely(what) or provider.entry_point == what:
            return f"{sentence}; {provider} is installed and may provide it, but {ALLOW_LIST} leaves it out"
    known = {name for component in registry.components() for name in (component.name, component.full_name)}
    return f"{sentence}; {_advice(what, known | distributions)}"


def _advice(what: str, known: set[str]) -> str:
    likely = _likely(what)
    if likely in known:
        return f'did you mean "{likely}"?'
    if likely in discovery.zoo():
        return f"pip install {likely}"
    near = difflib.get_close_matches(what.lower(), known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"see `{PROJECT} plugins`"


def _likely(what: str) -> str:
    """What the distribution of a component is usually called."""
    return canonicalize_name(f"{PROJECT}-{what}")
