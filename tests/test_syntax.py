import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_lib.syntax import tree_of


@pytest.mark.parametrize("text", ["print 1", "def f(:", "\0", "(" * 10_000])
def test_what_is_not_python_has_no_tree(text: str) -> None:
    assert tree_of(text) is None


def test_threads_make_trees_at_once() -> None:
    source = "\n".join(f"x{n} = [({n}, ((a + b) * c))]" for n in range(200))
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()

    def let_another_thread_in(*_: object) -> None:
        sum(range(100))

    gc.callbacks.append(let_another_thread_in)
    gc.set_threshold(20)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(max_workers=4) as pool:
            trees = list(pool.map(tree_of, [source] * 40))
    finally:
        gc.callbacks.remove(let_another_thread_in)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
    assert [len(tree.body) for tree in trees if tree is not None] == [200] * 40
