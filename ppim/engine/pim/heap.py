"""A binary heap of (ready, order, item) triples; one row of a table of heaps, its size kept by the caller."""

from ppim.jit import helper

READY_AT = 0  # cycle from which it is due
TIE_BREAK = 1  # breaks ties,
ITEM = 2  # and this those that are left: one row of several delivers
SIZE = 3
SHARED = 4  # of a deliver: lookups behind its own that use it too
HEAP_COLUMNS = 5


@helper(forceinline=True)
def comes_before(heaps, row, left, right):
    """Whether element `left` is due before element `right`."""
    if heaps[row, left, READY_AT] != heaps[row, right, READY_AT]:
        return heaps[row, left, READY_AT] < heaps[row, right, READY_AT]
    if heaps[row, left, TIE_BREAK] != heaps[row, right, TIE_BREAK]:
        return heaps[row, left, TIE_BREAK] < heaps[row, right, TIE_BREAK]
    return heaps[row, left, ITEM] < heaps[row, right, ITEM]


@helper(forceinline=True)
def swap(heaps, row, left, right):
    """Exchange two elements."""
    for column in range(HEAP_COLUMNS):
        kept = heaps[row, left, column]
        heaps[row, left, column] = heaps[row, right, column]
        heaps[row, right, column] = kept


@helper(forceinline=True)
def push(heaps, row, count, ready, order, item, size, shared):
    """Add an element to a heap of `count`; the caller has made sure of room."""
    place = count
    heaps[row, place, READY_AT] = ready
    heaps[row, place, TIE_BREAK] = order
    heaps[row, place, ITEM] = item
    heaps[row, place, SIZE] = size
    heaps[row, place, SHARED] = shared
    while place > 0:
        parent = (place - 1) >> 1
        if not comes_before(heaps, row, place, parent):
            break
        swap(heaps, row, place, parent)
        place = parent


@helper(forceinline=True)
def pop(heaps, row, count):
    """Drop the first element of a heap of `count`."""
    last = count - 1
    swap(heaps, row, 0, last)
    place = 0
    while True:
        child = 2 * place + 1
        if child >= last:
            return
        if child + 1 < last and comes_before(heaps, row, child + 1, child):
            child += 1
        if not comes_before(heaps, row, child, place):
            return
        swap(heaps, row, place, child)
        place = child
