"""Configurations to start from: one YAML file each, beside this module."""

from __future__ import annotations

from pathlib import Path as FilePath

from policies.errors import ConfigurationError, nearest

HERE = FilePath(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "smart_home"


def names() -> list[str]:
    """The presets that `isthmus init --preset` knows."""
    return sorted(file.stem for file in HERE.glob("*.yaml"))


def text(preset: str) -> str:
    """The preset's YAML. Raises ConfigurationError when there is none of that name."""
    if preset not in names():
        raise ConfigurationError(f"There is no preset {preset!r}{nearest(preset, names())}; there are {', '.join(names())}.")
    if preset == "smart-home" and not EXAMPLE.is_dir():
        raise ConfigurationError(
            "The models of smart-home come with the repository, not with the package; clone it, or take another preset."
        )
    return (HERE / f"{preset}.yaml").read_text(encoding="utf-8").replace("{EXAMPLE}", str(EXAMPLE))


def write(preset: str, folder: FilePath) -> FilePath:
    """Write the preset into `folder`/isthmus.yaml. Raises ConfigurationError rather than overwrite a file."""
    content, file = text(preset), folder / "isthmus.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(content)
    except FileExistsError:
        raise ConfigurationError(f"{file} exists; remove it or choose another folder.") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from None
    return file
