"""Six words that two people compare by voice to be sure that nobody is intercepting their call.

They are made from the fingerprints of both certificates of a connection (`Peer.fingerprints`). They are the same on both
sides, unless somebody in between uses certificates of their own. The page shows them.

An attacker could generate certificates until the words match by chance: choosing those for both sides, that takes about
2^24 attempts per side. So each attempt is made expensive: scrypt takes about 40 ms and 16 MB. That is two weeks on one core,
and opening a connection leaves seconds.
"""

from __future__ import annotations

import hashlib

WORD_COUNT = 6
_SALT = b"facewire safety words, version 1"
_COST = {"n": 1 << 14, "r": 8, "p": 1}


def safety_words(one: bytes, other: bytes) -> tuple[str, ...]:
    """The words for two fingerprints, in either order. Takes about 40 ms."""
    low, high = sorted((one, other))
    digest = hashlib.scrypt(low + high, salt=_SALT, dklen=WORD_COUNT, **_COST)
    return tuple(WORDS[byte] for byte in digest)


_TEXT = """
acorn actor album alley almond amber anchor angel ankle apple apron arrow artist atlas attic autumn
baker balcony bamboo banana banjo barrel basket beacon beaver bicycle biscuit blanket blossom border bottle bridge
bronze bucket budget butter button cabin cactus camel camera candle canoe canyon captain carpet carrot castle
ceiling cello cement cherry chimney cinema circle clover cobalt coconut coffee comet copper coral corner cotton
cousin cradle crayon cricket crystal curtain daisy dancer desert diamond dinner doctor dolphin donkey dragon eagle
echo elbow elephant ember engine envelope evening fabric falcon farmer feather fiddle finger flannel flower forest
fossil fountain garden garlic ginger giraffe glacier goblet granite grape guitar hammer harbour harvest hazel helmet
hermit honey horizon hotel iceberg insect island ivory jacket jaguar jasmine jelly jewel jigsaw jungle kettle
keyboard kitchen kitten ladder lantern lagoon laundry lemon leopard letter library lilac lizard lobster locket lumber
magnet mango maple marble market meadow medal melon mirror mitten monkey morning mountain museum mustard napkin
needle nephew nickel noodle novel nutmeg oasis ocean olive onion opera orange orchard otter oyster paddle
palace panda paper parade parrot pastry peach pebble pelican pencil pepper piano pillow pilot planet plaster
pocket poet potato prairie pudding pumpkin puppet puzzle quarry quilt rabbit radio raven ribbon river robin
rocket saddle saffron salmon sandal satchel saturn scarf season shadow shelter silver singer sparrow spider spinach
squirrel statue stove summer sunset teapot temple thunder ticket tiger timber tomato trumpet tulip tunnel turtle
umbrella uncle valley velvet village violin volcano waffle wagon walnut walrus weather whisper willow window winter
"""
WORDS = tuple(_TEXT.split())
"""256 concrete words of our own choice, of two or three syllables, that do not sound alike."""
