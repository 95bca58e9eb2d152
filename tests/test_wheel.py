"""The wheel, used outside the checkout by a user who has neither files nor a network."""

import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUPTOOLS = int(importlib.metadata.version("setuptools").partition(".")[0])
NO_NETWORK = """
import socket

def refuse(self, address):
    if self.family != socket.AF_UNIX:
        raise OSError("there is no network")
    return connect(self, address)

connect = socket.socket.connect
socket.socket.connect = refuse
"""


def run(folder: Path, *command: str, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment or None, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(SETUPTOOLS < 77, reason="making the wheel needs setuptools 77 or newer")
def test_the_wheel_works_without_checkout_and_network(tmp_path: Path) -> None:
    """Dependencies are those of this environment; what the wheel lacks would be missing."""
    # make it of a copy, so that the checkout stays as it is
    source = tmp_path / "source"
    source.mkdir()
    kept = ("synthgen", "pyproject.toml", "README.md", "LICENSE")
    run(ROOT, "cp", "-r", *kept, str(source))
    wheels = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    run(tmp_path, sys.executable, *wheels, "--wheel-dir", "wheels", str(source))
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    assert wheel.stat().st_size < 5_000_000

    # install it into an environment of its own
    home = tmp_path / "environment"
    venv.create(home)
    python = str(home / "bin" / "python")
    site = Path(
        run(home, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(site)]
    run(tmp_path, sys.executable, *install, str(wheel))

    # use it
    user = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "user")}
    (tmp_path / "user").mkdir()
    place = run(tmp_path, python, "-c", "import synthgen; print(synthgen.__file__)", **user)
    assert place.startswith(str(site))
    command = [python, "-m", "synthgen"]
    build = ["build", "--per-class", "10", "--no-evaluate", "--json"]
    made = json.loads(run(tmp_path / "user", *command, *build, **user))
    assert made["images"] == 100
    checked = json.loads(
        run(tmp_path / "user", *command, "verify", made["manifest"], "--json", **user)
    )
    assert checked["problems"] == []
