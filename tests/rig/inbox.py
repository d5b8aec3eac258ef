"""Browsers as a stranger would write them: raw requests, cookies by hand, a passkey in software."""

import html
import http.client
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from remit.attest.webauthn import Party
from tests.rig.authenticator import Passkey
from tests.rig.web import Answer

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


class Visitor:
    """One browser; `cookies` are what it keeps."""

    def __init__(self, base: str, passkey: Passkey | None = None) -> None:
        parts = urlsplit(base)
        assert parts.port is not None
        self.port = parts.port
        self.origin = f"http://localhost:{self.port}"
        self.party = Party(id="localhost", origin=self.origin)
        self.passkey = passkey or Passkey(self.party)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def send(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | bytes | None = None,
        **headers: str | None,
    ) -> Answer:
        """Send one request; `None` takes a header out, underscores are hyphens."""
        usual: dict[str, str | None] = {"Host": f"localhost:{self.port}"}
        if self.cookies:
            usual["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None
        if method == "POST":
            usual |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
            body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = {k: v for k, v in usual.items() if v is not None}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            self.set_cookies = response.headers.get_all("set-cookie") or []
            for line in self.set_cookies:
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return Answer(response)
        finally:
            connection.close()

    def get(self, path: str = "", **headers: str | None) -> Answer:
        """Load a page below /approvals."""
        return self.send("GET", f"/approvals{path}", **headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str | None) -> Answer:
        """Post a form below /approvals."""
        return self.send("POST", f"/approvals{path}", form, **headers)

    def signed(self, answer: Answer) -> dict[str, str]:
        """Fill in the form of a page as the script does, with what the passkey says."""
        options = options_of(answer)
        challenge = b64decode(options["challenge"])
        fields = fields_of(answer)
        if "rpName" in options:
            client, data = self.passkey.client("create", challenge), self.passkey.made()
            said = {"credential": self.passkey.name, "client": client, "authenticator": data}
        else:
            one = self.passkey.get(challenge)
            said = {
                "credential": one.credential,
                "client": one.client_data,
                "authenticator": one.authenticator_data,
                "signature": one.signature,
            }
        return {**fields, **{name: b64encode(value).decode() for name, value in said.items()}}

    def enrol(self, url: str) -> Answer:
        """Follow an invitation to its end."""
        page = self.get("/enrol")
        page = self.post("/enrol", {**fields_of(page), "token": url.partition("#")[2]})
        assert page.status == 200, page.body
        page = self.post("/enrol/key", self.signed(page))
        assert page.status == 200, page.body
        return self.post("/enrol/sign", self.signed(page))

    def login(self) -> Answer:
        """Log in."""
        return self.post("/login", self.signed(self.get("/login")))

    def decide(self, request: str, word: str = "approve", **more: str) -> Answer:
        """Ask to sign; returns the page on which that is done."""
        fields = fields_of(self.get(f"/{request}"))
        return self.post(f"/{request}/decide", {**fields, "word": word, **more})

    def says(self, request: str, word: str = "approve", **more: str) -> Answer:
        """Approve or deny."""
        page = self.decide(request, word, **more)
        return self.post(f"/{request}/sign", self.signed(page))


def text_of(answer: Answer) -> str:
    """What the page says."""
    return html.unescape(answer.body.decode())


def fields_of(answer: Answer) -> dict[str, str]:
    """Hidden fields of the forms of a page."""
    return {name: html.unescape(value) for name, value in _HIDDEN.findall(answer.body.decode())}


def options_of(answer: Answer) -> dict[str, Any]:
    """What the page wants the browser to have signed."""
    found = re.search(r'data-options="([^"]*)"', answer.body.decode())
    assert found is not None, answer.body
    return dict(json.loads(html.unescape(found[1])))
