"""What a Linux machine says of itself, without any right beyond an ordinary user's where that will do."""

from readiness.probes.linux.hardware import (
    Cpu,
    Disk,
    Disks,
    DmiMemory,
    FileSystem,
    Memory,
    ReadCpu,
    ReadDisks,
    ReadDmiMemory,
    ReadMemory,
)
from readiness.probes.linux.network import (
    Interface,
    Interfaces,
    Listener,
    Listeners,
    ReadInterfaces,
    ReadListeners,
)
from readiness.probes.linux.pythons import Pip, Python, Pythons, ReadPythons
from readiness.probes.linux.system import Family, Identity, ReadIdentity, ReadSystem, System

__all__ = [
    "Cpu",
    "Disk",
    "Disks",
    "DmiMemory",
    "Family",
    "FileSystem",
    "Identity",
    "Interface",
    "Interfaces",
    "Listener",
    "Listeners",
    "Memory",
    "Pip",
    "Python",
    "Pythons",
    "ReadCpu",
    "ReadDisks",
    "ReadDmiMemory",
    "ReadIdentity",
    "ReadInterfaces",
    "ReadListeners",
    "ReadMemory",
    "ReadPythons",
    "ReadSystem",
    "System",
]
