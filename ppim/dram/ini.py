"""DRAMsim3's own device files (.ini), read as DRAMsim3 reads them, with what it ignores said aloud.

Defaults and rules are those of the DRAMsim3 commit named in `tests/golden` (umd-memsys/DRAMsim3 2981759,
`configuration.cc`); `docs/devices.md` lists what is not read.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppim.dram.device import beats_per_cycle
from ppim.errors import InputError, unreadable
from ppim.text_files import check_text

DEFAULTS: dict[str, dict[str, float | bool | str]] = {
    "dram_structure": {
        "protocol": "DDR3",
        "bankgroups": 2,
        "banks_per_group": 2,
        "bankgroup_enable": True,
        "rows": 65536,
        "columns": 1024,
        "device_width": 8,
        "BL": 8,
        "hbm_dual_cmd": True,
    },
    "timing": {
        "tCK": 1.0,
        "AL": 0,
        "CL": 12,
        "CWL": 12,
        "tCCD_L": 6,
        "tCCD_S": 4,
        "tRTRS": 2,
        "tRTP": 5,
        "tWTR_L": 5,
        "tWTR_S": 5,
        "tWR": 10,
        "tRP": 10,
        "tRRD_L": 4,
        "tRRD_S": 4,
        "tRAS": 24,
        "tRCD": 10,
        "tRCDRD": 24,
        "tRCDWR": 20,
        "tRFC": 74,
        "tRFCb": 20,
        "tREFI": 7800,
        "tREFIb": 1950,
        "tFAW": 50,
        "t32AW": 330,
        "tPPD": 0,
        "tCKESR": 12,
        "tXS": 432,
    },
    "power": {
        "VDD": 1.2,
        "IDD0": 48.0,
        "IDD2N": 34.0,
        "IDD3N": 43.0,
        "IDD4W": 123.0,
        "IDD4R": 135.0,
        "IDD5AB": 250.0,
        "IDD5PB": 5.0,
        "IDD6x": 31.0,
    },
    "system": {
        "channel_size": 1024,
        "channels": 1,
        "bus_width": 64,
        "address_mapping": "chrobabgraco",
        "queue_structure": "PER_BANK",
        "row_buf_policy": "OPEN_PAGE",
        "cmd_queue_size": 16,
        "trans_queue_size": 32,
        "unified_queue": False,
        "refresh_policy": "RANK_LEVEL_STAGGERED",
        "enable_self_refresh": False,
        "sref_threshold": 1000,
    },
}
"""Every parameter that has an effect, with the value that an absent or empty one has."""

WITHOUT_EFFECT = {
    "dram_structure": {"num_dies"},
    "timing": {
        "tRTP_L", "tRTP_S", "tRPRE", "tWPRE", "tCKE", "tXP", "tCKSRE", "tRFC2", "tRFC4", "tWR2",
        "ideal_memory_latency",
    },
    "power": {"IDD2P", "IDD3P", "IPP0"},
    "system": {"write_buf_size", "aggressive_precharging_enabled"},
}  # fmt: skip
"""Parameters that DRAMsim3's files carry and that change nothing in it."""

SILENT = {"dram_structure": {"num_dies"}}
"""Of these, the ones that nobody expects to act on timing."""

OUTPUT_SECTIONS = {"other", "thermal"}
"""Sections about DRAMsim3's own output files and its thermal model."""

MEBIBYTE_FACTOR = 1024
_COMMENT = re.compile(r"(?:^|(?<=\s));")
_MAX_DIGITS = 20
_SHOWN = 60  # characters of a line in a message
_MAX_BYTES = 1 << 20  # of a whole file
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}

Warn = Callable[[str], None]


@dataclass
class _Entry:
    value: str
    line: int
    name: str


@dataclass
class _IniFile:
    path: Path
    entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)

    def where(self, section: str, entry: _Entry) -> str:
        return f"{self.path}:{entry.line}: [{section}] {entry.name}"


def read_ini(path: Path, warn: Warn) -> dict[str, Any]:
    """Device table (the layout of a device TOML) of a DRAMsim3 .ini file.

    Parameters
    ----------
    path : Path
        The file.
    warn : callable
        Receives one line for every key that DRAMsim3 would silently ignore or misread.

    Raises
    ------
    InputError
        Unreadable file, a value that is no number, a key given twice, a contradiction, or HMC.
    """
    file = _parse(path, warn)
    _refuse_other_simulators(file)
    parameters = _typed(file, warn)
    return device_table(parameters, str(path), warn)


def _parse(path: Path, warn: Warn) -> _IniFile:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        check_text(path, content)
        if len(content) > _MAX_BYTES:
            raise InputError(f"{path}: more than {_MAX_BYTES >> 20} MiB; is this a device's .ini?")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file ({error.reason} at byte {error.start})") from error
    file = _IniFile(path)
    section, previous = "", None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if previous is not None and raw[0].isspace():
            warn(
                f"{path}:{number}: an indented line; DRAMsim3 takes it as more of {previous.name!r} "
                "and so ignores it; remove the indent if it is meant"
            )
            continue
        if line[0] == "[":
            if "]" not in line:
                raise InputError(f"{path}:{number}: a section needs its closing bracket: {line!r}")
            section, previous = line[1 : line.index("]")].strip().lower(), None
            continue
        name, separator, value = _split(line)
        if not separator:
            raise InputError(
                f"{path}:{number}: neither a [section] nor a `key = value` line: {line[:_SHOWN]!r}; is this an .ini "
                "of DRAMsim3?"
            )
        key = (section, name.lower())
        previous = _Entry(value, number, name)
        if key in file.entries:
            raise InputError(
                f"{file.where(section, previous)}: given twice (first in line {file.entries[key].line}); "
                "keep one"
            )
        file.entries[key] = previous
    return file


# What files of other simulators give, in small letters; enough of a kind tells whose file it is.
_OTHERS = {
    "DRAMSim2": {
        *("num_banks", "num_rows", "num_cols", "refresh_period", "num_chans", "jedec_data_bus_bits"),
        *("trans_queue_depth", "cmd_queue_depth", "row_buffer_policy", "scheduling_policy", "num_rank_logs"),
        *("queuing_structure", "total_row_accesses", "device_width_", "vis_file_output"),
    },
    "Ramulator": {
        "standard",
        "speed",
        "org",
        "record_cmd_trace",
        "print_cmd_trace",
        "cpu_tick",
        "mem_tick",
        "subarrays",
    },
    "NVMain": {
        "clk",
        "banks",
        "ranks",
        "rows",
        "cols",
        "cpufreq",
        "bus_width",
        "devicewidth",
        "memtype",
        "mem_ctl",
    },
    "USIMM": {
        "num_channels",
        "num_ranks",
        "num_banks",
        "num_rows",
        "num_columns",
        "processor_clk_multiplier",
    },
    "gem5": {
        "device_size",
        "device_bus_width",
        "device_rowbuffer_size",
        "devices_per_rank",
        "ranks_per_channel",
    },
}


def _refuse_other_simulators(file: _IniFile) -> None:
    """A file of which DRAMsim3 knows nothing would be its default DDR3 under another name.

    Raises
    ------
    InputError
        No key that DRAMsim3 reads; names the simulator that the keys point to.
    """
    known = {
        (s, key.lower()) for part in (DEFAULTS, WITHOUT_EFFECT) for s, keys in part.items() for key in keys
    }
    if not file.entries or known & file.entries.keys():
        return
    names = {name for _, name in file.entries}
    found = {simulator: len(names & keys) for simulator, keys in _OTHERS.items()}
    simulator = max(found, key=lambda name: found[name])
    whose = f"; its keys are those of {simulator}" if found[simulator] else ""
    plain = {key.lower() for values in DEFAULTS.values() for key in values}
    missing = " (its keys stand under no [section])" if names & plain else ""
    raise InputError(
        f"{file.path}: none of its keys is one that DRAMsim3 reads{missing}{whose}; "
        "give a DRAMsim3 .ini, a device .toml, or a name of `ppim devices`"
    )


def _split(line: str) -> tuple[str, str, str]:
    """Key, separator and value of a line; a comment is a semicolon after white space."""
    at = min((place for place in map(line.find, "=:") if place >= 0), default=-1)
    if at < 0:
        return line, "", ""
    value = _COMMENT.split(line[at + 1 :].strip(), maxsplit=1)[0].strip()
    return line[:at].rstrip(), line[at], value


def _typed(file: _IniFile, warn: Warn) -> dict[str, dict[str, Any]]:
    """All parameters of `DEFAULTS` with the file's values; what is not among them goes to `warn`."""
    parameters: dict[str, dict[str, Any]] = {name: dict(values) for name, values in DEFAULTS.items()}
    known = {(s, key.lower()): key for s, values in DEFAULTS.items() for key in values}
    without_effect = {(s, key.lower()) for s, keys in WITHOUT_EFFECT.items() for key in keys}
    silent = {(s, key.lower()) for s, keys in SILENT.items() for key in keys}
    if file.entries.get(("dram_structure", "protocol"), _Entry("", 0, "")).value == "HMC":
        raise InputError(
            f"{file.path}: HMC devices are not modelled (DRAMsim3 has separate code for them); "
            "choose a DDR, LPDDR, GDDR or HBM device"
        )
    ignored = []
    for (section, lower), entry in file.entries.items():
        if (section, lower) in known:
            key = known[section, lower]
            default = DEFAULTS[section][key]
            parameters[section][key] = _value(entry, default, file.where(section, entry), warn)
        elif (section, lower) in without_effect:
            if (section, lower) not in silent:
                ignored.append(entry.name)
        elif section not in OUTPUT_SECTIONS:
            warn(f"{file.where(section, entry)}: {_unknown(section, lower, known)}")
    if ignored:
        warn(f"{file.path}: {', '.join(ignored)} influence nothing in DRAMsim3, nor here")
    if ("timing", "trtp") not in file.entries and ("timing", "trtp_l") in file.entries:
        warn(
            f"{file.path}: [timing] gives tRTP_L and tRTP_S, but DRAMsim3 reads tRTP only: "
            f"{DEFAULTS['timing']['tRTP']} cycles, its default, is used"
        )
    return parameters


def _unknown(section: str, lower: str, known: Mapping[tuple[str, str], str]) -> str:
    elsewhere = [other for other, name in known if name == lower and other != section]
    if elsewhere:
        return f"belongs to [{elsewhere[0]}]; DRAMsim3 ignores it here, and so do we"
    near = difflib.get_close_matches(lower, [name for other, name in known if other == section], n=1)
    hint = f" (did you mean {known[section, near[0]]}?)" if near else ""
    return f"is no parameter of DRAMsim3{hint}; ignored"


def _value(entry: _Entry, default: float | bool | str, where: str, warn: Warn) -> Any:
    """The value as DRAMsim3 takes it: empty = default, of `1; comment` the leading number."""
    text = entry.value
    if not text:
        return default
    if isinstance(default, bool):
        if text.lower() not in _TRUE | _FALSE:
            raise InputError(f"{where}: {text!r} is not true or false")
        return text.lower() in _TRUE
    if isinstance(default, str):
        return text
    match = (_REAL if isinstance(default, float) else _INTEGER).match(text)
    if match is None:
        raise InputError(f"{where}: {text!r} is not a number")
    rest = text[match.end() :].strip()
    if rest and rest[0] not in ";#":
        warn(f"{where}: of {text!r} DRAMsim3 takes {match[0]}, and so do we")
    if isinstance(default, float):
        return _real(match[0], where)
    if len(match[0]) > _MAX_DIGITS:
        raise InputError(f"{where}: a number of {len(match[0])} digits")
    return _c_integer(match[0], where)


def _real(text: str, where: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"{where}: {text[:_SHOWN]} is no finite number")
    return value


def _c_integer(text: str, where: str) -> int:
    """A whole number as C reads it: 0x... hexadecimal, 0... octal."""
    digits = text.lstrip("+-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if len(digits) > 1 and digits[0] == "0" else 10
    try:
        return int(text, base)
    except ValueError:
        raise InputError(
            f"{where}: {text!r} begins with 0, so DRAMsim3 reads it as octal; drop the zero"
        ) from None


def device_table(parameters: Mapping[str, Mapping[str, Any]], where: str, warn: Warn) -> dict[str, Any]:
    """Device table of DRAMsim3's parameters, every one of them given (docs/devices.md).

    Parameters
    ----------
    parameters : mapping of section to mapping of name to value
        All that `DEFAULTS` lists; others are ignored.
    where : str
        Begins every message.
    warn : callable
        Receives one line when DRAMsim3 replaces channel_size.
    """
    structure, system = parameters["dram_structure"], parameters["system"]
    protocol, burst_length = structure["protocol"], structure["BL"]
    is_hbm, is_gddr = protocol.startswith("HBM"), protocol.startswith("GDDR")
    burst_cycles = burst_length // beats_per_cycle(protocol)
    if burst_length == 0:  # an ideal bus: data takes no time, and the sizes are those of a usual burst
        burst_length = 4 if is_hbm else 8
    merge_groups = not structure["bankgroup_enable"]
    groups, banks = structure["bankgroups"], structure["banks_per_group"]
    columns = structure["columns"] * (burst_length if is_gddr else 2 if is_hbm else 1)
    organization = {
        "channels": system["channels"],
        "bankgroups": 1 if merge_groups else groups,
        "banks_per_group": banks * groups if merge_groups else banks,
        "rows": structure["rows"],
        "columns": columns,
        "device_width": structure["device_width"],
        "bus_width": system["bus_width"],
        "burst_length": burst_length,
    }
    organization["ranks"] = _ranks(organization, system["channel_size"], where, warn)
    controller = {name: system[name] for name in DEFAULTS["system"] if name not in _ORGANIZATION_OF_SYSTEM}
    controller["hbm_dual_cmd"] = structure["hbm_dual_cmd"] and is_hbm
    timing = {name: parameters["timing"][name] for name in DEFAULTS["timing"]}
    return {
        "protocol": protocol,
        "source": f"DRAMsim3 parameters of {where}",
        "organization": organization,
        "timing": {**timing, "burst_cycles": burst_cycles},
        "power": {name: parameters["power"][name] for name in DEFAULTS["power"]},
        "controller": controller,
    }


_ORGANIZATION_OF_SYSTEM = ("channel_size", "channels", "bus_width")


def _ranks(organization: Mapping[str, int], channel_mebibytes: int, where: str, warn: Warn) -> int:
    """Ranks that make up the channel's size, in DRAMsim3's whole-number arithmetic."""
    for name, value in organization.items():
        if value < 1:
            raise InputError(f"{where}: {name} = {value} is less than 1")
    page_bytes = organization["columns"] * organization["device_width"] // 8
    bank_mebibytes = page_bytes * (organization["rows"] // MEBIBYTE_FACTOR) // MEBIBYTE_FACTOR
    banks = organization["bankgroups"] * organization["banks_per_group"]
    devices = organization["bus_width"] // organization["device_width"]
    rank_mebibytes = bank_mebibytes * banks * devices
    if rank_mebibytes == 0:
        raise InputError(
            f"{where}: one bank of one device holds less than 1 MiB (or bus_width is below device_width); "
            "DRAMsim3 cannot work out its ranks"
        )
    if rank_mebibytes > channel_mebibytes:
        warn(
            f"{where}: one rank is {rank_mebibytes} MiB, more than channel_size = {channel_mebibytes} MiB; "
            f"one rank of {rank_mebibytes} MiB is used, as DRAMsim3 does"
        )
        return 1
    if channel_mebibytes % rank_mebibytes:
        raise InputError(
            f"{where}: channel_size = {channel_mebibytes} MiB is no multiple of a rank's {rank_mebibytes} MiB"
        )
    return channel_mebibytes // rank_mebibytes
