"""What kernels are handed of a state: where its arrays are, for the front end, and of each channel its own."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.engine.banks import Banks, ChannelBanks
from ppim.engine.host.general_state import GeneralChannel, GeneralState
from ppim.engine.host.state import HostChannel, HostState
from ppim.jit.pack import pack, pack_rows


class Controllers(NamedTuple):
    """All channels' controllers; the type of `channels` says which kernel runs them."""

    n_channels: int
    rules: NDArray[np.int64]
    fields: NDArray[np.int64]
    front: NDArray[np.int64]
    bounds: NDArray[np.int64]
    clocks: NDArray[np.int64]
    arrivals: NDArray[np.int64]
    done: NDArray[np.int64]
    channels: Any  # a `HostChannel` or `GeneralChannel` each


_OF_ALL = ("rules", "fields", "plan")


def _banks_of(state: HostState | GeneralState, channel: int) -> ChannelBanks:
    of, first = state.banks, Banks._fields.index("base")
    fields: list[Any] = [*of[:first], *(array[channel] for array in of[first:])]
    return ChannelBanks(*fields)


def _one_channel(state: HostState | GeneralState, banks: Any, channel: int) -> HostChannel | GeneralChannel:
    of = HostChannel if isinstance(state, HostState) else GeneralChannel
    arrays = {name: getattr(state, name) for name in of._fields if name != "banks"}
    own = {name: array if name in _OF_ALL else array[channel] for name, array in arrays.items()}
    return of(**own, banks=banks[channel])


def controllers(state: HostState | GeneralState) -> Any:
    """`Controllers` of a state, laid out for kernels."""
    n = len(state.clocks)
    banks = pack_rows(partial(_banks_of, state), n)
    return pack(
        Controllers(
            n,
            state.rules,
            state.fields,
            state.front,
            state.bounds,
            state.clocks,
            state.arrivals,
            state.done,
            pack_rows(partial(_one_channel, state, banks), n),
        )
    )
