"""Numbers in sentences."""


def counted(count: int, noun: str) -> str:
    """A number of things, in words.

    Example:
        >>> counted(1, "shard"), counted(2000, "image")
        ('1 shard', '2,000 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
