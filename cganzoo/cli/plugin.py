"""``cganzoo plugin``: one thin function for each command, which imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

plugin_app = typer.Typer(help="Write a plugin, check one.", no_args_is_help=True)


@plugin_app.command()
def new(
    name: Annotated[str, typer.Argument(help='Name of the component, lower snake case: "softgan".')],
    kind: Annotated[
        list[str],
        typer.Option(
            help="generator, discriminator, loss, metric, dataset, extractor or logger; repeat it for several kinds."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to make; default: cganzoo-<name>, here.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="For licence and metadata; default: git's user.name.")] = None,
    license_name: Annotated[str, typer.Option("--license", help="MIT, BSD-3-Clause, Apache-2.0 or none.")] = "MIT",
) -> None:
    """Write a new plugin, to change: a distribution that can be installed, passes its tests and trains."""
    from .plugin_new import announce, create

    announce(create(name, kind, out, author=author, license_name=license_name))


@plugin_app.command()
def check(
    what: Annotated[str, typer.Argument(metavar="NAME", help="Component or distribution, from `cganzoo plugins`.")],
    kind: Annotated[str | None, typer.Option(help="Kind of the component, where two kinds share the name.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One of its options in the checks: width=8.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    bench: Annotated[bool, typer.Option("--bench", help="Time a loss's training step instead.")] = False,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --bench: another loss, on the same networks.")
    ] = None,
) -> None:
    """Run the conformance checks on an installed plugin, or time its loss against another one."""
    from cganzoo.errors import PluginError
    from cganzoo.testing import plugin_check

    if against is not None and not bench:
        raise PluginError("--against: needs --bench; write: cganzoo plugin check NAME --bench --against NAME")
    if bench:
        from cganzoo.testing.bench import show

        show(what, against, as_json=as_json)
    elif not plugin_check.show(what, kind, overrides or [], as_json=as_json):
        raise typer.Exit(1)
