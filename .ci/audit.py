"""Lists what the image is made of (CycloneDX), and asks an advisory service about each part, counting its answers.

    uv run python .ci/audit.py [--sbom build/sbom.json] [--osv-url URL]

Exit code 0 only where every part was looked up and none has a known hole; 1 for a hole; 3 where parts were not looked
up: an auditor that reaches no service finds nothing, and calls that clean.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

PARTS = ["uv", "export", "--quiet", "--no-dev", "--extra", "offline", "--no-hashes", "--no-emit-project", "--no-header"]
CLEAN, HOLES, NOT_AUDITED = 0, 1, 3


def here(exported: str) -> str:
    """Return the lines that hold on this platform, without their conditions."""
    wanted = [Requirement(line) for line in exported.splitlines() if line and not line.startswith((" ", "#"))]
    return "".join(f"{one.name}{one.specifier}\n" for one in wanted if one.marker is None or one.marker.evaluate())


def listed(requirements: Path, sbom: Path) -> int:
    """Write the list of parts and return how many they are."""
    program = Path(sys.executable).with_name("cyclonedx-py")
    sbom.parent.mkdir(parents=True, exist_ok=True)
    told = ["--pyproject", "pyproject.toml", "--output-reproducible", "--no-validate", "--of", "JSON", "-o", str(sbom)]
    subprocess.run([program, "requirements", *told, requirements], check=True, stderr=subprocess.DEVNULL)
    return len(json.loads(sbom.read_text(encoding="utf-8"))["components"])


def audited(requirements: Path, osv_url: str | None) -> tuple[set[str], list[str]]:
    """Return which parts were looked up, and a line for each hole."""
    program = Path(sys.executable).with_name("pip-audit")
    service = ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    quiet = ["--progress-spinner", "off", "--format", "json", "--no-deps", "--disable-pip", "--timeout", "10"]
    done = subprocess.run(
        [program, "--requirement", requirements, *quiet, *service], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"pip-audit found no service: {last[0]}", file=sys.stderr)
        return set(), []
    looked_up = {part["name"] for part in found if "skip_reason" not in part}
    holes = [f"{p['name']} {p['version']}: {v['id']}" for p in found for v in p.get("vulns", [])]
    return looked_up, holes


def main() -> int:
    """List, audit and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sbom", type=Path, default=Path("build/sbom.json"))
    parser.add_argument("--osv-url", help="another OSV service than pip-audit's default one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(here(subprocess.run(PARTS, check=True, capture_output=True, text=True).stdout))
        parts = listed(requirements, chosen.sbom)
        looked_up, holes = audited(requirements, chosen.osv_url)
    print(f"{chosen.sbom}: {parts} parts\n{len(looked_up)} of {parts} audited, {len(holes)} holes", *holes, sep="\n")
    if holes:
        return HOLES
    return CLEAN if len(looked_up) == parts else NOT_AUDITED


if __name__ == "__main__":
    sys.exit(main())
