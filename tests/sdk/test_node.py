"""The official Node SDK, unmodified, against a running gateway: `node/story.js` acts, this file says what must be."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.gateway import Gateway
from tests.sdk.receiver import Receiver

_HERE = Path(__file__).parent / "node"
_INSTALL = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository with the story and its SDK.

    CONSENTRY_NODE_MODULES names one that is kept, so that the SDK is fetched once and not in every session.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    kept = os.environ.get("CONSENTRY_NODE_MODULES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("node")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "story.js"):
        shutil.copy(_HERE / name, folder / name)
    wanted = json.loads((_HERE / "package.json").read_text())["dependencies"]["twilio"]
    if _installed(folder) != wanted:
        why = _install(folder)
        if _installed(folder) != wanted:
            pytest.skip(f"npm could not install twilio {wanted}: {why}")
    return folder


def test_the_story_of_a_message_is_the_same_in_node(gateway: Gateway, node: Path) -> None:
    line = gateway.install()
    phone = gateway.opted_in(line)

    told = _run(node, gateway, STORY_SENDER=line.sid, STORY_FROM=line.address, STORY_TO=phone)

    more = "https://www.twilio.com/docs/errors/"
    assert told["created"]["status"] == "queued"
    assert (told["created"]["to"], told["created"]["from"]) == (phone, line.address)
    assert told["created"]["year"] >= 2024
    assert told["fetched"] == "Hello from Node"
    assert told["listed"] == ["five", "four", "three", "two", "Hello from Node"]
    assert told["limited"] == 3
    assert told["secondPage"] == ["three", "two"]
    assert told["cancelled"] == "canceled"
    assert (told["redacted"], told["deleted"]) == ("", True)
    assert told["gone"] == {"name": "RestException", "status": 404, "code": 20404, "moreInfo": f"{more}20404"}
    assert told["stopped"] == {"name": "RestException", "status": 400, "code": 21610, "moreInfo": f"{more}21610"}
    assert told["stranger"] == {"name": "RestException", "status": 401, "code": 20003, "moreInfo": f"{more}20003"}
    assert "Too early" not in gateway.on_phone(phone)


def test_our_callbacks_pass_nodes_validator_and_changed_ones_do_not(
    gateway: Gateway, receiver: Receiver, node: Path
) -> None:
    post = gateway.install(callback_url=f"{receiver.base}/in?shop=1&lang=d%C3%A9")
    get = gateway.install(callback_url=f"{receiver.base}/got?shop=1", callback_method="GET")
    for line in (post, get):
        gateway.say(line, line.phone(), "Grüße & so: 1+1=2 ✓")
    seen = [*receiver.wait("/in"), *receiver.wait("/got")]

    posted = [
        {
            "signature": each.headers["x-twilio-signature"],
            "url": each.url,
            "fields": each.fields if each.method == "POST" else {},
        }
        for each in seen
    ]
    found = _run(node, gateway, STORY_CALLBACKS=json.dumps(posted))

    assert found == [{"good": True, "forged": False}, {"good": True, "forged": False}]


def _install(folder: Path) -> str:
    try:
        done = subprocess.run(("npm", *_INSTALL), cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        return "it took more than 90 s"
    return done.stderr.strip()[-200:]


def _installed(folder: Path) -> str | None:
    package = folder / "node_modules" / "twilio" / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.is_file() else None


def _run(node: Path, gateway: Gateway, **given: str) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TWILIO_", "HTTP_PROXY", "HTTPS_PROXY"))}
    story = {
        "STORY_BASE_URL": gateway.base_url,
        "STORY_ACCOUNT_SID": gateway.account_sid,
        "STORY_AUTH_TOKEN": gateway.auth_token,
        **given,
    }
    done = subprocess.run(
        ("node", "story.js"), cwd=node, env={**kept, **story}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
