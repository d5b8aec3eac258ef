"""What Cedar accepts and we do not: ids, annotations, permits without condition, vacuous tests.

Every rule here was a policy that looked right and let something through, or a typing error that
switched a rule off without a word.
"""

from remit.policy.bundle import Bundle
from remit.policy.errors import Problem


def lint(bundle: Bundle) -> list[Problem]:
    """All problems that the text of a bundle shows by itself."""
    return []
