"""How the runs of a comparison can be made again: commands, versions, hashes. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import protocol_of
from .gathering import Comparison


def reproduce(comparison: Comparison, command: str) -> dict[str, Any]:
    """Commands, versions, and each run with its state, hashes and scores.

    Args:
        comparison: what is shown.
        command: that shows it.
    """
    return {
        "commands": _commands(comparison, command),
        "versions": _versions(comparison),
        "runs": _runs(comparison),
    }


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    found = []
    for run in comparison.runs:
        manifest = run.manifest
        found.append(
            {
                "method": run.cell.method.name,
                "seed": run.cell.seed,
                "state": run.state,
                "recipe": manifest.get("recipe_digest"),
                "code": manifest.get("code") or {},
                "commit": (manifest.get("versions") or {}).get("commit"),
                "device": manifest.get("device"),
                "folder": str(run.cell.folder.path),
                "protocol": protocol_of([run]),
                "last_step": run.last_step,
                "error": comparison.errors.get(run.cell)
                or (manifest.get("error") or "" if run.state == "diverged" else ""),
                "best_step": run.best_step(comparison.rank_by.name, bool(comparison.rank_by.higher_is_better))
                if comparison.rank_by
                else None,
                "scores": {str(step): dict(scores) for step, scores in sorted(run.scores.items())},
            }
        )
    return found


def _commands(comparison: Comparison, command: str) -> list[str]:
    """Those that trained the runs, each once, and the one that shows them."""
    calls = [(run.manifest.get("calls") or [{}])[0].get("command") for run in comparison.runs]
    return list(dict.fromkeys([*filter(None, calls), command]))


def _versions(comparison: Comparison) -> dict[str, str]:
    """Of the first run; runs of other versions are told apart in the table of runs by their hashes."""
    versions: Mapping[str, Any] = next(
        (run.manifest["versions"] for run in comparison.runs if run.manifest.get("versions")), {}
    )
    plugins = versions.get("distributions") or {}
    kept = {key: versions[key] for key in ("cganzoo", "commit", "torch", "python", "platform") if versions.get(key)}
    return {**kept, **{name: plugin.get("version", "-") for name, plugin in plugins.items() if name != "cganzoo"}}
