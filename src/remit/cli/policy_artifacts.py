"""``remit policy build``, ``push`` and ``pull``: policy bundles as signed artifacts."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.registry_ends import OUTPUT, STORE, Connection, connected, parse, store
from remit.cli.trust_roots import TRUST, TRUST_KEY

if TYPE_CHECKING:
    from remit.artifacts.layout import Layout
    from remit.artifacts.oci.manifest import Descriptor
    from remit.artifacts.oci.names import Reference
    from remit.attest.predicates.policy_check import PolicyCheck
    from remit.policy.bundle import Bundle
    from remit.policy.release import Release


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("-t", "--tag", required=True, help="Name of the artifact: [HOST/]REPOSITORY[:TAG].")
@click.option(
    "--key",
    "key_name",
    envvar="REMIT_SIGNING_KEY",
    help="What signs: a file, keyring:NAME, or pkcs11:token=…;object=…?module-path=…",
)
@click.option(
    "--previous",
    metavar="NAME",
    help="The bundle that it replaces, in this machine's store.  [default: what has the TAG now]",
)
@STORE
@OUTPUT
@connected
def build(
    directory: Path,
    tag: str,
    key_name: str | None,
    previous: str | None,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Check, test and pack the bundle in DIRECTORY, and sign it with what was found.

    What is checked is what was packed. With --key the artifact is signed, and a statement
    `policy-check` says what it is, what was tested, and what changed since the bundle before, whose
    serial must be lower. Guards load nothing without both.

    \b
      remit policy build ./base -t hub.example/policies/base:stable --key ~/.config/remit/keys/p.key
      remit policy push hub.example/policies/base:stable
    """
    from remit.artifacts.local import local_name
    from remit.artifacts.pack import pack, plan

    del connection
    now_us = time.time_ns() // 1000
    reference = parse(tag)
    name, layout = local_name(reference), store(store_path, create=True)
    packed = pack(layout, plan(directory, kind="policy"))
    with tempfile.TemporaryDirectory() as work:
        bundle = _unpacked(layout, packed.descriptor, Path(work) / "new")
        done = _released(bundle, layout, previous or name, Path(work), now_us, previous is None)
        check, before = done
    descriptor = packed.descriptor
    if key_name:
        _signed(layout, descriptor, reference, check, key_name)
    layout.name(name, descriptor)
    value = {
        "name": name,
        "digest": descriptor.digest,
        "bundle": {"name": check.name, "version": check.version, "serial": check.serial,
                   "digest": check.bundle_digest},
        "tests": check.tests,
        "uncovered": check.uncovered,
        "warnings": check.warnings,
        "previous": before,
        "changes": check.changes,
        "signed": bool(key_name),
    }  # fmt: skip
    if output == "json":
        click.echo(json.dumps(value, indent=2))
        return 0
    for sentence in check.summaries:
        click.echo(f"changed: {sentence}", err=True)
    click.echo(f"{name}@{descriptor.digest}")
    click.echo(
        f"serial {check.serial}, {check.policies} policies, {check.tests} tests pass,"
        f" {check.uncovered} policies without one, {check.warnings} warnings",
        err=True,
    )
    if not key_name:
        click.echo("not signed: Guards load it only with --key", err=True)
    return 0


def _released(
    bundle: "Bundle", layout: "Layout", previous: str, work: Path, now_us: int, default: bool
) -> "tuple[PolicyCheck, str]":
    """What may be said of a bundle, and the digest of the one before."""
    from remit.artifacts.layout import LayoutError
    from remit.policy.release import release, replaces

    done = release(bundle, now_us)
    before: Bundle | None = None
    try:
        descriptor = layout.resolve(previous)
    except LayoutError:
        if not default:
            raise
    else:
        before = _unpacked(layout, descriptor, work / "old")
        done = replaces(done, before)
    return _check(done, before, now_us), before.digest if before else ""


def _check(done: "Release", before: "Bundle | None", now_us: int) -> "PolicyCheck":
    from remit import __version__
    from remit.attest.predicates.policy_check import MAX_CHANGES, PolicyCheck

    bundle = done.bundle
    counts: dict[str, int] = {}
    for each in done.changes:
        counts[each.severity] = counts.get(each.severity, 0) + 1
    return PolicyCheck(
        name=bundle.name,
        version=bundle.version,
        serial=bundle.serial,
        bundle_digest=bundle.digest,
        expires_us=bundle.expires_us or 0,
        checker=__version__,
        policies=len(bundle.policies),
        warnings=len(done.warnings),
        tests=done.tests,
        uncovered=done.uncovered,
        previous_digest=before.digest if before else "",
        previous_serial=before.serial if before else 0,
        changes=counts,
        summaries=tuple(each.summary[:500] for each in done.changes[:MAX_CHANGES]),
        checked_us=now_us,
    )


def _unpacked(layout: "Layout", descriptor: "Descriptor", target: Path) -> "Bundle":
    from remit.artifacts.unpack import unpack
    from remit.policy.bundle import load_bundle

    unpack(layout, descriptor, target, only=("code",))
    return load_bundle(target)


def _signed(
    layout: "Layout",
    descriptor: "Descriptor",
    reference: "Reference",
    check: "PolicyCheck",
    key_name: str,
) -> None:
    """A signature and the check, beside the artifact."""
    from remit.artifacts.attestations import make_bundle
    from remit.artifacts.oci.transport import run
    from remit.artifacts.transfer.attach import attach
    from remit.artifacts.transfer.layouts import LayoutTarget
    from remit.attest.predicates import policy_check, signature
    from remit.attest.predicates.fields import time_text
    from remit.cli.signers import signer

    key = signer(key_name)
    host = f"{reference.host}/" if reference.host else ""
    repository = f"{host}{reference.repository}"
    said = (
        (signature.TYPE, signature.predicate()),
        (policy_check.TYPE, check.predicate()),
    )

    async def work() -> None:
        for kind, predicate in said:
            bundle = make_bundle(repository, descriptor.digest, kind, predicate, key)
            created = time_text(time.time_ns() // 1000)
            await attach(LayoutTarget(layout), descriptor, bundle, kind, created)

    run(work())


@click.command()
@click.argument("name")
@click.argument("ref", required=False)
@STORE
@OUTPUT
@click.pass_context
@connected
def push(
    ctx: click.Context,
    name: str,
    ref: str | None,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Push the bundle NAME of this machine's store, with its signature and its check.

    \b
      remit policy push hub.example/policies/base:stable
      remit policy push policies/base:4 hub.example/policies/base:stable
    """
    from remit.artifacts.attestations import stored_attestations
    from remit.artifacts.kinds.stored import stored_kind
    from remit.artifacts.local import read
    from remit.cli import registry
    from remit.cli.registry_ends import local_name
    from remit.core.errors import RemitError

    layout = store(store_path)
    descriptor = layout.resolve(local_name(layout, name))
    manifest, artifact = read(layout, descriptor)
    if stored_kind(manifest, artifact.kitfile) != "policy":
        raise RemitError(f"`{name[:200]}` is no policy bundle", code="policy.kind")
    if not stored_attestations(layout, descriptor.digest):
        raise RemitError(
            f"`{name[:200]}` is not signed, so no Guard would load it",
            hint="`remit policy build --key` signs it",
            code="policy.unsigned",
        )
    status: int = ctx.invoke(
        registry.push,
        name=name,
        ref=ref,
        referrers=True,
        parallel=4,
        store_path=store_path,
        output=output,
        plain_http=connection.plain_http,
        ca_file=connection.ca_file,
    )
    return status


@click.command()
@click.argument("ref")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@TRUST
@TRUST_KEY
@click.option("--offline", is_flag=True, help="Ask no registry: REF is in this machine's store.")
@STORE
@OUTPUT
@connected
def pull(
    ref: str,
    directory: Path,
    trust_file: Path | None,
    trust_key: Path | None,
    offline: bool,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Pull the bundle REF, verify it, and put it into DIRECTORY, whole or not at all.

    Keys of the trust root must have signed it and attested its check; its serial never goes back
    behind what was pulled from its repository before, or lies in DIRECTORY. Status 1: refused;
    3: not verified; 5: the registry cannot be reached.

    \b
      remit policy pull hub.example/policies/base:stable ./policy --trust trust.toml
    """
    from remit.artifacts.oci.transport import run

    if trust_file is None:
        raise click.UsageError(
            "--trust is missing: a bundle is verified, or it is not put in place"
        )
    source = _source(parse(ref), trust_file, trust_key, offline, store_path, connection)
    run(source.refresh())
    if source.unreachable:
        from remit.artifacts.oci.errors import UnreachableError

        raise UnreachableError(
            source.unreachable, hint="--offline takes what is in this machine's store"
        )
    bundle = source.current()
    if source.problem:
        from remit.guard.admission.bundles import BundleRefusedError

        raise BundleRefusedError(source.problem, code="policy.refused")
    changed = _put(bundle, directory)
    value: dict[str, Any] = {
        "directory": str(directory),
        "changed": changed,
        "bundle": {"name": bundle.name, "version": bundle.version, "serial": bundle.serial,
                   "digest": bundle.digest},
    }  # fmt: skip
    if output == "json":
        click.echo(json.dumps(value, indent=2))
        return 0
    state = "written" if changed else "is as it was"
    click.echo(f"{directory} {state}: {bundle.name} {bundle.version}, serial {bundle.serial}")
    return 0


def _source(
    reference: "Reference",
    trust_file: Path,
    trust_key: Path | None,
    offline: bool,
    store_path: Path | None,
    connection: Connection,
) -> Any:
    """What looks for the bundle; its memory is this user's, one for each repository."""
    from remit.audit.clock import SystemClock
    from remit.core.digest import sha256
    from remit.core.paths import user_state
    from remit.guard.admission.bundles import BundlePlaces, BundleSource
    from remit.guard.admission.settings import ArtifactsConfig, TrustConfig
    from remit.guard.admission.shelf import repository_of
    from remit.guard.admission.shelf import store_path as of_user
    from remit.guard.admission.supply import RegistrySupply

    config = ArtifactsConfig(ca_file=connection.ca_file, plain_http=connection.plain_http)
    mine = user_state(os.environ)
    place = sha256(repository_of(reference).encode()).removeprefix("sha256:")[:32]
    return BundleSource(
        reference,
        TrustConfig(root=trust_file, key=trust_key),
        BundlePlaces(store=of_user(store_path), directory=mine / "policies" / place, memory=mine),
        None if offline else RegistrySupply(config),
        SystemClock(),
    )


def _put(bundle: "Bundle", directory: Path) -> bool:
    """Put a bundle into a directory; whether that changed it.

    Raises:
        BundleRefusedError: what is there is newer, or no bundle.
    """
    from remit.artifacts.folder import fresh
    from remit.guard.admission.bundles import BundleRefusedError
    from remit.policy.bundle import files_of, load_bundle

    there = directory.exists() and any(directory.iterdir())
    if there:
        known = load_bundle(directory)
        if known.digest == bundle.digest:
            return False
        if known.name != bundle.name or known.serial >= bundle.serial:
            raise BundleRefusedError(
                f"`{directory}` holds `{known.name[:100]}` with the serial {known.serial}",
                hint="a bundle is replaced only by one of its name with a higher serial",
                code="policy.rollback",
            )
    target = directory.with_name(f".{directory.name}.new") if there else directory
    _emptied(target if there else None)
    with fresh(target) as folder:
        for name, data in sorted(files_of(bundle).items()):
            folder.file(name, (data,))
        folder.publish()
    if there:
        # Two renames: a crash between them leaves the old one beside its place.
        old = directory.with_name(f".{directory.name}.old")
        _emptied(old)
        directory.rename(old)
        target.rename(directory)
        _emptied(old)
    return True


def _emptied(path: Path | None) -> None:
    import shutil

    if path is not None and path.exists():
        shutil.rmtree(path)
