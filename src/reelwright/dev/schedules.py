"""`reelwright schedules`, on the Reelwright that runs on a data folder."""

from reelwright.cli.schedules import group
from reelwright.dev.endpoints import DATA
from reelwright.dev.running import endpoints

schedules = group(endpoints, DATA)
