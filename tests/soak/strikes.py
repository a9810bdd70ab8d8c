"""The faults of a soak: what is struck, and what its operator or supervisor would do about it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from tests.soak.plant import Plant

__all__ = ["STRIKES", "Strike", "chosen"]

Strike = Callable[[Plant, random.Random], str]


def kill_worker(plant: Plant, chance: random.Random) -> str:
    """SIGKILL one of the Python workers that the job uses; the pool gives a new one."""
    busy = plant.workers()
    if not busy:
        return "no worker was busy"
    os.kill(chance.choice(busy), signal.SIGKILL)
    return ""


def kill_taskmanager(plant: Plant, chance: random.Random) -> str:
    """SIGKILL; a new one is started, and Flink restores the last checkpoint."""
    part = plant.cluster.taskmanagers[0]
    part.kill()
    time.sleep(chance.uniform(0, 2))
    part.restart()
    return ""


def pause_broker(plant: Plant, chance: random.Random) -> str:
    """SIGSTOP for 3 to 15 seconds, SIGCONT."""
    seconds = chance.uniform(3, 15)
    pid = plant.broker.part.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return f"{seconds:.0f} s"


def kill_broker(plant: Plant, chance: random.Random) -> str:
    """SIGKILL; it is started again on the same data."""
    plant.broker.kill()
    time.sleep(chance.uniform(0, 3))
    plant.broker.restart()
    return ""


def refuse_messages(plant: Plant, chance: random.Random) -> str:
    """The receiver of alerts answers 500 for 30 to 90 seconds."""
    seconds = chance.uniform(30, 90)
    plant.received.refusing = True
    try:
        time.sleep(seconds)
    finally:
        plant.received.refusing = False
    return f"{seconds:.0f} s"


def kill_alerting(plant: Plant, chance: random.Random) -> str:
    """SIGKILL; it is started again."""
    plant.alerting.kill()
    time.sleep(chance.uniform(0, 3))
    plant.alerting.restart()
    return ""


STRIKES: dict[str, Strike] = {
    "worker killed": kill_worker,
    "TaskManager killed": kill_taskmanager,
    "broker paused": pause_broker,
    "broker killed": kill_broker,
    "receiver answers 500": refuse_messages,
    "alerting killed": kill_alerting,
}


def chosen(chance: random.Random, strikes: dict[str, Strike] | None = None) -> list[str]:
    """Every kind once, in an order of chance: the faults of the next round."""
    names = list(STRIKES if strikes is None else strikes)
    chance.shuffle(names)
    return names
