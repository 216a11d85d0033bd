"""Builds the package; what it is made of is in setup.cfg, and here how its C++ gets into a wheel.

A wheel holds the compiled engine where torch and g++ are at hand: `pip wheel --no-build-isolation`. Where they are
not, as in an isolated build, it holds none, and the engine is compiled on first use. `NC_TRAINER_NATIVE=1` makes a
missing engine an error, `NC_TRAINER_NATIVE=0` leaves it out.
"""

import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path
from types import ModuleType

from setuptools import setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

OPS = Path(__file__).parent / "nc_trainer" / "int8" / "ops"


@cache
def native_compile() -> ModuleType:
    """The module of that name; importing the package would need torch and transformers."""
    spec = importlib.util.spec_from_file_location("native_compile", OPS / "engines" / "native_compile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def native_library() -> Path | None:
    """The compiled engine, or None where it is not wanted or cannot be compiled."""
    wanted = os.environ.get("NC_TRAINER_NATIVE", "")
    try:
        return None if wanted == "0" else compiled()
    except native_compile().NativeBuildError as error:
        if wanted == "1":
            raise SystemExit(f"NC_TRAINER_NATIVE=1, but {error}") from error
        print(f"warning: no compiled engine in this wheel, it will be compiled on first use: {error}")
        return None


def compiled() -> Path:
    """Compiles the engine; raises NativeBuildError."""
    tools = native_compile()
    if reason := tools.system_reason():
        raise tools.NativeBuildError(reason)
    library = Path("build", "native", tools.wheel_library_name()).resolve()
    library.parent.mkdir(parents=True, exist_ok=True)
    tools.compile_library(tools.require_compiler(), library)
    return library


class BuildWithEngine(build_py):
    """Adds the compiled engine to what a wheel is made of; an editable installation compiles on first use."""

    def run(self) -> None:
        """Called by setuptools."""
        super().run()
        directory = Path(self.build_lib, *OPS.relative_to(Path(__file__).parent).parts, "lib")
        shutil.rmtree(directory, ignore_errors=True)  # an engine that an earlier build left
        if not getattr(self, "editable_mode", False) and (library := native_library()):
            self.mkpath(str(directory))
            self.copy_file(str(library), str(directory / library.name))


class WheelForEveryPython(bdist_wheel):
    """A wheel with the engine is for one kind of machine, but for every Python: it uses nothing of Python."""

    def finalize_options(self) -> None:
        """Says whether the wheel is for one platform, before setuptools lays out its files."""
        editable = "editable_wheel" in self.distribution.commands
        if not editable and native_library():
            self.distribution.has_ext_modules = lambda: True
        super().finalize_options()

    def get_tag(self) -> tuple[str, str, str]:
        """The tag in the name of the wheel."""
        python, abi, platform = super().get_tag()
        return (python, abi, platform) if self.root_is_pure else ("py3", "none", platform)


setup(cmdclass={"build_py": BuildWithEngine, "bdist_wheel": WheelForEveryPython})
