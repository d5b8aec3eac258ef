"""The Hub: the management plane. It keeps, scans and admits what agents are made of."""
