"""Plain reads and writes through a host memory controller, command for command as DRAMsim3."""

from ppim.engine.command_stream import CommandStream
from ppim.engine.host.replay import HostReplay, replay
from ppim.engine.host.result import HostResult

__all__ = ["CommandStream", "HostReplay", "HostResult", "replay"]
