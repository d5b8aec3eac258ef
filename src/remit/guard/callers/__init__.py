"""Who calls: callers over HTTP prove themselves with a key, an access token or a certificate.

Nothing here knows a web server. What a request presented goes in as :class:`.base.Presented`, and
a :class:`.base.Caller` or one of two errors comes out. ``compose.py`` wires it.
"""
