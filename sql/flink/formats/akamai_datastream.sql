-- Akamai DataStream 2, JSON. https://techdocs.akamai.com/datastream2/docs/data-set-parameters-1: values are texts, '-' where there is
-- nothing; reqTimeSec is when the edge accepted the request; the whole request is reading it, turning it around and transferring the answer.
CREATE TABLE akamai_datastream (
    `timestamp`               AS TO_TIMESTAMP_LTZ(JSON_VALUE(line, '$.reqTimeSec'), 0),
    http_request_method       AS JSON_VALUE(line, '$.reqMethod'),
    url_path                  AS REGEXP_REPLACE(JSON_VALUE(line, '$.reqPath'), '^([^/])', '/$1'),
    url_query                 AS JSON_VALUE(line, '$.queryStr'),
    http_response_status_code AS JSON_VALUE(line, '$.statusCode'),
    http_response_body_size   AS COALESCE(JSON_VALUE(line, '$.rspContentLen'), JSON_VALUE(line, '$.bytes')),
    duration_ms               AS CAST(COALESCE(JSON_VALUE(line, '$.reqEndTimeMSec'), '0') AS DOUBLE)
                                 + CAST(COALESCE(JSON_VALUE(line, '$.turnAroundTimeMSec'), '0') AS DOUBLE)
                                 + CAST(JSON_VALUE(line, '$.transferTimeMSec') AS DOUBLE),
    client_address            AS COALESCE(JSON_VALUE(line, '$.xForwardedFor'), JSON_VALUE(line, '$.cliIP')),
    user_agent_original       AS URL_DECODE(REPLACE(JSON_VALUE(line, '$.UA'), '+', ' ')),
    server_address            AS JSON_VALUE(line, '$.reqHost'),
    request_id                AS JSON_VALUE(line, '$.reqId')
) WITH (
    'matches.keys' = 'reqTimeSec, reqMethod, reqPath, cp'
);
-- sample: {"version":1,"cp":"123456","reqId":"1239f220","reqTimeSec":"1573840000.250","bytes":"4995","cliIP":"128.147.28.68","statusCode":"206","proto":"HTTPS","reqHost":"test.hostname.net","reqMethod":"GET","reqPath":"path1/path2/file.ext","reqPort":"443","rspContentLen":"5000","UA":"Mozilla%2F5.0+%28Macintosh%3B+Intel%29","queryStr":"param=value","xForwardedFor":"-","reqEndTimeMSec":"3","turnAroundTimeMSec":"11","transferTimeMSec":"125"}
-- gives: {"timestamp": "2019-11-15T17:46:40.250000Z", "request_id": "1239f220", "client_address": "128.147.28.68", "http_response_status_code": 206, "server_address": "test.hostname.net", "http_request_method": "GET", "url_path": "/path1/path2/file.ext", "url_query": "param=value", "http_response_body_size": 5000, "user_agent_original": "Mozilla/5.0 (Macintosh; Intel)", "duration_ms": 139.0}
