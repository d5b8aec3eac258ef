"""The pages under ``/approvals``, where people see what waits for them and sign with a passkey.

Nothing of it is imported before the first request for such a page.
"""
