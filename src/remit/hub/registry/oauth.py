"""Token requests as OAuth 2.0 sends them: a form (distribution's "OAuth2 token" specification).

Some clients log in this way, so that the password is in the body and not in a header. A request
whose form nobody reads would be one without credentials, and a login with a wrong password would
look as if it had succeeded.
"""

from urllib.parse import parse_qs

from remit.hub.registry.access import Authenticator, Caller
from remit.hub.registry.errors import Unauthorized, Unsupported
from remit.hub.registry.http import Request

MAX_FORM = 64 * 1024
MAX_FIELDS = 64


async def read_form(
    request: Request, caller: Caller, authenticator: Authenticator
) -> tuple[Caller, list[str]]:
    """Who asks for a token by ``POST``, and for which scopes.

    Args:
        request: the request; its body is read.
        caller: who its ``Authorization`` header says it is, ``anonymous`` without one.
        authenticator: judges the password of the form.

    Raises:
        Unauthorized: the password is wrong, or the form cannot be read.
        Unsupported: another grant than ``password``; the Hub gives no refresh tokens.
        UploadInvalid: the form is larger than :data:`MAX_FORM` bytes.
    """
    body = await request.read(MAX_FORM)
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise Unauthorized("the form of the token request cannot be read") from None
    grant = _single(fields, "grant_type")
    if grant not in {"", "password"}:
        raise Unsupported("a token is given for a password: `grant_type` is `password`")
    name, password = _single(fields, "username"), _single(fields, "password")
    if name or password:
        caller = await authenticator.basic(name, password, request.peer)
    elif grant and "authorization" not in request.headers:
        raise Unauthorized("the form of the token request has no user name")
    return caller, fields.get("scope", [])


def _single(fields: dict[str, list[str]], name: str) -> str:
    found = fields.get(name, [""])
    if len(found) != 1:
        raise Unauthorized(f"the form of the token request has `{name}` more than once")
    return found[0]
