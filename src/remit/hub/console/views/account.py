"""Somebody's own page: their roles, and the way out."""

from collections.abc import Mapping

from remit.hub.console.pages import page
from remit.hub.console.words import Look
from remit.hub.registry.access import ROLES
from remit.web.exchange import Reply


async def account(look: Look, path: Mapping[str, str]) -> Reply:
    """The page."""
    del path
    grants = sorted(look.me.grants, key=lambda each: (each.pattern, each.role))
    rows = [(each, ", ".join(sorted(ROLES.get(each.role, ())))) for each in grants]
    return page("account", look=look, csrf=look.csrf, rows=rows)
