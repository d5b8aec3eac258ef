"""Pictures of the console for the guide, of a real Hub with real pushes and a real browser.

`python -m tests.rig.console_screenshots [DIRECTORY]`; the guide's are in docs/images/console.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.rig.browser import chromium
from tests.rig.console import (
    Person,
    kit,
    package,
    publish_all,
    publish_for_review,
    wait_until_decided,
)
from tests.rig.hub_users import User
from tests.rig.programs import ROOT
from tests.rig.registries import hub, person

WIDTH, HEIGHT = 1100, 720
MAX_BYTES = 150_000
TALL = 860
"""Pages that are longer are cut: a picture of all of a table says no more than its beginning."""


def main(place: Path) -> None:
    """Make every picture."""
    place.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="remit-guide-") as directory,
        hub(Path(directory), gate=True) as registry,
        chromium() as browser,
    ):
        home = Path(directory)
        writer = person(registry, "wren", "writer", "**")
        curator = person(registry, "carla", "curator", "**")
        user = User(home / "wren")
        user.login(writer)
        digests = publish_all(user, registry, home / "kits", odd=False)
        rain = publish_for_review(user, registry, home / "rain")
        agent = kit(
            home / "skill",
            {"SKILL.md": b"---\nname: tidy\ndescription: Tidies a folder\n---\n# Tidy\n"},
            package("tidy", "1.0.0", "code:\n- path: SKILL.md\n"),
        )
        user.publish(agent, f"{registry.host}/skills/tidy:v1")
        view: dict[str, Any] = {"viewport": {"width": WIDTH, "height": HEIGHT}}
        carla = Person(browser, curator, **view)
        carla.open("/")
        shot(carla, place / "login.png")
        carla.login()
        wait_until_decided(carla)
        late = kit(
            home / "late", {"README.md": b"# Tides\n"}, package("tides", "1", "docs:\n- path: .\n")
        )
        user.publish(late, f"{registry.host}/weather/tides:v1")
        carla.open("/ui/queue")
        shot(carla, place / "scans.png")
        wait_until_decided(carla)
        calm, evil = (
            f"/ui/artifacts/{name}@{digests[key]}"
            for name, key in (("weather/answers", "calm"), ("speech/model", "evil"))
        )
        decide = f"/ui/artifacts/models/rain@{rain}/decide"
        for name, path in (
            ("artifacts", "/ui/artifacts"), ("artifact", calm), ("evidence", f"{calm}/evidence"),
            ("materials", f"{calm}/materials"), ("changes", f"{calm}/changes"),
            ("history", f"{calm}/history"), ("findings", f"{evil}/findings"),
            ("quarantine", "/ui/quarantine"), ("decide", decide),
        ):  # fmt: skip
            carla.open(path)
            shot(carla, place / f"{name}.png")
        dark = Person(
            browser, curator, color_scheme="dark", viewport={"width": 390, "height": HEIGHT}
        ).login()
        dark.open(f"{evil}/findings")
        shot(dark, place / "narrow-dark.png")


def shot(who: Person, path: Path) -> None:
    """Take a picture of the page, of a size that belongs into a repository."""
    who.page.wait_for_load_state()
    height = who.page.evaluate("document.documentElement.scrollHeight")
    width = who.page.evaluate("window.innerWidth")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALL)}
    who.page.screenshot(path=str(path), full_page=True, clip=clip)
    assert path.stat().st_size < MAX_BYTES, f"{path} has {path.stat().st_size} bytes"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "console")
