"""Artifacts: what an agent is made of, in the form in which registries keep it. Pure.

Only ``oci.transport`` touches the network and only ``store`` the disk.
"""
