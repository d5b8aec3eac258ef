"""The registry: OCI distribution-spec 1.1 over ports for metadata and bytes."""
