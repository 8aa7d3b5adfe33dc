"""The rooms of the house import in one direction only: policies <- cluster <- deployments."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "policies": {"policies"},
    "cluster": {"policies", "cluster"},
    "deployments": {"policies", "cluster", "deployments"},
}
OURS = {*MAY_IMPORT, "examples", "tests", "benchmarks"}
# What decides has no I/O, no cluster, no clock and no chance of its own: both are handed in.
IMPURE = {"ray", "asyncio", "time", "random", "httpx", "socket", "os", "subprocess", "threading"}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_arrows_point_one_way(room: str) -> None:
    wrong = {
        f"{source.relative_to(ROOT)} imports {name}"
        for source in modules(room)
        for name in imported(source)
        if (root := name.split(".")[0]) in OURS and root not in MAY_IMPORT[room]
    }
    assert modules(room)
    assert not wrong


def test_policies_are_pure() -> None:
    wrong = {
        f"{source.name} imports {name}"
        for source in modules("policies")
        for name in imported(source)
        if name.split(".")[0] in IMPURE
    }
    assert not wrong


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_no_private_module_of_ray(room: str) -> None:
    private = {
        f"{source.relative_to(ROOT)}: {name}"
        for source in modules(room)
        for name in imported(source)
        if name.startswith("ray.") and any(part.startswith("_") for part in name.split("."))
    }
    assert not private
