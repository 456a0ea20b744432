"""Checks against the cloud-init and netplan of Debian: how they read user data and network data, and what they reject.

cloud-init is available only to the system's Python, so each question is one process that handles many texts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CLOUD_INIT = shutil.which("cloud-init")
NETPLAN = shutil.which("netplan")

needs_cloud_init = pytest.mark.skipif(CLOUD_INIT is None, reason="the Debian package cloud-init is not installed")
needs_netplan = pytest.mark.skipif(
    CLOUD_INIT is None or NETPLAN is None, reason="the Debian packages cloud-init and netplan.io are not installed"
)


def cloud_init_version() -> str:
    done = subprocess.run([str(CLOUD_INIT), "--version"], capture_output=True, text=True, check=True)
    return f"cloud-init {(done.stdout or done.stderr).split()[-1]}"


class Part(NamedTuple):
    """A part of user data as cloud-init reads it. A cloud-config also has its data and the errors of its schema."""

    content_type: str
    filename: str | None
    content: str
    value: Any
    faults: list[str]


_USER_DATA = """
import base64, json, os, sys
from cloudinit import helpers, user_data, util
from cloudinit.config import schema
folder = sys.argv[1]
paths, rules = helpers.Paths({"cloud_dir": folder, "run_dir": folder}), schema.get_schema()

def part(message):
    kind, content = message.get_content_type(), util.fully_decoded_payload(message)
    first, _, rest = content.lstrip().partition("\\n")
    text = rest if first.startswith("## template: jinja") else content
    value, faults = None, []
    if text.startswith("#cloud-config") and kind in ("text/cloud-config", "text/jinja2"):
        path = os.path.join(folder, "part")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        value = util.load_yaml(text)
        try:  # the schema wants a map; cloud-init itself takes a cloud-config of comments alone
            if value is not None:
                schema.validate_cloudconfig_file(path, rules)
        except schema.SchemaValidationError as e:
            faults = sorted(str(e).split(", "))
    return [kind, message.get_filename(), content, value, faults]

results = []
for text in json.load(sys.stdin):
    message = user_data.UserDataProcessor(paths).process(base64.b64decode(text))
    results.append([part(m) for m in message.walk() if m.get_content_maintype() != "multipart"])
print(json.dumps(results, default=str))
"""


def read_user_data(texts: Sequence[str]) -> list[list[Part]]:
    """The parts of each text."""
    return [[Part(*part) for part in parts] for parts in _ask(_USER_DATA, [encoded(text) for text in texts])]


_NETWORK_DATA = """
import json, os, sys
from cloudinit import util
from cloudinit.net import network_state, netplan
from cloudinit.sources.helpers import openstack
folder, results = sys.argv[1], []
for number, text in enumerate(json.load(sys.stdin)):
    config = util.load_yaml(text)
    try:
        if isinstance(config, dict) and "links" in config:
            names = [link["ethernet_mac_address"] for link in config["links"] if "ethernet_mac_address" in link]
            config = openstack.convert_net_json(config, known_macs={mac: f"eth{i}" for i, mac in enumerate(names)})
        else:
            config = config.get("network", config)  # as cloudinit.stages does
        state = network_state.parse_net_config_data(config, skip_broken=False, renderer=netplan.Renderer)
        target = os.path.join(folder, str(number))
        netplan.Renderer({"postcmds": False}).render_network_state(state, target=target)
        results.append([None, util.load_file(os.path.join(target, "etc/netplan/50-cloud-init.yaml"))])
    except Exception as e:
        results.append([f"{type(e).__name__}: {e}", None])
print(json.dumps(results))
"""


def faults_of_network_data(texts: Sequence[str]) -> list[str | None]:
    """The error of cloud-init or netplan for each text, if any."""
    known: dict[str, str | None] = {}
    for text, (fault, rendered) in zip(texts, _ask(_NETWORK_DATA, list(texts)), strict=True):
        known[text] = fault or known.get(text) or _netplan(rendered)
    return [known[text] for text in texts]


def _netplan(text: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "etc" / "netplan" / "50-cloud-init.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        command = [str(NETPLAN), "generate", "--root-dir", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else None


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _ask(program: str, texts: list[str]) -> Any:
    assert CLOUD_INIT
    python = Path(CLOUD_INIT).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()
    with tempfile.TemporaryDirectory() as folder:
        command = [*python, "-c", program, folder]
        done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
