"""The ways out of pure code: the network, and programs that keep credentials."""

from remit.artifacts.oci.transport.network import AiohttpTransport, run

__all__ = ["AiohttpTransport", "run"]
