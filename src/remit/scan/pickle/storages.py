"""Persistent ids of torch."""

from remit.scan.pickle.values import Global, Items, Value, is_constant


def is_storage(value: Value) -> bool:
    """``("storage", class, key, place, count)``, and the view of old torch."""
    if not isinstance(value, Items) or not value.frozen or not value.whole:
        return False
    items = value.items
    if len(items) not in {5, 6} or items[0] != "storage":
        return False
    kind = items[1]
    rest = items[2:]
    return (
        isinstance(kind, Global)
        and kind.module in {"torch", "torch.cuda", "torch.storage"}
        and kind.name.endswith("Storage")
        and bool(kind.role)
        and isinstance(rest[0], str)
        and isinstance(rest[1], str)
        and isinstance(rest[2], int)
        and all(is_constant(each) for each in rest[3:])
    )
