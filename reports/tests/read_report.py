"""Reads a run's tables with pandas, pyarrow and DuckDB, each where it is installed, and says where it is not.

    python3 reports/tests/read_report.py runs/ID

For every table: the columns with their types, the number of rows (the same for every reader), no nulls, lists of 32-bit
integers, and the version and meanings in the file's metadata. Exit code 1 if a reader that is installed disagrees.
"""

import importlib
import pathlib
import sys

TABLES = ["metrics", "samples", "quarantine", "params", "nodes", "checkpoints"]


def installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name}: not installed, not checked")
        return None


def files(run, table):
    whole = run / f"{table}.parquet"
    parts = sorted((run / f"{table}.parts").glob("part-*.parquet"))
    return ([whole] if whole.exists() else []) + parts


def check_arrow(parquet, arrow, paths, table):
    rows = 0
    for path in paths:
        file = parquet.ParquetFile(path)
        metadata = file.metadata.metadata
        assert metadata[b"copl.table"] == table.encode(), metadata
        assert int(metadata[b"copl.version"]) >= 1
        content = file.read()
        assert content.column_names[:3] == ["run", "epoch", "split"], content.column_names
        for field in content.schema:
            assert f"copl.column.{field.name}".encode() in metadata, field.name
            assert content[field.name].null_count == 0, field.name
            if field.name in ("prediction", "target"):
                assert field.type.value_type == arrow.int32(), field.type
        rows += content.num_rows
    return rows


def main(folder):
    run = pathlib.Path(folder)
    arrow, pandas, duckdb = installed("pyarrow"), installed("pandas"), installed("duckdb")
    parquet = arrow and importlib.import_module("pyarrow.parquet")
    for table in TABLES:
        paths = files(run, table)
        counts = {}
        if arrow:
            counts["pyarrow"] = check_arrow(parquet, arrow, paths, table)
        if pandas and arrow:
            counts["pandas"] = sum(len(pandas.read_parquet(path)) for path in paths)
        if duckdb:
            names = [str(path) for path in paths]
            counts["duckdb"] = duckdb.execute("select count(*) from read_parquet(?)", [names]).fetchone()[0] if names else 0
        print(f"{table}: {counts}")
        if len(set(counts.values())) > 1:
            print(f"{table}: the readers disagree")
            return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
