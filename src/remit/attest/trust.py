"""Trust roots: which keys a verifier trusts, for what, where and when (`spec/trust-root.md`).

A trust root is a TOML file. Every member is known or the file is refused: a misspelt limit must not
be no limit. Whoever keeps one remembers its serial, which never goes back: an older file would
bring back a key that was revoked since.
"""

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec

from remit.attest.bundle import hint_of
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import AttestError, StatementError
from remit.attest.patterns import is_pattern, matches
from remit.attest.predicates import fields
from remit.attest.roles import OWNED, ROLES, TOGETHER
from remit.core.digest import Digest, sha256

FORMAT = "remit.trust/v1"
PREDICATE = "https://remit.example/trust-root/v1"
"""Of the statement that signs a trust root; its subject is the SHA-256 of the file."""
MAX_BYTES = 1024 * 1024
MAX_KEYS = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_ROOT = {"format", "name", "serial", "expires", "keys", "revoked"}
_KEY = {"name", "public", "roles", "predicates", "repositories", "not_before", "not_after"}
_REVOKED = {"key", "since", "reason"}


class TrustError(AttestError):
    """A trust root that is malformed, expired, older than one that was seen, or not signed."""

    code = "trust.malformed"


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key and what it may say.

    Attributes:
        name: for people.
        public: PEM.
        fingerprint: ``sha256:<hex>`` of its DER bytes.
        hints: how bundles may name it: that of `cosign`, and that of `model_signing`.
        roles: of :data:`remit.attest.roles.ROLES`.
        predicates: types that it may sign.
        repositories: patterns of what it may speak for.
        not_before_us, not_after_us: when it counts; 0 for no end on that side.
        revoked: why it does not count any more; empty if it does.
    """

    name: str
    public: str
    fingerprint: str
    hints: tuple[str, ...]
    roles: tuple[str, ...]
    predicates: frozenset[str]
    repositories: tuple[str, ...]
    not_before_us: int = 0
    not_after_us: int = 0
    revoked: str = ""

    def speaks_for(self, repository: str) -> bool:
        """Whether ``repository`` is among what it may speak for."""
        return any(matches(each, repository) for each in self.repositories)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The trust root that was used last: what a later one is held against."""

    serial: int
    digest: Digest


class TrustRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A trust root as it was read; :meth:`usable` says whether it may be used.

    Attributes:
        name: of whoever keeps it.
        serial: rises with every change.
        expires_us: when it ends to count, microseconds since 1970; 0 if it does not.
        keys: no two with the same name or fingerprint.
        digest: of the file.
    """

    name: str
    serial: int
    expires_us: int = 0
    keys: tuple[TrustedKey, ...]
    digest: Digest

    def named(self, hint: str) -> tuple[TrustedKey, ...]:
        """The keys that the hint of a bundle selects; none if it is empty."""
        return tuple(each for each in self.keys if hint in each.hints)

    def usable(self, now_us: int, seen: Seen | None = None) -> Seen:
        """What to remember of it, if it may be used.

        Args:
            now_us: the time.
            seen: what was remembered of the one of the same name that was used last.

        Raises:
            TrustError: ``trust.expired``; ``trust.rollback``: an older serial was seen to be
                replaced; ``trust.serial``: it changed and its serial did not rise.
        """
        if self.expires_us and now_us >= self.expires_us:
            raise TrustError(
                f"the trust root `{self.name}` expired at {fields.time_text(self.expires_us)}",
                hint="get the current one from whoever keeps it",
                code="trust.expired",
            )
        if seen is not None and self.serial < seen.serial:
            raise TrustError(
                f"the trust root `{self.name}` has the serial {self.serial}, and"
                f" {seen.serial} was used before",
                hint="an older one may hold keys that were revoked; get the current one",
                code="trust.rollback",
            )
        if seen is not None and self.serial == seen.serial and self.digest != seen.digest:
            raise TrustError(
                f"the trust root `{self.name}` changed and its serial {self.serial} did not rise",
                hint="whoever changes it adds one to `serial`",
                code="trust.serial",
            )
        return Seen(serial=self.serial, digest=self.digest)

    @classmethod
    def of_signer(cls, key: PublicKey) -> Self:
        """A trust root of one key that may sign anything, and judge nothing."""
        roles = ("build", "policy", "sign")
        trusted = TrustedKey(
            name=f"key-{key.fingerprint[7:19]}",
            public=key.pem,
            fingerprint=key.fingerprint,
            hints=_hints(key),
            roles=roles,
            predicates=frozenset[str]().union(*(ROLES[each] for each in roles)),
            repositories=("**",),
        )
        return cls(name="key", serial=1, keys=(trusted,), digest=sha256(key.der))

    @classmethod
    def of_roles(cls, name: str, keys: Mapping[str, PublicKey]) -> Self:
        """A trust root of keys with one role each, under the names of the roles."""
        trusted = tuple(
            TrustedKey(
                name=role,
                public=key.pem,
                fingerprint=key.fingerprint,
                hints=_hints(key),
                roles=(role,),
                predicates=ROLES[role],
                repositories=("**",),
            )
            for role, key in keys.items()
        )
        return cls(
            name=name, serial=1, keys=trusted, digest=sha256(b"".join(k.der for k in keys.values()))
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a trust root.

        Raises:
            TrustError: malformed, or it lets one key do what must stay apart.
        """
        if len(data) > MAX_BYTES:
            raise TrustError(f"a trust root has at most {MAX_BYTES} bytes")
        try:
            value = tomllib.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            reason = str(error).replace("\n", " ")[:200]
            raise TrustError(f"the trust root cannot be read: {reason}") from error
        _known(value, _ROOT, "the trust root")
        if value.get("format") != FORMAT:
            raise TrustError(f"`format` is not `{FORMAT}`")
        serial = value.get("serial")
        if type(serial) is not int or not 0 < serial < 1 << 53:
            raise TrustError("`serial` is not a number from 1 on")
        revoked = {_fingerprint(each): _revoked(each) for each in _tables(value, "revoked")}
        keys = tuple(_key(each, revoked) for each in _tables(value, "keys"))
        for what in ("name", "fingerprint"):
            once = [getattr(each, what) for each in keys]
            twice = next((each for each in once if once.count(each) > 1), None)
            if twice is not None:
                raise TrustError(f"two keys have the {what} `{twice}`", code="trust.duplicate")
        return cls(
            name=_name(value.get("name"), "name"),
            serial=serial,
            expires_us=_time(value, "expires", "the trust root"),
            keys=keys,
            digest=sha256(data),
        )


def _key(value: dict[str, Any], revoked: dict[str, str]) -> TrustedKey:
    name = _name(value.get("name"), "keys.name")
    where = f"the key `{name}`"
    _known(value, _KEY, where)
    public = value.get("public")
    if not isinstance(public, str):
        raise TrustError(f"`public` of {where} is not a PEM text")
    try:
        key = PublicKey.from_pem(public)
    except StatementError as error:
        raise TrustError(f"`public` of {where}: {error.message}") from error
    roles = _texts(value, "roles", where)
    predicates = frozenset(_texts(value, "predicates", where))
    unknown = [each for each in roles if each not in ROLES]
    if unknown:
        raise TrustError(
            f"{where} has the role `{unknown[0][:40]}`, which there is not",
            hint=f"roles are {', '.join(sorted(ROLES))}",
        )
    if len(set(roles)) > 1 and set(roles) - TOGETHER:
        raise TrustError(
            f"{where} has the roles {', '.join(sorted(roles))}, which one key must not have",
            hint="whoever signs, whoever scans and the gate have keys of their own",
            code="trust.roles",
        )
    allowed = frozenset[str]().union(*(ROLES[each] for each in roles))
    foreign = sorted((predicates & OWNED) - allowed)
    if foreign:
        raise TrustError(
            f"{where} must not sign `{foreign[0]}` without the role for it", code="trust.roles"
        )
    if not roles and not predicates:
        raise TrustError(f"{where} has neither `roles` nor `predicates`")
    repositories = _texts(value, "repositories", where)
    bad = next((each for each in repositories if not is_pattern(each)), None)
    if bad is not None or not repositories:
        raise TrustError(
            f"`repositories` of {where} are no patterns",
            hint="for example hub.example/team/*, or ** for all",
        )
    window = _time(value, "not_before", where), _time(value, "not_after", where)
    if window[1] and window[1] <= window[0]:
        raise TrustError(f"{where} ends to count before it begins")
    return TrustedKey(
        name=name,
        public=key.pem,
        fingerprint=key.fingerprint,
        hints=_hints(key),
        roles=roles,
        predicates=predicates or allowed,
        repositories=repositories,
        not_before_us=window[0],
        not_after_us=window[1],
        revoked=revoked.get(key.fingerprint, ""),
    )


def _hints(key: PublicKey) -> tuple[str, ...]:
    return hint_of(key), sha256(key.pem.encode()).removeprefix("sha256:")


def _revoked(value: dict[str, Any]) -> str:
    _known(value, _REVOKED, "a revocation")
    reason = value.get("reason")
    since = _time(value, "since", "a revocation")
    if not isinstance(reason, str) or not 0 < len(reason) <= fields.MAX_TEXT:
        raise TrustError("a revocation has no `reason`")
    return f"{reason} ({fields.time_text(since)})" if since else reason


def _fingerprint(value: dict[str, Any]) -> str:
    found = value.get("key")
    if not isinstance(found, str) or _FINGERPRINT.fullmatch(found) is None:
        raise TrustError("a revocation names its key by `sha256:` and 64 hexadecimal digits")
    return found


def _known(value: dict[str, Any], members: set[str], where: str) -> None:
    unknown = sorted(value.keys() - members)
    if unknown:
        raise TrustError(
            f"{where} has `{unknown[0][:60]}`, which this version does not know",
            hint=f"it may have {', '.join(sorted(members))}",
        )


def _tables(value: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise TrustError(f"`{name}` is not written as [[{name}]]")
    if len(found) > MAX_KEYS:
        raise TrustError(f"`{name}` has more than {MAX_KEYS} members")
    return found


def _texts(value: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise TrustError(f"`{name}` of {where} is not a list of texts")
    return tuple(found)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise TrustError(f"`{where}` is not a name of letters, digits, `.`, `_`, `@` and `-`")
    return value


def _time(value: dict[str, Any], name: str, where: str) -> int:
    found = value.get(name)
    if found is None:
        return 0
    if isinstance(found, dt.datetime) and found.tzinfo is not None:
        found = found.isoformat()
    try:
        moment = fields.time_us(found, name)
    except StatementError as error:
        raise TrustError(f"`{name}` of {where} is not a time as in 2026-01-02T03:04:05Z") from error
    if moment <= 0:
        raise TrustError(f"`{name}` of {where} is before 1970")
    return moment
