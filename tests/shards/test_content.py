from synthgen.shards.content import unscreened


def test_unjudged_images_are_kept() -> None:
    screening = unscreened(2)
    assert screening.accepted.tolist() == [True, True]
    assert screening.predicted.tolist() == [-1, -1]
