from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")
def test_the_package_has_what_it_exports_and_a_server_may_import_it(tmp_path: Path) -> None:
    def run(*command: str, cwd: Path = ROOT) -> str:
        return subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    target = tmp_path / "npm"
    run("node", "deploy/npm_package.mjs", str(target))
    name = run("npm", "pack", "--silent", str(target), cwd=tmp_path).strip()
    with tarfile.open(tmp_path / name) as archive:
        packed = {member.name.removeprefix("package/") for member in archive.getmembers()}
        archive.extractall(tmp_path / "node_modules" / "p2pcamera", filter="data")
    about = json.loads((target / "package.json").read_text())
    assert f'version = "{about["version"]}"' in (ROOT / "pyproject.toml").read_text()
    exported = [one if isinstance(one, str) else list(one.values()) for one in about["exports"].values()]
    wanted = {
        path.removeprefix("./") for one in exported for path in ([one] if isinstance(one, str) else one)
    }
    assert packed >= wanted | {"README.md", "LICENSE", "p2pcamera.d.ts"}
    assert packed == {path.name for path in target.iterdir()}
    folder = tmp_path / "node_modules" / "p2pcamera" / "package"
    told = run(
        "node", "--eval", f"import('{folder}/p2pcamera.mjs').then((one) => console.log(one.p2pcamera))"
    )
    assert told == "undefined\n"
