"""Redis 7, `redis://host:6379/0`: what is true now, for services that need it at once.

What an item must look like: records of `metrics` (keys of machines), `features` (a hash a series)
and `alerts` (a stream). Unit of parallelism: the process. In a crash: positions are written in the
transaction of the data, and the stream takes no offset twice. A Redis that has lost its memory has
lost its positions, too, so it is filled again from what the topics still hold.
"""

from padit.connectors.uris import Address
from padit.stores.base import Store
from padit.stores.redis_settings import Settings

__all__ = ["SCHEMES", "Settings", "create"]

SCHEMES = ("redis", "rediss")


def create(address: Address, settings: Settings) -> Store:
    """The store at an address; nothing is opened yet."""
    from padit.stores.redis_store import RedisStore

    return RedisStore(address, settings)
