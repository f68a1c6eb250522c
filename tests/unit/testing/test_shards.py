"""Shards: nothing is lost or doubled, the longest first, balanced, the same for everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid
from headway.testing.pyramid import Layer, layers, size
from headway.testing.result import TestId
from headway.testing.shard import Timings, shards

TIMES = st.dictionaries(
    st.text("abc/.", min_size=1, max_size=8), st.none() | st.floats(0, 100), max_size=60
)


@given(TIMES, st.integers(1, 12), st.randoms())
def test_every_test_is_in_one_shard(seconds, total, random) -> None:  # type: ignore[no-untyped-def]
    made = shards(seconds, total)
    assert sorted(t for part in made for t in part) == sorted(seconds)
    assert len(made) == total
    mixed = list(seconds.items())
    random.shuffle(mixed)
    assert shards(dict(mixed), total) == made


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), st.integers(1, 12))
def test_no_shard_waits_for_another_longer_than_for_its_last_test(
    times: list[float], total: int
) -> None:
    """What makes the greedy choice good: every shard got its last test while it had the least."""
    seconds: dict[str, float | None] = {str(i): t for i, t in enumerate(times)}
    made = shards(seconds, total)
    for part in made:
        own = [seconds[t] or 0.0 for t in part]
        assert own == sorted(own, reverse=True)
        assert sum(own[:-1]) <= sum(times) / total + 1e-9


@pytest.mark.seed("S-033")
def test_eight_shards_of_a_real_looking_suite_are_even() -> None:
    seconds: dict[str, float | None] = {f"t{i}": (i * 37 % 101) / 10 + 0.1 for i in range(400)}
    loads = [sum(seconds[t] or 0 for t in part) for part in shards(seconds, 8)]
    whole = sum(loads)
    assert max(loads) < whole / 8 * 1.01


def test_an_unknown_test_counts_as_the_median() -> None:
    made = shards({"a": 9.0, "b": 3.0, "c": 1.0, "new": None}, 2)
    assert made == (("a",), ("b", "new", "c"))
    assert shards({"x": None, "y": None}, 2) == (("x",), ("y",))
    with pytest.raises(Invalid):
        shards({}, 0)


RECORDED = Timings(
    [
        (TestId("", "tests.unit.test_a.TestCart", "test_sum[1-2]"), "", 2.0),
        (TestId("", "tests.unit.test_a", "test_b"), "", 3.0),
        (TestId("", "com.shop.CartTest", "adds"), "", 5.0),
        (TestId("", "example.com/shop/cart", "TestAdd/empty"), "", 7.0),
        (TestId("chromium", "cart.spec.ts", "buys"), "", 11.0),
        (TestId("firefox", "cart.spec.ts", "buys"), "", 13.0),
        (TestId("", "cart adds", "cart adds"), "src/cart.test.js", 17.0),
    ]
)


@pytest.mark.parametrize(
    ("item", "seconds"),
    [
        ("tests/unit/test_a.py::TestCart::test_sum[1-2]", 2.0),
        ("tests/unit/test_a.py::TestCart", 2.0),
        ("tests/unit/test_a.py", 5.0),
        ("./tests/unit", 5.0),
        ("tests.unit.test_a.TestCart::test_sum[1-2]", 2.0),
        ("src/test/java/com/shop/CartTest.java", 5.0),
        ("com.shop.CartTest", 5.0),
        ("com.shop.CartTest#adds", 5.0),
        ("example.com/shop/cart", 7.0),
        ("cart.spec.ts", 24.0),
        ("chromium::cart.spec.ts::buys", 11.0),
        ("src/cart.test.js", 17.0),
        ("tests/unit/test_new.py", None),
        ("tests/unit/test_a.py::test_new", None),
        ("other/test_a.py", None),
    ],
)
def test_a_test_is_found_by_what_people_call_it(item: str, seconds: float | None) -> None:
    assert RECORDED.seconds(item) == seconds


def test_the_pyramid_counts_by_the_words_of_paths() -> None:
    assert size(TestId("", "tests.unit.test_a", "t")) == "unit"
    assert size(TestId("", "com.shop.integration.Cart", "t")) == "integration"
    assert size(TestId("chromium", "cart.spec.ts", "t"), "e2e/cart.spec.ts") == "e2e"
    assert size(TestId("", "cart", "unit")) == "other"
    ids = [TestId("", "tests.e2e.a", "t"), TestId("", "tests.unit.a", "t")]
    found = layers([(ids[0], "", 2.0), (ids[1], "", 0.5), (ids[1], "", 0.5)])
    assert found == (Layer("unit", 2, 1.0), Layer("e2e", 1, 2.0))
