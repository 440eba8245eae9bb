"""Formats the result of `lab list` as members of a JSON object."""

from __future__ import annotations

from lab.commands.listing import KernelListed, Listed, MachineListed, ScenarioListed


def listed(data: Listed) -> dict[str, object]:
    """Return machines, scenarios and kernels by name; null for a kind that was not requested."""
    return {
        "machines": _by_name(data.machines),
        "scenarios": _by_name(data.scenarios),
        "kernels": _by_name(data.kernels),
    }


def _by_name(
    items: tuple[MachineListed, ...] | tuple[ScenarioListed, ...] | tuple[KernelListed, ...] | None,
) -> dict[str, object] | None:
    if items is None:
        return None
    return {one.name: {key: value for key, value in vars(one).items() if key != "name"} for one in items}
