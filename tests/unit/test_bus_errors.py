"""Which answers of a broker are worth asking again for."""

import pytest
from confluent_kafka import KafkaError

from event_runtime.bus_config import is_passing


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART]
)
def test_a_partition_made_a_moment_ago_is_asked_again_though_the_library_does_not_say_so(code: int) -> None:
    error = KafkaError(code)
    assert is_passing(error)
    assert not error.retriable()


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.OFFSET_OUT_OF_RANGE])
def test_what_stays_wrong_is_said_at_once(code: int) -> None:
    assert not is_passing(KafkaError(code))
