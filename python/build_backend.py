"""scikit-build-core, with the wheels of torch and openvino made available to an isolated build.

The plug-ins are compiled against these wheels. Where the environment that is installed into has the
versions named in pyproject.toml, its own are used; else they become build requirements.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

from scikit_build_core import build
from scikit_build_core.build import build_sdist, get_requires_for_build_sdist

__all__ = [
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]


def get_requires_for_build_wheel(config_settings=None):
    missing = [sdk for sdk in _sdk_requirements() if not _folders_with(sdk)]
    return build.get_requires_for_build_wheel(config_settings) + missing


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    folders = [folder for sdk in _sdk_requirements() for folder in _folders_with(sdk)[:1]]
    settings = {"cmake.define.MM_ORCH_SITE_PACKAGES": ";".join(dict.fromkeys(folders))}
    settings.update(config_settings or {})
    return build.build_wheel(wheel_directory, settings, metadata_directory)


def _sdk_requirements() -> list[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    every = project["dependencies"] + project["optional-dependencies"]["openvino"]
    return [entry for entry in every if entry.startswith(("torch==", "openvino=="))]


def _folders_with(requirement: str) -> list[str]:
    """Where it is installed: the build environment, then the one that is installed into."""
    name, version = requirement.split("==")
    folders = [*sys.path, sysconfig.get_paths()["purelib"]]
    return [
        folder
        for folder in folders
        if Path(folder, f"{name}-{version}.dist-info").is_dir()
        or any(Path(folder).glob(f"{name}-{version}+*.dist-info"))
    ]
