"""What the OCI specifications define and both the client and the Hub need. Pure but `transport`."""
