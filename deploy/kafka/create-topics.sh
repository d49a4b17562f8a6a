#!/bin/sh
# Makes the topics of docs/events.md that are not there yet, with the kafka-topics.sh on the PATH or of the image apache/kafka.
# KAFKA_BOOTSTRAP_SERVERS is required; REPLICATION_FACTOR (default 1) belongs at 3 wherever data must survive a broker.
set -eu
: "${KAFKA_TOPICS:=$(command -v kafka-topics.sh || echo /opt/kafka/bin/kafka-topics.sh)}"

create() { # name partitions [setting=value]...
  name=$1 partitions=$2
  shift 2
  for setting in "$@"; do
    set -- "$@" --config "$setting"
    shift
  done
  "$KAFKA_TOPICS" --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --create --if-not-exists \
    --topic "$name" --partitions "$partitions" --replication-factor "${REPLICATION_FACTOR:-1}" "$@"
}

create customer-created 8 cleanup.policy=delete
create merge-candidate 8 cleanup.policy=delete
create merge-command 8 cleanup.policy=delete
create merge-outcome 8 cleanup.policy=delete
create customer-merged 16 cleanup.policy=delete retention.ms=-1 retention.bytes=-1
create customer-alias 8 cleanup.policy=compact
create relink-ack 8 cleanup.policy=delete
create merge-quarantine 1 cleanup.policy=delete
