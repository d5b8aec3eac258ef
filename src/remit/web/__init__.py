"""What web pages of Guard and of the Hub share: visits, headers, forms, OpenID Connect, templates.

It serves nothing by itself and knows neither of the two: each has routes and words of its own.
"""
