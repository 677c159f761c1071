"""Samples by hash."""

from dsmath_pipeline.corpus.sampling import Sample, keyed_hash


def test_a_sample_holds_the_names_with_the_smallest_hashes_in_any_order_of_offers():
    names = [f"name {i}" for i in range(200)]
    expected = sorted(names, key=lambda name: keyed_hash(f"key:{name}"))[:7]
    for order in (names, names[::-1]):
        sample = Sample(7, "key")
        for name in order:
            sample.offer(name, name.upper())
        assert list(sample.chosen().items()) == [(name, name.upper()) for name in expected]
        assert len(sample) == 7


def test_another_key_draws_other_names():
    drawn = []
    for key in ("a", "b"):
        sample = Sample(5, key)
        for i in range(100):
            sample.offer(str(i))
        drawn.append(set(sample.chosen()))
    assert drawn[0] != drawn[1]


def test_values_are_never_compared():
    sample = Sample(1, "key")
    sample.offer("a", {"no": "order"})
    sample.offer("b", {"no": "order"})
    assert len(sample) == 1


def test_a_sample_of_none_stays_empty():
    sample = Sample(0, "key")
    sample.offer("a")
    assert sample.chosen() == {}
