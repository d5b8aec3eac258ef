"""Pictures of the inbox for the guide, of a real Guard, a held call and a real browser.

`python -m tests.rig.screenshots [DIRECTORY]`; the guide's are in docs/guide/images.
"""

import sys
import tempfile
from pathlib import Path

from tests.rig.browser import Reader, chromium
from tests.rig.people import Treasury
from tests.rig.programs import ROOT

WIDTH, HEIGHT = 900, 640


def main(place: Path) -> None:
    """Make every picture."""
    place.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="remit-guide-") as directory,
        Treasury(Path(directory), http="127.0.0.1:0") as treasury,
        chromium() as browser,
    ):
        view = {"width": WIDTH, "height": HEIGHT}
        ann, ben = (Reader(browser, treasury.guard, user, viewport=view) for user in ("ann", "ben"))
        for one in (ann, ben):
            one.enrol(treasury.invites(one.user))
        with treasury.agent() as wire:
            earlier = treasury.waits(wire, 1, 480, "Miller Ltd")
            ann.says("approve", earlier, "matches the order", "CHG-1042")
            wire.response(1)
            request = treasury.waits(wire, 2, 950, "Miller Ltd")
            ben.says("approve", treasury.waits(wire, 3, 12000, "Hansen & Sons"), "in the budget")
            ann.page.goto(ann.base)
            ann.shot(place / "approvals-inbox.png")
            ann.open(request)
            ann.page.get_by_label("Reason").fill("called Miller, the amount is right")
            ann.page.get_by_label("Ticket").fill("CHG-1043")
            ann.shot(place / "approvals-request.png")
            ann.page.get_by_role("button", name="Approve…").click()
            ann.page.get_by_role("button", name="Sign the approval").wait_for()
            ann.shot(place / "approvals-sign.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "guide" / "images")
