"""How the fork server of the sandbox is started in each tier, and which walls stand on this machine.

- `bubblewrap`: a jail with its own namespaces and root; inside, each program has limits, Landlock where the kernel has
  it, and seccomp. Programs write to 32 MiB of memory.
- `landlock`: no jail, so the host's paths can be seen to exist. Limits, Landlock and seccomp; programs write nowhere.
- `unisolated`: limits, and seccomp where the kernel has it. Programs read and write what the user can.

`full` accepts the first tier only and is the default; `weaker` and `unisolated` must be asked for.
"""

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from . import bubblewrap, walls

ACCEPTED_TIERS = {
    "full": ("bubblewrap",),
    "weaker": ("bubblewrap", "landlock"),
    "unisolated": ("bubblewrap", "landlock", "unisolated"),
}
"""Tiers that may be used under each value of the setting, the strongest first."""

SETTING = "DSMATH_SANDBOX"
"""Environment variable with a key of ACCEPTED_TIERS."""

PACKAGES = ("numpy", "sympy", "mpmath")
SCRATCH_BYTES = 32 << 20
WALLS_FILE = Path(__file__).with_name("walls.py")
_PROGRAM_FILE = Path(__file__).with_name("sandbox_program.py")
_INNER_FILE = Path(__file__).with_name("sandbox_inner.py")

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1",
}  # fmt: skip
_SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/etc/localtime")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class SandboxUnavailable(RuntimeError):
    """No safe way to run programs on this machine; the message lists each wall and why it is missing."""


def accepted_tiers(setting: str | None) -> tuple[str, ...]:
    """The tiers that `setting`, or the environment variable DSMATH_SANDBOX where it is None, accepts.

    Raises ValueError for a word that is none of `full`, `weaker`, `unisolated`.
    """
    word = setting if setting is not None else os.environ.get(SETTING) or "full"
    if word not in ACCEPTED_TIERS:
        raise ValueError(f"unknown sandbox setting {word!r} ({SETTING}): use {', '.join(ACCEPTED_TIERS)}")
    return ACCEPTED_TIERS[word]


def available_walls() -> dict[str, bool]:
    """Which walls stand on this machine.

    `bubblewrap` (it can make a jail here) and `seccomp` together allow the default sandbox; `landlock` and `seccomp`
    the weaker one that must be allowed explicitly.
    """
    return {
        "bubblewrap": not bubblewrap.problem(),
        "landlock": walls.landlock_version() > 0,
        "seccomp": walls.has_seccomp(),
    }


def tier_problem(tier: str) -> str:
    """Why a tier cannot be tried here, "" when it can."""
    if platform.system() != "Linux":
        return f"needs Linux, this is {platform.system()}: use a Linux container or virtual machine"
    if tier == "bubblewrap" and bubblewrap.problem():
        return bubblewrap.problem()
    if tier == "landlock" and walls.landlock_version() < 1:
        return "Landlock is absent (Linux 5.13 or newer with `landlock` among its security modules)"
    if tier != "unisolated" and not walls.has_seccomp():
        return f"no system call filter on this machine ({platform.machine()})"
    return ""


def server_command(tier: str) -> tuple[list[str], dict[str, str]]:
    """The fork server's command and environment. Raises SandboxUnavailable when a package is not installed."""
    return _in_a_jail() if tier == "bubblewrap" else _without_a_jail(tier)


def _in_a_jail() -> tuple[list[str], dict[str, str]]:
    library = _library_folders()
    packages, shown = {}, []
    for name, folders in _package_folders().items():
        packages[name] = f"/packages/{name}"
        for folder in folders:
            shown += ["--ro-bind", str(folder), f"/packages/{folder.name}"]
    for device in _DEVICES:
        shown += ["--dev-bind", device, device]
    for file in (WALLS_FILE, _PROGRAM_FILE, _INNER_FILE):
        shown += ["--ro-bind", str(file), f"/inner/{file.name}"]
    environment = {**_ENVIRONMENT, "HOME": "/scratch", "TMPDIR": "/scratch"}
    command = [
        *bubblewrap.jail_start(environment), *bubblewrap.read_only(*_SYSTEM, *library, _interpreter()),
        *bubblewrap.hidden(_installed_packages(library)), *shown,
        "--size", str(SCRATCH_BYTES), "--tmpfs", "/scratch", *bubblewrap.jail_end("/scratch"),
    ]  # fmt: skip
    config = {
        "packages": packages, "scratch": "/scratch", "landlock": "if there", "seccomp": "required",
        "readable": [*_SYSTEM, *library, "/lib", "/lib64", "/packages", *_DEVICES], "listable": [],
        "walls": f"/inner/{WALLS_FILE.name}", "program": f"/inner/{_PROGRAM_FILE.name}",
    }  # fmt: skip
    return [*command, *_python(f"/inner/{_INNER_FILE.name}", config)], dict(_ENVIRONMENT)


def _without_a_jail(tier: str) -> tuple[list[str], dict[str, str]]:
    """No folder is writable under Landlock: there is no way to bound its size."""
    library = _library_folders()
    folders = _package_folders()
    hidden = {os.path.realpath(path) for path in _installed_packages(library)}
    system = [*_SYSTEM, *library, "/lib", "/lib64", "/etc/ld.so.cache", "/dev/urandom"]
    roots = {os.path.realpath(path) for path in system}
    roots = {path for path in roots if not any(path.startswith(f"{other}/") for other in roots)}
    readable = [part for path in sorted(roots) for part in _outside(path, hidden)]
    readable += [str(folder) for group in folders.values() for folder in group]
    strict = tier == "landlock"
    config = {
        "packages": {name: str(group[0]) for name, group in folders.items()}, "scratch": "",
        "landlock": "required" if strict else "off", "seccomp": "required" if strict else "if there",
        "readable": readable, "listable": library, "walls": str(WALLS_FILE),
        "program": str(_PROGRAM_FILE),
    }  # fmt: skip
    return _python(str(_INNER_FILE), config), {**_ENVIRONMENT, "HOME": "/nonexistent", "TMPDIR": "/nonexistent"}


def _python(script: str, config: dict[str, Any]) -> list[str]:
    return [_interpreter(), "-sPB", script, json.dumps(config)]


def _interpreter() -> str:
    """The interpreter outside any virtual environment: programs never see the project's own packages."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidate = Path(sys.base_prefix) / "bin" / name
    return str(candidate if candidate.exists() else Path(sys.executable).resolve())


def _library_folders() -> list[str]:
    """Where the interpreter's standard library and shared libraries are."""
    return sorted({f"{sys.base_prefix}/lib", f"{sys.base_prefix}/{sys.platlibdir}"})


def _installed_packages(library: list[str]) -> list[str]:
    """Folders of other people's packages inside what the interpreter needs; programs do not see them."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inside = ("site-packages", "dist-packages")
    found = [f"{folder}/{version}/{name}" for folder in (*library, "/usr/local/lib") for name in inside]
    return [path for path in dict.fromkeys([*found, "/usr/lib/python3/dist-packages"]) if os.path.isdir(path)]


def _outside(path: str, hidden: set[str]) -> list[str]:
    """`path`, or its parts where something below it is hidden, without what is hidden."""
    if path in hidden:
        return []
    if not any(other.startswith(f"{path}/") for other in hidden):
        return [path]
    return [part for name in sorted(os.listdir(path)) for part in _outside(f"{path}/{name}", hidden)]


def _package_folders() -> dict[str, list[Path]]:
    """For each of PACKAGES its folder, and that of the shared libraries its wheel brings."""
    folders = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise SandboxUnavailable(f"the package {name} is not installed")
        folder = Path(spec.submodule_search_locations[0])
        folders[name] = [part for part in (folder, folder.with_name(f"{name}.libs")) if part.exists()]
    return folders
