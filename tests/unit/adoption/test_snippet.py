"""What the snippet and the service must agree on."""

import json
import re
import subprocess
from pathlib import Path

from productfruits.adoption import vocabulary

ROOT = Path(__file__).parents[3]


def test_the_snippet_judges_addresses_and_languages_as_the_service_does() -> None:
    script = ROOT / "tests" / "vectors" / "snippet_rules.mjs"
    done = subprocess.run(["node", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_the_types_of_the_snippet_name_every_event() -> None:
    types = (ROOT / "static" / "snippet" / "snippet.d.ts").read_text()
    (union,) = re.findall(r"type RawName =(.*?);", types, flags=re.DOTALL)
    assert re.findall(r'"(\w+)"', union) == list(vocabulary.EVENTS)


def test_one_module_each_touches_the_network_the_storage_and_the_library_of_the_page() -> None:
    owners = {
        r"\bfetch\(|sendBeacon|XMLHttpRequest": "api.ts",
        r"\blocalStorage\b|\bsessionStorage\b": "store.ts",
        r"window as \{ analytics|window\.analytics": "analytics.ts",
        r"currentScript\b": "config.ts",
        r"history\[": "navigation.ts",
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function": "",
        r"setInterval": "",
    }
    for path in (ROOT / "static" / "snippet").glob("*.ts"):
        code = re.sub(r"^\s*(//|\*|/\*).*", "", path.read_text(), flags=re.MULTILINE)
        for pattern, owner in owners.items():
            found = re.search(pattern, code)
            assert found is None or path.name == owner, f"{path.name}: {found[0]}"
