"""Opens the tables of a run with one library and prints what it read as JSON: used by tests/parquet.rs.

Arguments: library (polars, pandas, duckdb), folder of the run. Exit code 77: the library is not installed.
"""

import glob
import json
import math
import os
import sys


def plain(value):
    """Numbers, texts and lists as JSON knows them; NaN as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


def with_polars(files):
    import polars

    frame = polars.read_parquet(files)
    return frame.columns, frame.rows()


def with_pandas(files):
    import pandas

    frame = pandas.concat([pandas.read_parquet(f, engine="pyarrow") for f in files])
    return list(frame.columns), list(frame.itertuples(index=False, name=None))


def with_duckdb(files):
    import duckdb

    found = duckdb.sql(f"select * from read_parquet({files!r})")
    return found.columns, found.fetchall()


def metadata(file):
    """The file's own key-value metadata, by the reader at hand."""
    try:
        import pyarrow.parquet

        pairs = pyarrow.parquet.read_metadata(file).metadata or {}
        return {k.decode(): v.decode() for k, v in pairs.items() if k.startswith(b"copl.")}
    except ImportError:
        import duckdb

        rows = duckdb.sql(f"select key, value from parquet_kv_metadata('{file}')").fetchall()
        return {k.decode(): v.decode() for k, v in rows if k.startswith(b"copl.")}


library, run = sys.argv[1:]
try:
    __import__({"pandas": "pyarrow"}.get(library, library))
    __import__(library)
except ImportError:
    sys.exit(77)

tables = {}
names = {os.path.basename(path).partition(".")[0] for path in glob.glob(f"{run}/*.par*")}
for table in sorted(names):
    files = sorted(glob.glob(f"{run}/{table}.parquet") + glob.glob(f"{run}/{table}.parts/part-*.parquet"))
    columns, rows = {"polars": with_polars, "pandas": with_pandas, "duckdb": with_duckdb}[library](files)
    tables[table] = {"columns": list(columns), "rows": [[plain(v) for v in row] for row in rows]}
    if library != "polars":
        tables[table]["metadata"] = metadata(files[0])
print(json.dumps(tables))
