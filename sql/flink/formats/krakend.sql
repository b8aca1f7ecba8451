-- KrakenD's access log (the one of its router, Gin), with or without what a syslog or container writes before it.
-- https://www.krakend.io/docs/logging/ ("Access logs"); https://github.com/gin-gonic/gin/blob/master/logger.go (defaultLogFormatter):
-- `[GIN] date - time | status | latency | client | method "path?query"`. The time is local without a zone, that of the end of the request.
CREATE TABLE krakend (
    `timestamp`               AS TO_TIMESTAMP(ended, 'yyyy/MM/dd - HH:mm:ss'),
    http_response_status_code AS status,
    duration_ms               AS CASE
                                   WHEN latency LIKE '%m%s' AND NOT latency LIKE '%ms' THEN
                                     CAST(REGEXP_EXTRACT(latency, '^([0-9]+)m', 1) AS DOUBLE) * 60000
                                     + CAST(REGEXP_EXTRACT(latency, 'm([0-9.]+)s$', 1) AS DOUBLE) * 1000
                                   WHEN latency LIKE '%ms' THEN CAST(REPLACE(latency, 'ms', '') AS DOUBLE)
                                   WHEN latency LIKE '%µs' THEN CAST(REPLACE(latency, 'µs', '') AS DOUBLE) / 1000
                                   WHEN latency LIKE '%ns' THEN CAST(REPLACE(latency, 'ns', '') AS DOUBLE) / 1000000
                                   ELSE CAST(REPLACE(latency, 's', '') AS DOUBLE) * 1000
                                 END,
    client_address            AS client,
    http_request_method       AS method,
    url_path                  AS path
) WITH (
    'pattern' = '\[(?:GIN|KRAKEND)\] (?<ended>\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d) \| *(?<status>\d{3}) \| *(?<latency>[0-9.]+\S*) \| *%{IPORHOST:client} \| *%{WORD:method} +"(?<path>[^"]*)"',
    'time-zone' = 'UTC'
);
-- sample: [GIN] 2023/04/07 - 14:32:54 | 200 |    1.132ms |       127.0.0.1 | GET      "/hello?name=a"
-- gives: {"timestamp": "2023-04-07T14:32:54.000000Z", "http_response_status_code": 200, "duration_ms": 1.132, "client_address": "127.0.0.1", "http_request_method": "GET", "url_path": "/hello", "url_query": "name=a"}
-- sample: [GIN] 2023/04/07 - 14:32:55 | 500 | 1m2.5s |             ::1 | POST     "/v1/orders"
-- gives: {"http_response_status_code": 500, "duration_ms": 62500.0, "client_address": "::1", "http_request_method": "POST", "url_path": "/v1/orders"}
-- sample: [GIN] 2023/04/07 - 14:32:56 | 404 |     13.292µs | 10.0.0.7 | GET "/favicon.ico"
-- gives: {"duration_ms": 0.013292, "http_response_status_code": 404}
