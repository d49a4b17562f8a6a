# ruff: noqa: INP001 - a program of one file, to be copied to a cluster
"""Score a base that `dedupe-detector export-splink` wrote, with Splink on Spark; `dedupe-detector load-pairs` loads it.

    spark-submit --jars "$(python predict.py --jar)" predict.py EXPORT_DIR PAIRS_DIR
    python predict.py EXPORT_DIR PAIRS.csv --local 2

Needs pyspark 4, splink 5 and Java 17, and none of this project's packages: it runs where the cluster is. Candidates
come of the exported keys under the same caps and the same rarity; levels and weights are Splink's, from settings.json;
what else explains an agreement (households, shared phones, namesakes) is taken off as model.json says.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as f
from splink import Linker, SparkAPI
from splink.backends.spark import similarity_jar_location

_HEADER = ("customer_id_a", "customer_id_b", "score", "grade")
_LIMITS = {"other_given_name": -2.0, "name_only": 2.2, "suffix": -2.2}
"""The most nats a pair may have that has such a mark, as in customer_identity.matching.cautions."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pairs of possible grade and better."""
    parser = argparse.ArgumentParser(description="score an exported customer base with Splink on Spark")
    parser.add_argument("export", type=Path, nargs="?", metavar="EXPORT_DIR", help="as export-splink wrote it")
    parser.add_argument("output", nargs="?", metavar="PAIRS", help="a .csv file here, or a directory Spark writes to")
    parser.add_argument("--records", metavar="URL", help="where a cluster finds records.csv (EXPORT_DIR/records.csv)")
    parser.add_argument("--local", metavar="N", help="on this machine, with N threads, instead of a cluster")
    parser.add_argument("--memory", default="2g", help="of the driver, with --local (%(default)s)")
    parser.add_argument("--jar", action="store_true", help="print where Splink's similarity functions are, for --jars")
    options = parser.parse_args(arguments)
    if options.jar:
        sys.stdout.write(f"{similarity_jar_location()}\n")
        return 0
    if options.export is None or options.output is None:
        parser.error("EXPORT_DIR and PAIRS are needed")
    spark = _session(options.local, options.memory)
    try:
        pairs = predict(spark, options.export, options.records or str(options.export / "records.csv"))
        if options.output.endswith(".csv"):
            _write_file(pairs, Path(options.output))
        else:
            pairs.coalesce(1).write.csv(options.output, header=True, mode="errorifexists")
    finally:
        spark.stop()
    return 0


def predict(spark: SparkSession, export: Path, records_url: str) -> DataFrame:
    """The pairs of an exported base: customer_id_a, customer_id_b, score, grade; `a` came later."""
    settings, blocking, model = (_json(export / f"{name}.json") for name in ("settings", "blocking", "model"))
    records = spark.read.csv(records_url, header=True).withColumn("place", f.col("place").cast("long"))
    records = records.withColumn("keys", f.split("keys", " "))
    total = records.count()
    records = records.withColumn("given_holders", f.count("given").over(Window.partitionBy("given"))).cache()
    settings["additional_columns_to_retain"] = ["given_holders"]
    candidates = _candidates(records, blocking, total)

    api = SparkAPI(
        spark_session=spark, break_lineage_method="persist", num_partitions_on_repartition=_partitions(spark)
    )
    linker = Linker(api.register(records), settings)
    for column, rule in blocking["frequencies"].items():
        counted = api.register(_frequencies(records, column, rule))
        linker.table_management.register_term_frequency_lookup(counted, column)
    linker.table_management.register_blocked_pairs_for_predict(api.register(candidates))
    scored = linker.inference.predict(warning_mode="never").as_spark_dataframe()
    return _graded(scored, settings, model, total)


def _candidates(records: DataFrame, blocking: Mapping[str, Any], total: int) -> DataFrame:
    """Pairs by the keys they share: no key with too many holders, and rare ones enough; the best of each record."""
    caps = f.create_map(*(f.lit(each) for item in blocking["caps"].items() for each in item))
    keys = records.select("place", "customer_id", f.explode("keys").alias("key"))
    others = f.count("*").over(Window.partitionBy("key")) - 1
    held = (
        keys.withColumn("others", others)
        .where((f.col("others") > 0) & (f.col("others") <= caps[f.substring_index("key", ".", 1)]))
        .withColumn("rarity", f.log((f.lit(total) + 2) / (f.col("others") + 1)))
    )
    left, right = (held.select([f.col(name).alias(f"{name}_{side}") for name in held.columns]) for side in "lr")
    shared = left.join(right, (f.col("key_l") == f.col("key_r")) & (f.col("place_l") > f.col("place_r")))
    found = shared.groupBy("place_l", "place_r", "customer_id_l", "customer_id_r").agg(f.sum("rarity_l").alias("sum"))
    best = f.row_number().over(Window.partitionBy("place_l").orderBy(f.desc("sum"), "place_r"))
    return (
        found.where(f.col("sum") >= blocking["enough_rarity"])
        .withColumn("rank", best)
        .where(f.col("rank") <= blocking["most_candidates"])
        .select(
            f.lit("0").alias("match_key"),
            f.col("customer_id_l").alias("join_key_l"),
            f.col("customer_id_r").alias("join_key_r"),
        )
    )


def _frequencies(records: DataFrame, column: str, rule: Mapping[str, float]) -> DataFrame:
    """How frequent each value is besides the person's own records, as Splink looks it up."""
    held = records.where(f.col(column).isNotNull()).groupBy(column).agg(f.count("*").alias("holders"))
    filled = held.agg(f.sum("holders")).first()[0] or 0
    others = f.greatest(f.col("holders") - 1 - rule["free_holders"], f.lit(0.0)) + rule["unseen"]
    return held.select(column, f.least(others / (filled + 20.0), f.lit(0.5)).alias(f"tf_{column}"))


def _graded(scored: DataFrame, settings: Mapping[str, Any], model: Mapping[str, Any], total: int) -> DataFrame:
    grades = model["grades"]
    logit = f"(match_weight * {math.log(2)!r} - log1p({_other_explanations(settings, model, total)}))"
    pairs = scored.withColumn("logit", f.expr(logit))
    for mark, condition in _marks().items():
        pairs = pairs.withColumn(mark, f.coalesce(f.expr(condition), _no()))
        limited = f.least(f.col("logit"), f.lit(_LIMITS[mark]))
        pairs = pairs.withColumn("logit", f.when(f.col(mark), limited).otherwise(f.col("logit")))
    score = f.col("score")
    grade = (
        f.when((score >= grades["certain"]) & ~_doubtful(), "certain")
        .when(score >= grades["probable"], "probable")
        .otherwise("possible")
    )
    return (
        pairs.withColumn("score", f.round(1.0 / (1.0 + f.exp(-f.col("logit"))), 6))
        .where(score >= grades["possible"])
        .select(
            f.col("customer_id_l").alias("customer_id_a"),
            f.col("customer_id_r").alias("customer_id_b"),
            "score",
            grade.alias("grade"),
        )
        .orderBy("customer_id_a", "customer_id_b")
    )


def _other_explanations(settings: Mapping[str, Any], model: Mapping[str, Any], total: int) -> str:
    """How many pairs that agree like this to expect from each other explanation, for one expected from chance."""
    counted = {
        each["output_column_name"]
        for each in settings["comparisons"]
        if any("tf_adjustment_column" in level for level in each["comparison_levels"])
    }
    terms = []
    for explanation in model["explanations"]:
        if explanation["pairs_per_record"] is None:
            continue
        nats = [repr(math.log(explanation["pairs_per_record"] / (total + 1)))]
        for name, levels in explanation["levels"].items():
            chance = model["chance"][name]
            cases = " ".join(
                f"WHEN {number} THEN {math.log(max(p, 1e-7) / max(chance[number], 1e-7))!r}"
                for number, p in enumerate(levels)
            )
            nats.append(f"CASE gamma_{name} {cases} ELSE 0.0 END")
            if name in counted:
                nats.append(f"{math.log(2)!r} * coalesce(mw_tf_adj_{name}, 0.0)")
        terms.append(f"exp({' + '.join(nats)})")
    return " + ".join(terms) or "0.0"


def _no() -> Column:
    return f.lit(col=False)


def _marks() -> dict[str, str]:
    """What sets a limit to the score, as far as a pair by itself shows it."""
    a, b = "given_l", "given_r"
    prefix = f"left({a}, length({b})) = {b} OR left({b}, length({a})) = {a}"
    edits = f"levenshtein({a}, {b})"
    known = "(roots_l IS NOT NULL OR given_holders_l >= 3) AND (roots_r IS NOT NULL OR given_holders_r >= 3)"
    two_names = f"{known} AND length({a}) >= 3 AND length({b}) >= 3 AND {edits} >= 2 AND left({a}, 3) <> left({b}, 3)"
    same_family = f"gamma_family_name = 4 AND {edits} >= 2 AND jaro_winkler({a}, {b}) < 0.75"
    initials = f"(length({a}) = 1 OR length({b}) = 1) AND left({a}, 1) <> left({b}, 1)"
    full = f"length({a}) > 1 AND length({b}) > 1 AND NOT ({prefix}) AND (({two_names}) OR ({same_family}))"
    other_name = f"{a} <> {b} AND gamma_given_name < 3 AND (({initials}) OR ({full}))"
    at_home = "gamma_postal_code = 3 AND gamma_date_of_birth = -1"
    household = f"gamma_address >= 2 OR gamma_phone = 4 OR gamma_email >= 4 OR ({at_home})"
    agreeing = (
        "gamma_date_of_birth >= 2", "gamma_email >= 3", "gamma_phone >= 2", "gamma_address >= 2",
        "gamma_postal_code >= 2", "gamma_city >= 2", "gamma_national_id >= 2", "gamma_occupation >= 2",
    )  # fmt: skip
    return {
        "other_given_name": f"({other_name}) AND ({household}) AND gamma_national_id <> 3",
        "name_only": f"NOT ({' OR '.join(agreeing)})",
        "suffix": "gamma_suffix = 0",
    }


def _doubtful() -> Column:
    """What keeps a pair from being certain, as far as a pair by itself shows it."""
    anchored = "gamma_date_of_birth = 5 OR gamma_national_id = 3 OR gamma_email = 5"
    slips = "gamma_given_name < 3 AND gamma_family_name = 4 AND levenshtein(given_l, given_r) >= 2"
    weak = f"coalesce(least(length(given_l), length(given_r)), 0) <= 1 AND NOT ({anchored})"
    against = "gamma_date_of_birth = 0 OR gamma_national_id = 0"
    marks = f.col("name_only") | f.col("suffix") | f.col("other_given_name")
    return marks | f.coalesce(f.expr(f"({slips}) OR ({weak}) OR ({against})"), _no())


def _session(threads: str | None, memory: str) -> SparkSession:
    builder = SparkSession.builder.appName("customer-merge").config("spark.ui.enabled", "false")
    if threads is not None:
        builder = (
            builder.master(f"local[{threads}]")
            .config("spark.driver.memory", memory)
            .config("spark.jars", similarity_jar_location())
            .config("spark.sql.shuffle.partitions", str(2 * int(threads)))
        )
    return builder.getOrCreate()


def _partitions(spark: SparkSession) -> int:
    return int(spark.conf.get("spark.sql.shuffle.partitions") or 200)


def _write_file(pairs: DataFrame, path: Path) -> None:
    """Beside the file first: what has its name is whole."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(_HEADER)
            writer.writerows(tuple(row) for row in pairs.toLocalIterator())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
