"""Artifacts: what an agent is made of, in the form in which registries keep it. Pure.

Only ``oci.transport`` touches the network; the disk is read in ``tree`` and ``zipped``, written in
``layout`` and ``folder``.
"""
