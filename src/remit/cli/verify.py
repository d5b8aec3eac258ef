"""``remit verify``: whether an artifact is what trusted keys say it is, and why."""

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.registry_ends import (
    OUTPUT,
    STORE,
    Connection,
    connected,
    ends,
    parse,
    store,
)
from remit.cli.trust_roots import TRUST, TRUST_KEY, load, public_key

if TYPE_CHECKING:
    from remit.artifacts.attestations import Attestation
    from remit.artifacts.examination import Check
    from remit.artifacts.held import Held
    from remit.artifacts.verification import Demand, Verification
    from remit.attest.trust import TrustRoot
    from remit.core.digest import Digest

_VERIFIED, _NOT_VERIFIED = 0, 3
_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _age(ctx: click.Context, param: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", value, re.ASCII)
    if found is None:
        raise click.BadParameter("use a number with m, h, d or w, as in 30d", ctx, param)
    return int(found[1]) * _UNITS_S[found[2]] * 1_000_000


@click.command()
@click.argument("ref")
@TRUST
@TRUST_KEY
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of a trust root: the public key (PEM) that must have signed.",
)
@click.option(
    "--policy-digest",
    default="",
    metavar="DIGEST",
    help="A verification summary under this policy must say PASSED.",
)
@click.option("--resource", default="", help="URI that the summary must be about.")
@click.option(
    "--max-age",
    "max_age_us",
    default="30d",
    show_default=True,
    callback=_age,
    help="How old the summary may be: minutes (m), hours (h), days (d), weeks (w).",
)
@click.option(
    "--require",
    "types",
    multiple=True,
    metavar="URI|NAME",
    help="An attestation of this predicate type must be there; repeatable.",
)
@click.option("--no-signature", is_flag=True, help="Do not insist on a signature.")
@click.option(
    "--offline",
    is_flag=True,
    help="Ask no registry: REF, with its host, is a name in this machine's store.",
)
@click.option(
    "--model-signature",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="REF is a directory, and this its signature by OpenSSF Model Signing.",
)
@STORE
@OUTPUT
@connected
def verify(
    ref: str,
    trust_file: Path | None,
    trust_key: Path | None,
    key_file: Path | None,
    policy_digest: str,
    resource: str,
    max_age_us: int,
    types: tuple[str, ...],
    no_signature: bool,
    offline: bool,
    model_signature: Path | None,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Verify the artifact REF by a trust root, and explain every check.

    REF is in a registry, or without a host in this machine's store, or in a layout, oci:DIR[:TAG].
    What a Hub holds back is not verified, and its state and reason are shown; what was signed about
    it is examined all the same. Status 3: not verified.

    \b
      remit verify registry.example/team/model:v1 --trust trust.toml
      remit verify team/model:v1 --trust trust.toml --policy-digest sha256:… --require scan
      remit verify registry.example/team/model:v1 --key cosign.pub
      remit verify ./model --model-signature model.sig --key signer.pub
    """
    import msgspec

    from remit.artifacts.oci.digests import is_digest
    from remit.artifacts.verification import Demand, Verifier
    from remit.attest.predicates.known import type_of

    if (trust_file is None) == (key_file is None):
        raise click.UsageError("give one of --trust and --key")
    if policy_digest and not is_digest(policy_digest):
        raise click.UsageError("--policy-digest is not sha256: and 64 hexadecimal digits")
    now_us = time.time_ns() // 1000
    demand = Demand(
        signature=not no_signature,
        policy_digest=policy_digest,
        resource=resource,
        max_age_us=max_age_us,
        types=tuple(map(type_of, types)),
    )
    if not _asks(demand):
        raise click.UsageError("--no-signature needs --policy-digest or --require")
    root = _root(trust_file, trust_key, key_file, now_us)
    if model_signature is not None:
        if demand.policy_digest or demand.types or no_signature:
            raise click.UsageError("--model-signature is all that can be asked of a directory")
        from remit.artifacts.model_signing import verify_model

        verified = verify_model(Path(ref), model_signature, root, "", now_us)
    else:
        subject, repository, found, kept = (
            (*_stored(ref, store_path), None) if offline else _found(ref, store_path, connection)
        )
        verified = Verifier(root, now_us).verify(subject, repository, found, demand)
        if kept is not None:
            verified = msgspec.structs.replace(verified, checks=(kept.check(), *verified.checks))
    if output == "json":
        click.echo(json.dumps(_value(verified, root), indent=2))
    else:
        _show(verified)
    return _VERIFIED if verified.passed else _NOT_VERIFIED


def _asks(demand: "Demand") -> bool:
    return demand.signature or bool(demand.policy_digest or demand.types)


def _root(
    trust_file: Path | None, trust_key: Path | None, key_file: Path | None, now_us: int
) -> "TrustRoot":
    from remit.attest.trust import TrustRoot

    if key_file is not None:
        return TrustRoot.of_signer(public_key(key_file))
    assert trust_file is not None
    return load(trust_file, trust_key, now_us)


def _stored(ref: str, store_path: Path | None) -> "tuple[Digest, str, list[Attestation]]":
    from remit.artifacts.attestations import stored_attestations
    from remit.artifacts.local import find

    reference, layout = parse(ref), store(store_path)
    descriptor = find(layout, reference)
    layout.manifest(descriptor)  # its bytes have the digest
    host = f"{reference.host}/" if reference.host else ""
    found = stored_attestations(layout, descriptor.digest)
    return descriptor.digest, f"{host}{reference.repository}", found


def _found(
    ref: str, store_path: Path | None, connection: Connection
) -> "tuple[Digest, str, list[Attestation], Held | None]":
    from remit.artifacts.attestations import find_attestations
    from remit.artifacts.held import held
    from remit.artifacts.oci.digests import is_digest
    from remit.artifacts.oci.errors import DeniedError
    from remit.artifacts.oci.transport import run

    async def work() -> "tuple[Digest, str, list[Attestation], Held | None]":
        async with ends(connection) as both:
            source, name, repository = both.named(ref, store_path)
            kept = None
            try:
                digest = (await source.fetch(name)).descriptor.digest
            except DeniedError as error:
                kept = held(error, name if is_digest(name) else "")
                if kept is None:
                    raise
                digest = kept.digest
            return digest, repository, await find_attestations(source, digest), kept

    return run(work())


def _value(verified: "Verification", root: "TrustRoot") -> dict[str, Any]:
    return {
        "verified": verified.passed,
        "subject": verified.subject,
        "repository": verified.repository,
        "trustRoot": {"name": root.name, "serial": root.serial, "digest": root.digest},
        "checks": list(map(_check, verified.checks)),
        "attestations": [
            {
                "manifest": each.manifest,
                "predicateType": each.predicate_type,
                "key": each.key,
                "passed": each.passed,
                "checks": list(map(_check, each.checks)),
            }
            for each in verified.examined
        ],
    }


def _check(check: "Check") -> dict[str, Any]:
    return {
        "rule": check.rule,
        "passed": check.passed,
        "code": check.code,
        "sentence": check.sentence,
        "hint": check.hint,
    }


def _show(verified: "Verification") -> None:
    from remit.attest.predicates.known import short_of

    for each in verified.examined:
        kind = short_of(each.predicate_type) if each.predicate_type else "attestation"
        by = f" by {each.key}" if each.key else ""
        _echo(f"{kind}{by}  {each.manifest}")
        for check in each.checks:
            _line(check, "  ")
    for check in verified.checks:
        _line(check, "")
    name = f"{verified.repository}@" if verified.repository else ""
    _echo(f"{'verified' if verified.passed else 'NOT VERIFIED'} {name}{verified.subject}")


def _line(check: "Check", indent: str) -> None:
    mark = "ok  " if check.passed else "FAIL"
    code = f" [{check.code}]" if check.code else ""
    _echo(f"{indent}{mark} {check.rule}: {check.sentence}{code}")
    if check.hint and not check.passed:
        _echo(f"{indent}     {check.hint}")


def _echo(text: str) -> None:
    from remit.core.text import printable

    click.echo(printable(text))
