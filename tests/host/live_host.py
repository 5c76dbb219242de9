"""A running ComfyUI with the pack in it, for tests that go through its web interface."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACK_PARTS = ("__init__.py", "pyproject.toml", "nodes", "threedimo_core", "web", "workflows")


class HostError(RuntimeError):
    """The host did not start, or it refused or failed a prompt; the message holds what it said."""


class LiveHost:
    """A host process with folders of its own below `base`; `stop` ends it.

    Other packs (folders) may be laid beside ours. Models, inputs and outputs are those of `base` alone.
    """

    def __init__(self, comfyui: Path, base: Path, packs: tuple[Path, ...] = (), stubs: tuple[str, ...] = ()) -> None:
        self.comfyui, self.base = comfyui, base
        for name in ("custom_nodes", "input", "output", "temp", "models/threedimo"):
            (base / name).mkdir(parents=True, exist_ok=True)
        self.pack = install_pack(base / "custom_nodes" / "ComfyUI-3DiMo")
        for pack in packs:
            shutil.copytree(pack, base / "custom_nodes" / pack.name, ignore=shutil.ignore_patterns("__pycache__"))
        self.stubs = stubs
        self.log = base / "host.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 180.0, *options: str) -> LiveHost:
        self.port = _free_port()
        environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        environment["PYTHONPATH"] = os.pathsep.join(self.stubs)
        command = [
            sys.executable, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port), "--base-directory",
            str(self.base), "--database-url", "sqlite:///:memory:", "--disable-auto-launch", "--disable-api-nodes",
            *options,
        ]  # fmt: skip
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.comfyui, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise HostError(f"the host ended while starting:\n{self.tail()}")
            try:
                self.get("/system_stats")
                return self
            except (OSError, HostError):
                time.sleep(0.3)
        self.stop()
        raise HostError(f"the host did not answer within {timeout:g} s:\n{self.tail()}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- its web interface --------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise HostError(error.read().decode(errors="replace")) from error
        return json.loads(text) if text else None

    def queue(self, prompt: dict[str, Any]) -> str:
        """The prompt's id; HostError with the host's own words where it refuses it, or a part of it."""
        answer = self.post("/prompt", {"prompt": prompt})
        if answer.get("node_errors"):  # the host runs the outputs that a bad node does not reach
            self.wait(answer["prompt_id"])
            raise HostError(json.dumps(answer["node_errors"]))
        return str(answer["prompt_id"])

    def wait(self, prompt_id: str, timeout: float = 300.0) -> dict[str, Any]:
        """The history of a finished prompt, whatever came of it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = self.get(f"/history/{prompt_id}")
            if prompt_id in found:
                return dict(found[prompt_id])
            if self.process is None or self.process.poll() is not None:
                raise HostError(f"the host died:\n{self.tail()}")
            time.sleep(0.1)
        raise HostError(f"prompt {prompt_id} did not end within {timeout:g} s:\n{self.tail()}")

    def run(self, prompt: dict[str, Any], timeout: float = 300.0) -> dict[str, Any]:
        """The outputs of a prompt by node; HostError where it did not end with success."""
        history = self.wait(self.queue(prompt), timeout)
        if history["status"]["status_str"] != "success":
            raise HostError(error_of(history))
        return dict(history["outputs"])

    def output(self, shown: dict[str, str]) -> Path:
        """The file behind an entry of a node's outputs."""
        return self.base / shown["type"] / shown.get("subfolder", "") / shown["filename"]


def error_of(history: dict[str, Any]) -> str:
    """What the host says of a prompt that failed: the exception's kind and text."""
    for name, message in history["status"]["messages"]:
        if name == "execution_error":
            return f"{message['node_type']}: {message['exception_type']}: {message['exception_message']}"
        if name == "execution_interrupted":
            return "interrupted"
    return str(history["status"])


def install_pack(target: Path) -> Path:
    """A copy of what the host needs of this repository: a test may put weights into it."""
    target.mkdir(parents=True)
    for name in PACK_PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy2(source, target / name)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
