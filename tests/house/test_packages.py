"""The list of packages, the folders, the links and the wheel say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import perdure
from tests.house import tree

SETUPTOOLS = tree.project()["tool"]["setuptools"]


def test_every_folder_with_code_is_a_listed_package() -> None:
    folders = {path.parent.relative_to(tree.ROOT).as_posix() for path in tree.modules(*tree.ROOMS)}
    expected = {"perdure", *("perdure." + folder.replace("/", ".") for folder in folders)}

    assert set(SETUPTOOLS["packages"]) == expected
    assert len(SETUPTOOLS["packages"]) == len(expected)


def test_each_package_is_mapped_to_the_folder_of_its_name() -> None:
    expected = {package: package.removeprefix("perdure.").replace(".", "/") for package in SETUPTOOLS["packages"]}

    assert SETUPTOOLS["package-dir"] == expected


def test_each_package_opens_with_a_docstring() -> None:
    import ast

    for folder in SETUPTOOLS["package-dir"].values():
        assert ast.get_docstring(tree.parse(tree.ROOT / folder / "__init__.py")), folder


def test_the_face_links_to_each_room_and_to_nothing_else() -> None:
    links = {path.name: path.readlink().as_posix() for path in (tree.ROOT / "perdure").iterdir() if path.is_symlink()}

    assert links == {room: f"../{room}" for room in tree.ROOMS}


def test_the_root_is_one_docstring_that_imports_nothing() -> None:
    assert len(tree.parse(tree.ROOT / "__init__.py").body) == 1
    assert not (tree.ROOT / "conftest.py").exists()
    assert not (tree.ROOT / "tests" / "__init__.py").exists()


def test_the_version_is_told_once() -> None:
    assert perdure.__version__ == tree.project()["project"]["version"]


def test_every_requirement_is_pinned_without_an_address() -> None:
    project = tree.project()
    groups = [entry for group in project["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    extras = [entry for extra in project["project"]["optional-dependencies"].values() for entry in extra]
    wanted = {_distribution(entry) for entry in [*project["project"]["dependencies"], *extras, *groups]} - {"perdure"}
    lines = [line for line in (tree.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert wanted <= {_distribution(line) for line in lines}
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[^ ;/]+( ; .+)?", line)] == []


def test_the_wheel_holds_every_module_and_no_other(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    for path in tree.files():
        copy = source / path.relative_to(tree.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    held = zipfile.ZipFile(next(wheels.glob("perdure-*.whl"))).namelist()
    expected = {f"perdure/{tree.name(path)}" for path in tree.modules(*tree.ROOMS)} | {"perdure/py.typed"}
    expected |= {f"perdure/{path.name}" for path in (tree.ROOT / "perdure").glob("*.py")}

    assert {name for name in held if ".dist-info/" not in name} == expected
    assert any(name.endswith("/licenses/LICENSE") for name in held)


def _distribution(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0].lower().replace("_", "-")
