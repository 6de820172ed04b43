"""What a conda file asks of Python and of PyPI: the packages that an isolated step needs, as pip writes them.

Source: conda's match specifications; the names that conda-forge and PyPI do not share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_MATCH = re.compile(r"(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>(?:[=<>!~ ].*)?)")
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>|=)?\s*([\w.*+!-]+)\s*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# The options of pip that name a file or folder, as pip's own parser takes them: "-r x", "-rx", "--requirement=x".
_OPTION = re.compile(r"(?P<name>--(?:requirement|constraint|editable|find-links)(?=[ =])|-[rcef](?!-))[ =]*(?P<value>.+)")
_ADDRESS = re.compile(r"(?!file:)[\w+.-]+://")
_LOCAL = re.compile(r"[./]|file:|[\w.-]+(?:\[[^\]]*\])?\s*@\s*(?:file:|[./])")

# Packages whose name on PyPI is another.
_ON_PYPI = {
    "dask-core": "dask", "matplotlib-base": "matplotlib", "msgpack-python": "msgpack", "opencv": "opencv-python-headless",
    "pillow-simd": "pillow", "protobuf-core": "protobuf", "psycopg2": "psycopg2-binary", "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless", "py-xgboost": "xgboost", "py-xgboost-cpu": "xgboost", "pyarrow-core": "pyarrow",
    "pytables": "tables", "python-flatbuffers": "flatbuffers", "python-graphviz": "graphviz", "pytorch": "torch",
    "pytorch-cpu": "torch", "pytorch-gpu": "torch", "ruamel_yaml": "ruamel.yaml", "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow", "tensorflow-gpu": "tensorflow",
}
# What wheels bring along themselves, or what is the installer's own business.
_NEEDLESS = frozenset({"blas", "ca-certificates", "libblas", "libgcc-ng", "libgomp", "libstdcxx-ng", "llvm-openmp", "mkl",
                       "nomkl", "openblas", "openssl", "pip", "python", "python_abi"})
# Programs and libraries that PyPI does not have, or has something else under their name.
_NOT_ON_PYPI = re.compile(
    r"(?:cuda.*|cudatoolkit|cudnn|nccl|openmpi|mpich|gcc.*|gxx.*|gfortran.*|clang.*|compilers|sysroot.*|binutils.*|openjdk|nodejs|"
    r"r-.*|r-base|ffmpeg|git|git-lfs|graphviz|curl|wget|bash|perl|make|gdal|libgdal|proj|hdf5|zlib|sqlite|unixodbc|freetds|"
    r"lib(?:gdal|gcc.*|stdcxx.*|xml2|pq|png|jpeg.*|tiff|sndfile|gl.*|curl|lapack|openblas)|pytorch-cuda|pytorch-mutex|faiss-gpu|nvidia-.*|rapids.*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The software of an environment.

    Attributes:
        python: The interpreter: ``3.11``, ``>=3.10,<3.12``; None when the file names none.
        requirements: Lines of a requirements file, options of pip among them.
        files: Requirements files that the pip part names, relative to the conda file.
        foreign: Conda packages that PyPI does not have.
        local: Paths in the pip part, which stand for content that no version tells.
    """

    python: str | None = None
    requirements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    local: tuple[str, ...] = field(default=())


def wanted(conda: Any) -> Wanted:
    """What a conda file asks for; what has the wrong form is left out (the compiler has told it).

    Args:
        conda: The file's content, as plain data.
    """
    python = None
    lines: list[str] = []
    files: list[str] = []
    foreign: list[str] = []
    local: list[str] = []
    for text in _conda_part(conda):
        match = _MATCH.fullmatch(text)
        if match is None:
            continue
        name, versions = match["name"].lower(), _versions(match["rest"].strip())
        if name == "python":
            python = _interpreter(versions)
        elif name in _ON_PYPI or (name not in _NEEDLESS and not _NOT_ON_PYPI.fullmatch(name)):
            lines.append(_ON_PYPI.get(name, name) + versions)
        elif name not in _NEEDLESS:
            foreign.append(name)
    for line in pip_part(conda):
        option = _OPTION.fullmatch(line)
        if option is not None and option["name"] in ("-r", "--requirement"):
            files.append(option["value"])
        elif _LOCAL.match(line) or (option is not None and (
                option["name"] in ("-e", "--editable") or not _ADDRESS.match(option["value"]))):
            local.append(line)
        else:
            lines.append(line)
    return Wanted(python=python, requirements=tuple(lines), files=tuple(files), foreign=tuple(sorted(foreign)),
                  local=tuple(local))


def names(conda: Any) -> tuple[str, ...]:
    """The names of the packages that a conda file lists, pip's included; without Python and pip themselves."""
    found = {match[0].lower() for text in (*_conda_part(conda), *pip_part(conda)) if (match := _NAME.match(text))}
    return tuple(sorted(found - {"python", "pip"}))


def pip_part(conda: Any) -> Iterator[str]:
    """The lines of a conda file's pip part, without comments."""
    for entry in _dependencies(conda):
        listed = entry.get("pip") if isinstance(entry, Mapping) else None
        for text in listed if isinstance(listed, list) else []:
            if isinstance(text, str) and (line := re.sub(r"(?:^|\s)#.*", "", text).strip()):
                yield line


def _conda_part(conda: Any) -> Iterator[str]:
    return (entry.strip() for entry in _dependencies(conda) if isinstance(entry, str))


def _dependencies(conda: Any) -> list[Any]:
    dependencies = conda.get("dependencies") if isinstance(conda, Mapping) else None
    return dependencies if isinstance(dependencies, list) else []


def _versions(rest: str) -> str:
    """A conda version as pip writes it: ``=1.2`` is ``==1.2.*``; a build is left out."""
    if not rest or "|" in rest:
        return ""
    if rest[0] not in "=<>!~":  # "numpy 1.26.* py311_0", the form with blanks
        rest = "=" + rest.split()[0]
    clauses = []
    for part in rest.split(","):
        found = _CLAUSE.match(part)
        if found is None:
            return ""
        operator, version = found[1] or "=", found[2].split("=")[0]
        if operator == "=":
            operator, version = "==", version if version.endswith("*") else f"{version}.*"
        clauses.append(f"{operator}{version}")
    return ",".join(clauses)


def _interpreter(versions: str) -> str | None:
    """``==3.11.*`` as people say it: ``3.11``; other bounds as they are."""
    if re.fullmatch(r"==\d+(?:\.\d+)*(?:\.\*)?", versions):
        return versions.removeprefix("==").removesuffix(".*")
    return versions or None
