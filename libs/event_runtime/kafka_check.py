"""Has librdkafka look at properties before anything is started with them."""

import re
from collections.abc import Mapping

from confluent_kafka import KafkaException, Producer

_QUOTED = re.compile(r'"([^"]+)"')


def objection(properties: Mapping[str, str]) -> tuple[str | None, str] | None:
    """What librdkafka has against the properties: the name of one if it says so, and its words. None when nothing.

    No broker is asked.
    """
    harmless = {name: value for name, value in properties.items() if name != "bootstrap.servers"}
    try:
        Producer({**harmless, "log_level": 0})
    except KafkaException as refused:
        words = str(refused.args[0].str())
        return next((name for name in _QUOTED.findall(words) if name in properties), None), words
    return None
