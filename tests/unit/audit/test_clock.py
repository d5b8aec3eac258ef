"""The clocks of this machine."""

from remit.audit.clock import boot_id


def test_boot_id_is_the_same_within_a_boot():
    assert boot_id() == boot_id()
    assert boot_id()
