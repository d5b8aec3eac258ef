"""Back-pressure: nothing is taken that nobody could scan in a long while."""

from sqlalchemy import Connection

from remit.hub.registry.errors import TooMany
from remit.hub.registry.ports import Placed
from remit.hub.store import admissions, jobs, workers

RETRY_S = 30


def check(connection: Connection, placed: Placed, limit: int, now_us: int) -> None:
    """See that one more scan may be asked for; what is known already needs none.

    Raises:
        TooMany: ``limit`` of them wait, or every worker says that its disk is full.
    """
    seen = workers.alive(connection, now_us)
    able = [each for each in seen if not each.lacks]
    short = bool(able) and all(each.short for each in able)
    waiting = jobs.waiting(connection)
    if not short and waiting < limit:
        return
    if admissions.has_row(connection, placed.repository, placed.digest):
        return
    why = "the workers' disks are full" if short else f"{waiting} scans are waiting"
    raise TooMany(
        f"{why}; push `{placed.repository}` again later",
        detail={"waiting": waiting, "limit": limit},
        headers=(("retry-after", str(RETRY_S)),),
    )
