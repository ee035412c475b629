"""A binary heap of (ready, order) pairs in parallel arrays, one heap a row."""

from __future__ import annotations

from ppim.jit import njit


@njit(cache=False)
def comes_before(ready, order, row, left, right):
    """Whether element `left` is due before element `right`."""
    if ready[row, left] != ready[row, right]:
        return ready[row, left] < ready[row, right]
    return order[row, left] < order[row, right]


@njit(cache=False)
def swap(ready, order, item, size, row, left, right):
    """Exchange two elements."""
    ready[row, left], ready[row, right] = ready[row, right], ready[row, left]
    order[row, left], order[row, right] = order[row, right], order[row, left]
    item[row, left], item[row, right] = item[row, right], item[row, left]
    size[row, left], size[row, right] = size[row, right], size[row, left]


@njit(cache=False)
def push(ready, order, item, size, count, row, new_ready, new_order, new_item, new_size):
    """Add an element; the caller has made sure of room."""
    place = count[row]
    count[row] = place + 1
    ready[row, place] = new_ready
    order[row, place] = new_order
    item[row, place] = new_item
    size[row, place] = new_size
    while place > 0:
        parent = (place - 1) >> 1
        if not comes_before(ready, order, row, place, parent):
            break
        swap(ready, order, item, size, row, place, parent)
        place = parent


@njit(cache=False)
def pop(ready, order, item, size, count, row):
    """Drop the first element."""
    last = count[row] - 1
    count[row] = last
    swap(ready, order, item, size, row, 0, last)
    place = 0
    while True:
        child = 2 * place + 1
        if child >= last:
            return
        if child + 1 < last and comes_before(ready, order, row, child + 1, child):
            child += 1
        if not comes_before(ready, order, row, child, place):
            return
        swap(ready, order, item, size, row, place, child)
        place = child
