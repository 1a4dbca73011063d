"""``cganzoo plugin check``: run the conformance checks on an installed plugin, and print the results."""

from __future__ import annotations

import difflib
import json
import os
import pkgutil
import re
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from types import MappingProxyType
from typing import Any
from unittest import mock

from packaging.utils import canonicalize_name
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cganzoo._util.install import install_command
from cganzoo.console.streams import stderr_console, stdout_console
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.recipe.messages import explain
from cganzoo.recipe.overrides import Texts, parse_with_texts, set_value
from cganzoo.registry import ALLOW_LIST, KINDS, Component, discovery, load_plugins
from cganzoo.registry.probe import load_survivors

from .conformance import Conformance, Outcome, checks, only, run

MARKS = {
    "passed": ("✓", "ok", "green"),
    "failed": ("✗", "FAILED", "red"),
    "expected": ("!", "known", "yellow"),
    "skipped": ("-", "-", "dim"),
}
"""By status: how a line begins, with UTF-8 and without, and its style."""
MOST_NAMES = 8  # of checks that failed with the same error
LONGEST = 600  # characters of a failure's message that are printed: some errors of torch are very long


def show(name: str, kind: str | None = None, overrides: Sequence[str] = (), *, as_json: bool = False) -> bool:
    """Check a component, or all of a distribution, and print the results; returns whether nothing failed."""
    components = find(name, kind)
    options: dict[str, Any] = {}
    texts: Texts = {}
    for override in overrides:
        set_value(options, override, texts)
    for component in components:
        _parse(component, options, texts)
    # The console keeps the present standard output: what a plugin prints goes to standard error.
    console = stderr_console() if as_json else stdout_console(file=sys.stdout)
    results: list[tuple[Component, list[Outcome]]] = []
    for component in components:
        if not as_json and results:
            console.print()
        results.append((component, _check(component, options, console, quiet=as_json)))
    outcomes = [outcome for _, outcomes in results for outcome in outcomes]
    if as_json:
        found = {"passed": _passed(outcomes), "components": [_as_json(*result) for result in results]}
        print(json.dumps(found, indent=2))
    elif len(results) > 1:
        console.print(f"\n{len(results)} components: {_counts(outcomes)}", style="bold", highlight=False)
    return _passed(outcomes)


def _parse(component: Component, options: Mapping[str, Any], texts: Texts) -> None:
    """Check the options of the user, and those of the specification for small builds."""
    given = {**component.spec.small, **options}
    try:
        parse_with_texts(component.spec.config, given, texts)
    except ValidationError as error:
        if options or any(wrong["type"] != "missing" for wrong in error.errors()):
            where = str(component) if options else f"{component.provider}: {component}: small"
            raise PluginError(explain(error, (component.spec.config,), given, where, frozenset(options))) from error


def _passed(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.status != "failed" for outcome in outcomes)


def _as_json(component: Component, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "component": component.name,
        "kind": component.kind,
        "distribution": component.provider.distribution,
        "version": component.provider.version,
        "passed": _passed(outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
        "checks": [{**asdict(outcome), "seconds": round(outcome.seconds, 3)} for outcome in outcomes],
    }


# --- finding components ---------------------------------------------------------------------------------------------


def find(name: str, kind: str | None = None) -> list[Component]:
    """The components of this name; imports no other distribution if ``name`` contains one."""
    if kind is not None and kind not in KINDS:
        near = "".join(f'did you mean "{match}"? ' for match in difflib.get_close_matches(kind, KINDS, n=1))
        raise PluginError(f'--kind: there is no kind "{kind}"; {near}the kinds are {", ".join(KINDS)}')
    distributions = {PROJECT, *(provider.distribution for provider in discovery.installed())}
    prefix, _, bare = name.rpartition("/")
    distribution = canonicalize_name(prefix or name)
    if not prefix and distribution in distributions:
        components = load_plugins(only(distribution)).components(kind)
        found = [component for component in components if component.provider.distribution == distribution]
        if not found:
            raise PluginError(f"{distribution}: is installed, but provides no {kind or 'component'}")
        return found
    if prefix and distribution not in distributions:
        raise PluginError(f'there is no distribution "{prefix}"; {_advice(prefix, distributions)}')
    registry = load_plugins(only(distribution)) if prefix else load_survivors()
    kinds = [key for key in KINDS if any(component.name == bare for component in registry.components(key))]
    if kind is not None and kinds and kind not in kinds:
        raise PluginError(f'--kind: "{bare}" is no {kind}, but a {" and a ".join(kinds)}')
    if kind is None and not kinds:
        usual = canonicalize_name(f"{PROJECT}-{name}")
        failed = {failure.provider: str(failure) for failure in registry.failures}
        excluded = {one: f"{one} may provide it, but {ALLOW_LIST} excludes it" for one in registry.unloaded}
        for provider, reason in {**failed, **excluded}.items():
            if usual == provider.distribution or name == provider.entry_point:
                raise PluginError(f'there is no component or distribution "{name}"; {reason}')
        known = distributions.union(*((one.name, one.full_name) for one in registry.components()))
        raise PluginError(f'there is no component or distribution "{name}"; {_advice(name, known)}')
    return [registry.get(key, name) for key in ([kind] if kind else kinds)]


def _advice(name: str, known: set[str]) -> str:
    """What to write or to install instead of a name."""
    usual = canonicalize_name(f"{PROJECT}-{name}")
    if usual not in known and usual in discovery.zoo():
        return install_command(usual)
    near = [usual] if usual in known else difflib.get_close_matches(name.lower(), known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"see `{PROJECT} plugins`"


# --- running the checks ---------------------------------------------------------------------------------------------


def conformance_class(component: Component, options: Mapping[str, Any] = MappingProxyType({})) -> type[Conformance]:
    """The conformance class that the author of an installed component would write."""
    base: type[Conformance] = pkgutil.resolve_name(KINDS[component.kind].conformance)
    known = component.spec.known_failures
    try:
        return type("Check", (base,), {"name": component.full_name, "options": options, "expected_failures": known})
    except PluginError as error:
        raise PluginError(f"{component.provider}: known_failures: {error}") from error


def _check(component: Component, options: Mapping[str, Any], console: Console, *, quiet: bool) -> list[Outcome]:
    """Run the checks of one component, and print a line for each, unless ``quiet``."""
    conformance = conformance_class(component, options)
    names = checks(conformance)
    if not quiet:
        heading = Text.assemble((f"{component.kind} {component.name}", "bold"), (f"  {component.provider}", "dim"))
        console.print(heading, soft_wrap=not console.is_terminal)
    outcomes: list[Outcome] = []

    def current() -> str:
        done = len(outcomes)
        return f"{done + 1} of {len(names)}: {names[done].replace('_', ' ')}" if done < len(names) else ""

    # The checks, and the processes that they start, load no other distribution; warnings are hidden.
    only_this = mock.patch.dict(os.environ, {ALLOW_LIST: ",".join(only(component.provider.distribution))})
    with only_this, warnings.catch_warnings(), redirect_stdout(sys.stderr), console.status(current()) as status:
        warnings.simplefilter("ignore")
        for outcome in run(conformance):
            repeated = any(_same(outcome, one) for one in outcomes)
            outcomes.append(outcome)
            status.update(current())
            if not (quiet or (repeated and outcome.status == "failed")):
                _print(outcome, console, repeated=repeated)
    if not quiet:
        _print_repeated(outcomes, console)
        summary = f"{component.kind} {component.name}: {_counts(outcomes)}"
        style = "bold green" if _passed(outcomes) else "bold red"
        line = Text.assemble((summary, style), (f"  {sum(outcome.seconds for outcome in outcomes):.0f} s", "dim"))
        console.print(line, soft_wrap=not console.is_terminal)
    return outcomes


# --- printing -------------------------------------------------------------------------------------------------------


def _counts(outcomes: Sequence[Outcome]) -> str:
    """``27 checks, 25 passed, 1 failed, 1 skipped``."""
    count = Counter(outcome.status.replace("expected", "known to fail") for outcome in outcomes)
    order = ("passed", "failed", "known to fail", "skipped")
    return ", ".join([f"{len(outcomes)} checks", *(f"{count[name]} {name}" for name in order if count[name])])


def _same(one: Outcome, two: Outcome) -> bool:
    """Whether two checks failed with the same error, or were skipped for the same reason.

    Numbers in an error do not count: checks use batches of several sizes.
    """
    if not one.status == two.status in ("failed", "skipped"):
        return False
    if one.error:
        return one.place == two.place and re.sub(r"\d+", "0", one.error) == re.sub(r"\d+", "0", two.error)
    return (one.error, one.message) == (two.error, two.message)


def _print_repeated(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a line for each error with which several checks failed; all but the first have no line of their own."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    while failed:
        same = [outcome for outcome in failed if _same(outcome, failed[0])]
        if len(same) > 1:
            names = [outcome.check for outcome in same]
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            mark = MARKS["failed"][console.options.ascii_only]
            text = f"{len(same)} checks failed with the same error: {same[0].error or same[0].message}"
            _line(console, mark, "red", _shortened(text), "red")
            place = [f"at {same[0].place}"] if same[0].place else []
            for line in (*place, ", ".join(names[:MOST_NAMES]) + more):
                _line(console, " " * len(mark), "red", line)
        failed = [outcome for outcome in failed if outcome not in same]


def _shortened(text: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # torch's own colours
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _print(outcome: Outcome, console: Console, *, repeated: bool) -> None:
    """Print a line for a check; ``repeated``: an earlier one was skipped for the same reason."""
    mark, plain, style = MARKS[outcome.status]
    mark = plain if console.options.ascii_only else mark
    what = outcome.what.replace("``", "`")
    texts = {
        "passed": what,
        "failed": f"{outcome.check}: {what}",
        "expected": f"{what} Known to fail: {outcome.message}",
        "skipped": f"{what} Skipped{' as above.' if repeated else f': {outcome.message}'}",
    }
    _line(console, mark, style, texts[outcome.status], "" if outcome.status == "passed" else style)
    if outcome.status == "failed":
        place = [f"at {outcome.place}"] if outcome.place else []
        for line in filter(str.strip, [*_shortened(outcome.message).splitlines(), *place]):
            _line(console, " " * len(mark), style, line.strip())


def _line(console: Console, mark: str, mark_style: str, text: str, style: str = "") -> None:
    """Print a mark and a text: on a terminal, the text is wrapped in its own column; otherwise it is one line."""
    if not console.is_terminal:
        console.print(Text(f"  {mark} {text}"), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_row("", Text(mark, mark_style), Text(text, style))
    console.print(grid)
