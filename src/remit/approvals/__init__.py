"""What a person approves, who has approved it, and whether that holds. Pure: no I/O, no clock."""
