"""The embedded store as its clients see it: plain HTTP, curl and clickhouse-connect."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet
import pytest
import requests

from jobs.config import ClickHouseConfig
from jobs.stack.store.compression import Encoder, compress_blocks, decompress_blocks
from jobs.stack.store.native import reframe


@pytest.fixture
def url(store: ClickHouseConfig) -> str:
    return store.url


@pytest.fixture
def table(store: ClickHouseConfig) -> Iterator[str]:
    """An empty table (a UInt32, b String)."""
    client = store.client(database="default")
    client.command("CREATE TABLE io (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    yield "io"
    client.command("DROP TABLE io SYNC")
    client.close()


def _post(url: str, body: bytes | str = b"", headers: dict[str, str] | None = None, **params: object) -> requests.Response:
    data = body.encode() if isinstance(body, str) else body
    return requests.post(f"{url}/", params={k: str(v) for k, v in params.items()}, data=data, headers=headers, timeout=30)


def _rows(url: str, table: str) -> list[list[str]]:
    return [line.split("\t") for line in _post(url, f"SELECT a, b FROM {table} ORDER BY a").text.splitlines()]


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_health_checks_say_ok(url: str, path: str) -> None:
    answer = requests.get(url + path, timeout=10)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_query_is_read_from_url_body_or_both(url: str) -> None:
    assert requests.get(f"{url}/", params={"query": "SELECT 1"}, timeout=10).text == "1\n"
    assert _post(url, "SELECT 2").text == "2\n"
    assert _post(url, "+ 1", query="SELECT 2").text == "3\n"


def test_chunked_request_body_is_read(url: str) -> None:
    answer = requests.post(f"{url}/", data=iter([b"SEL", b"ECT ", b"5"]), timeout=10)
    assert answer.text == "5\n"


def test_get_is_read_only(url: str) -> None:
    answer = requests.get(f"{url}/", params={"query": "CREATE TABLE nope (a UInt8) ENGINE = Memory"}, timeout=10)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164")


def test_headers_tell_format_query_summary_zone(url: str) -> None:
    answer = _post(url, "SELECT number FROM numbers(7) FORMAT JSONEachRow", query_id="mine")
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["X-ClickHouse-Server-Display-Name"]
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "7"
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")


def test_summary_of_an_insert_counts_written_rows(url: str, table: str) -> None:
    answer = _post(url, '1,"x"\n2,"y"\n', query=f"INSERT INTO {table} FORMAT CSV")
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "2"


def test_format_comes_from_clause_parameter_or_header(url: str) -> None:
    assert _post(url, "SELECT 1 AS a", default_format="JSONEachRow").json() == {"a": 1}
    assert _post(url, "SELECT 1 AS a", headers={"X-ClickHouse-Format": "CSVWithNames"}).text == '"a"\n1\n'
    assert _post(url, "SELECT 1 AS a FORMAT JSONCompact", default_format="CSV").json()["data"] == [[1]]


@pytest.mark.parametrize("output", ["Native", "RowBinaryWithNamesAndTypes", "Parquet", "Arrow", "ArrowStream", "JSON", "TabSeparated"])
def test_large_result_of_every_format_is_whole(url: str, output: str) -> None:
    body = _post(url, f"SELECT number, toString(number) AS s FROM numbers(200000) FORMAT {output}").content
    if output == "Parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(body)).num_rows == 200_000
    elif output == "Arrow":
        assert pa.ipc.open_file(body).read_all().num_rows == 200_000
    elif output == "ArrowStream":
        assert pa.ipc.open_stream(body).read_all().num_rows == 200_000
    elif output == "JSON":
        assert json.loads(body)["rows"] == 200_000
    elif output == "TabSeparated":
        assert body.splitlines()[-1] == b"199999\t199999"
    else:
        assert body.endswith(b"\x06199999")


@pytest.mark.parametrize(
    ("declared", "given", "printed"),
    [
        ("UInt32", "7", "7"),
        ("String", "it's", "it\\'s"),
        ("String", "a\\tb", "a\\tb"),
        ("Array(String)", "['x','y']", "['x','y']"),
        ("Nullable(String)", "\\N", "\\N"),
        ("DateTime64(3)", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678"),
        ("String", "żółć 🙂", "żółć 🙂"),
    ],
)
def test_typed_parameters(url: str, declared: str, given: str, printed: str) -> None:
    assert _post(url, f"SELECT {{x:{declared}}}", param_x=given).text == printed + "\n"


def test_parameter_of_the_wrong_type_is_code_457(url: str) -> None:
    assert _post(url, "SELECT {x:UInt8}", param_x="many").headers["X-ClickHouse-Exception-Code"] == "457"


def test_parameters_work_in_inserts(url: str, table: str) -> None:
    assert _post(url, f"INSERT INTO {table} VALUES ({{a:UInt32}}, {{b:String}})", param_a=4, param_b="it's").status_code == 200
    assert _rows(url, table) == [["4", "it\\'s"]]


def test_settings_of_the_url_hold_for_one_request(url: str) -> None:
    assert _post(url, "SELECT getSetting('max_block_size')", max_block_size=1234).text == "1234\n"
    assert _post(url, "SELECT getSetting('max_block_size')").text != "1234\n"


def test_database_comes_from_parameter_or_header(url: str) -> None:
    assert _post(url, "SELECT currentDatabase()", database="system").text == "system\n"
    assert _post(url, "SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"}).text == "system\n"
    assert _post(url, "SELECT currentDatabase()").text == "default\n"


def test_session_keeps_settings_and_temporary_tables(url: str) -> None:
    for statement in ("CREATE TEMPORARY TABLE mine (a UInt8)", "INSERT INTO mine VALUES (7)", "SET max_block_size = 77"):
        assert _post(url, statement, session_id="s").status_code == 200
    assert _post(url, "SELECT a, getSetting('max_block_size') FROM mine", session_id="s").text == "7\t77\n"
    assert _post(url, "SELECT getSetting('max_block_size')", session_id="s", max_block_size=5).text == "5\n"
    assert _post(url, "SELECT getSetting('max_block_size')", session_id="s").text == "77\n"
    assert _post(url, "SELECT a FROM mine", session_id="other").status_code == 404


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM nowhere.t", 404, 81, "UNKNOWN_DATABASE"),
        ("SELECT nothing FROM system.one", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT nofunction(1)", 404, 46, "UNKNOWN_FUNCTION"),
        ("SELECT 1 FORMAT Nonsense", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT count() FROM system.numbers SETTINGS max_execution_time = 0.1", 408, 159, "TIMEOUT_EXCEEDED"),
        ("CREATE TABLE k (a UInt8) ENGINE = Kafka('h:1', 't', 'g', 'CSV')", 500, 344, "SUPPORT_IS_DISABLED"),
        ("INSERT INTO nowhere FORMAT CSV\n1\n", 404, 60, "UNKNOWN_TABLE"),
    ],
)
def test_errors_have_clickhouse_codes_and_statuses(url: str, sql: str, status: int, code: int, name: str) -> None:
    answer = _post(url, sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version 26." in answer.text


def test_unknown_setting_is_404(url: str) -> None:
    assert _post(url, "SELECT 1", no_such_setting=1).status_code == 404


def test_connection_lives_on_after_an_error_with_a_large_body(url: str) -> None:
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(f"{url}/", params={"query": "INSERT INTO nowhere FORMAT CSV"}, data=b"1\n" * 2_000_000, timeout=30)
            assert answer.status_code == 404
        assert session.post(f"{url}/", data=b"SELECT 1", timeout=10).text == "1\n"


def test_error_in_the_middle_of_a_stream_is_not_taken_for_its_end(url: str) -> None:
    with pytest.raises(requests.exceptions.RequestException):
        _post(url, "SELECT throwIf(number = 2900000) FROM numbers(3000000) FORMAT TSV")


def _arrow(stream: bool = True) -> bytes:
    rows = pa.table({"a": pa.array([1, 2], pa.uint32()), "b": ["x", "y"]})
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def _native() -> bytes:
    return b"\x02\x02\x01a\x06UInt32" + b"\x01\0\0\0\x02\0\0\0" + b"\x01b\x06String\x01x\x01y"


@pytest.mark.parametrize(
    ("input_format", "data"),
    [
        ("ArrowStream", _arrow()),
        ("Arrow", _arrow(stream=False)),
        ("Native", _native()),
        ("RowBinary", b"\x01\0\0\0\x01x\x02\0\0\0\x01y"),
        ("JSONEachRow", b'{"a":1,"b":"x"}\n{"b":"y","a":2}\n'),
        ("Values", b"(1, 'x'), (2, 'y')"),
        ("CSV", b'1,"x"\n2,y\n'),
        ("TSV", b"1\tx\n2\ty\n"),
    ],
)
@pytest.mark.parametrize("place", ["url", "body"])
def test_insert_in_every_format(url: str, table: str, input_format: str, data: bytes, place: str) -> None:
    head = f"INSERT INTO {table} (a, b) " + ("VALUES" if input_format == "Values" else f"FORMAT {input_format}")
    answer = _post(url, data, query=head) if place == "url" else _post(url, head.encode() + b"\n" + data)
    assert answer.status_code == 200, answer.text
    assert _rows(url, table) == [["1", "x"], ["2", "y"]]


def test_insert_through_the_input_function(url: str, table: str) -> None:
    head = f"INSERT INTO {table} SELECT a * 10, upper(b) FROM input('a UInt32, b String') FORMAT CSV"
    assert _post(url, "1,x\n", query=head).status_code == 200
    assert _rows(url, table) == [["10", "X"]]


def test_insert_of_a_hundred_megabytes_in_one_request(url: str, table: str) -> None:
    row = b"7\t" + b"x" * 990 + b"\n"
    answer = _post(url, row * 100_000, query=f"INSERT INTO {table} FORMAT TSV")
    assert answer.status_code == 200, answer.text
    assert _post(url, f"SELECT count(), sum(length(b)) FROM {table}").text == "100000\t99000000\n"


def test_values_beyond_the_parsers_limit_are_inserted(url: str, table: str) -> None:
    values = ",".join(f"({i},'{'x' * 20}')" for i in range(60_000))
    assert _post(url, f"INSERT INTO {table} VALUES {values}").status_code == 200
    assert _post(url, f"SELECT count() FROM {table}").text == "60000\n"


def test_malformed_insert_stores_nothing(url: str, table: str) -> None:
    answer = _post(url, b'{"a":1,"b":"x"}\n{"a":"not a number"}\n', query=f"INSERT INTO {table} FORMAT JSONEachRow")
    assert answer.status_code == 400
    assert _rows(url, table) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "br"])
def test_compressed_request_and_response(url: str, table: str, encoding: str) -> None:
    encoder = Encoder(encoding)
    body = encoder.encode(b"5,five\n") + encoder.finish()
    assert _post(url, body, {"Content-Encoding": encoding}, query=f"INSERT INTO {table} FORMAT CSV").status_code == 200
    with requests.post(
        f"{url}/?enable_http_compression=1",
        data=f"SELECT b FROM {table}",
        headers={"Accept-Encoding": encoding},
        stream=True,
        timeout=10,
    ) as answer:
        assert answer.headers["Content-Encoding"] == encoding
        if encoding in ("gzip", "deflate"):
            assert answer.content == b"five\n"


def test_uncompressed_without_the_setting(url: str) -> None:
    assert "Content-Encoding" not in _post(url, "SELECT 1", {"Accept-Encoding": "gzip"}).headers


def test_clickhouse_blocks_both_ways(url: str, table: str) -> None:
    body = b"".join(compress_blocks([b"6,six\n"]))
    assert _post(url, body, query=f"INSERT INTO {table} FORMAT CSV", decompress=1).status_code == 200
    answer = _post(url, f"SELECT b FROM {table}", compress=1)
    assert b"".join(decompress_blocks(iter([answer.content]))) == b"six\n"


def test_native_for_newer_clients_has_block_info(url: str) -> None:
    query = "SELECT toLowCardinality('x') AS a, [1, 2] AS b, now64(3) AS c FORMAT Native"
    answer = _post(url, "SELECT 1 AS check FORMAT Native", client_protocol_version=54460).content
    assert answer == b"\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x05check\x05UInt8\x00\x01"
    assert len(_post(url, query, client_protocol_version=54460).content) == len(_post(url, query).content) + 8 + 3
    assert next(reframe(_post(url, query).content))[:8] == answer[:8]


def test_clickhouse_connect_reads_and_writes(store: ClickHouseConfig, table: str) -> None:
    client = store.client(database="default")
    client.insert(table, [[1, "x"], [2, "ż"]], column_names=["a", "b"])
    client.insert_arrow(table, pa.table({"a": pa.array([3], pa.uint32()), "b": ["z"]}))
    rows = client.query(f"SELECT * FROM {table} WHERE a > {{low:UInt32}} ORDER BY a", parameters={"low": 1}).result_rows
    assert rows == [(2, "ż"), (3, "z")]
    assert client.query_arrow(f"SELECT count() AS n FROM {table}")["n"].to_pylist() == [3]
    assert client.query("SELECT toLowCardinality('x'), [NULL, 1], map('k', 2)").result_rows == [("x", [None, 1], {"k": 2})]
    assert client.query("SELECT number FROM numbers(1000000)").row_count == 1_000_000
    client.close()


def test_curl_gets_its_answer(url: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    command = [curl, "-sS", "--compressed", f"{url}/?enable_http_compression=1", "--data-binary", "SELECT 1 FORMAT JSONEachRow"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=20).stdout == b'{"1":1}\n'


def test_reads_answer_while_inserts_run_and_none_is_lost(url: str, table: str) -> None:
    failures: list[str] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        for number in range(10):
            body = b"".join(b"%d\tx\n" % (worker * 1000 + number) for _ in range(500))
            answer = _post(url, body, query=f"INSERT INTO {table} FORMAT TSV")
            if answer.status_code != 200:
                failures.append(answer.text)

    def read() -> None:
        while not stop.is_set():
            answer = _post(url, f"SELECT count(), uniq(b) FROM {table}")
            if answer.status_code != 200:
                failures.append(answer.text)

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert _post(url, f"SELECT count() FROM {table}").text == "20000\n"


def test_a_slow_query_does_not_hold_up_others(url: str) -> None:
    slow = threading.Thread(target=_post, args=(url, "SELECT sleepEachRow(0.4) FROM numbers(2) SETTINGS max_block_size = 1"))
    slow.start()
    assert _post(url, "SELECT 1").text == "1\n"
    assert slow.is_alive()
    slow.join()


def test_a_client_that_goes_away_in_an_insert_leaves_nothing(url: str, table: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"1\tx\n"
        raise ConnectionError("gone")

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(f"{url}/", params={"query": f"INSERT INTO {table} FORMAT TSV"}, data=broken(), timeout=10)
    assert _post(url, f"INSERT INTO {table} FORMAT TSV\n2\ty").status_code == 200
    assert _rows(url, table) == [["2", "y"]]


def test_long_queries_come_as_forms(url: str) -> None:
    answer = requests.post(f"{url}/", files={"query": (None, "SELECT {x:String}"), "param_x": (None, "ż")}, timeout=10)
    assert answer.text == "ż\n"


def test_any_user_is_let_in_where_none_is_configured(url: str) -> None:
    token = base64.b64encode(b"someone:secret").decode()
    assert _post(url, "SELECT 1", {"Authorization": f"Basic {token}"}).status_code == 200
    assert requests.get(f"{url}/?" + urlencode({"query": "SELECT 1", "user": "x", "password": "y"}), timeout=10).status_code == 200
