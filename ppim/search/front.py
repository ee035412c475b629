"""Which designs no other one is better than."""

import numpy as np
from numpy.typing import NDArray


def dominates(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether costs `a` are nowhere more than costs `b`, and somewhere less."""
    return bool(np.all(a <= b) and np.any(a < b))


def pareto_front(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Designs that no other one dominates; of equal ones the first.

    Parameters
    ----------
    costs : ndarray of float64, shape (designs, objectives)
        Less is better.

    Returns
    -------
    ndarray of int64
        Their places, by falling rank of the first objective's cost: the best in it first.
    """
    if not len(costs):
        return np.empty(0, dtype=np.int64)
    _, first = np.unique(costs, axis=0, return_index=True)
    own = costs[first]
    better = (own[:, None, :] <= own[None, :, :]).all(axis=2) & (own[:, None, :] < own[None, :, :]).any(
        axis=2
    )
    front = first[~better.any(axis=0)]
    return front[np.lexsort((front, *costs[front].T[::-1]))].astype(np.int64)


def ranks(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Front that each design is on: 0 of all, 1 of what is left without those, and so on (Deb et al., NSGA-II, 2002)."""
    found = np.full(len(costs), -1, dtype=np.int64)
    rank = 0
    while (left := np.flatnonzero(found < 0)).size:
        front = left[pareto_front(costs[left])]
        # Equal costs are on one front, of which `pareto_front` names the first.
        equal = (costs[left][:, None, :] == costs[front][None, :, :]).all(axis=2).any(axis=1)
        found[left[equal]] = rank
        rank += 1
    return found


def crowding(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a design's neighbours on its front are from each other; infinite for ends (NSGA-II, 2002)."""
    distance = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


def best(costs: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Places of so many designs: by front, on one front the least crowded first, ties by place; in rising order."""
    front = ranks(costs)
    apart = np.zeros(len(costs))
    for rank in range(int(front.max(initial=-1)) + 1):
        own = np.flatnonzero(front == rank)
        apart[own] = crowding(costs[own])
    return np.sort(np.lexsort((np.arange(len(costs)), -apart, front))[:count])
