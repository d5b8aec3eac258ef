"""What is found out about a policy bundle before it is released: it loads, and its tests pass."""

from collections.abc import Mapping

import msgspec

from remit.policy.bundle import Bundle, files_of
from remit.policy.difference import PolicyChange, compare_bundles, reads
from remit.policy.errors import BundleError, PolicyError, Problem
from remit.policy.policy import Policy
from remit.policy.testing import run_tests


class ReleaseError(PolicyError):
    """A bundle that must not be released as it is."""

    code = "policy.release"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that may be released.

    Attributes:
        bundle: as it was checked.
        warnings: problems that do not keep it from loading.
        tests: how many passed; all did.
        uncovered: policies that determine none of them.
        changes: what changed in meaning since the one before, or nothing without one.
    """

    bundle: Bundle
    warnings: tuple[Problem, ...]
    tests: int
    uncovered: int
    changes: tuple[PolicyChange, ...] = ()


def release(bundle: Bundle, now_us: int) -> Release:
    """Check a bundle: it validates against its pins, and its tests pass.

    Raises:
        BundleError: it does not validate.
        ReleaseError: a test fails, or it is over already.
    """
    if bundle.expires_us is not None and now_us >= bundle.expires_us:
        raise ReleaseError("the bundle has expired", hint="see `expires` in bundle.toml")
    policy = Policy.compile(bundle)
    report = run_tests(policy)
    failed = [each for each in report.outcomes if not each.passed]
    if failed:
        first = failed[0]
        raise ReleaseError(
            f"{len(failed)} of {len(report.outcomes)} tests fail, first `{first.name[:100]}` in"
            f" {first.file}:{first.line}",
            hint="`remit policy test` shows them all",
            code="policy.tests",
        )
    broken = [each for each in report.problems if each.severity == "error"]
    if broken:
        raise BundleError(broken)
    return Release(
        bundle=bundle,
        warnings=policy.warnings,
        tests=len(report.outcomes),
        uncovered=len(report.problems),
    )


def replaces(done: Release, previous: Bundle) -> Release:
    """The same as the successor of a bundle: what changed, and that its serial rose.

    Raises:
        ReleaseError: it is another bundle, or its serial did not rise.
    """
    bundle = done.bundle
    if bundle.name != previous.name:
        raise ReleaseError(
            f"the bundle is called `{bundle.name[:100]}`, and the one before"
            f" `{previous.name[:100]}`",
            code="policy.name",
        )
    if bundle.serial <= previous.serial and bundle.digest != previous.digest:
        raise ReleaseError(
            f"the serial {bundle.serial} did not rise: the one before has {previous.serial}",
            hint="add one to `serial` in bundle.toml; Guards never load an older one",
            code="policy.serial",
        )
    changes, _ = compare_bundles(_files(previous), _files(bundle))
    return msgspec.structs.replace(done, changes=changes)


def _files(bundle: Bundle) -> Mapping[str, bytes]:
    return {name: data for name, data in files_of(bundle).items() if reads(name)}
