-- varnishncsa with what a cache has to tell: the common form, then the time it took, how it was handled, and the request id:
--   varnishncsa -F '%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-agent}i" %D %{Varnish:handling}x %{X-Request-ID}i'
-- https://varnish-cache.org/docs/trunk/reference/varnishncsa.html ("FORMAT": %D is in microseconds, %r has the whole URL with its host;
-- without these three at the end a line is read as `combined`).
CREATE TABLE varnish (
    `timestamp`               AS TO_TIMESTAMP(`timestamp`, 'dd/MMM/yyyy:HH:mm:ss Z'),
    client_address            AS clientip,
    user_id                   AS auth,
    http_request_method       AS verb,
    url_path                  AS request,
    http_response_status_code AS response,
    http_response_body_size   AS bytes,
    user_agent_original       AS agent,
    duration_us               AS took,
    request_id                AS request_id
) WITH (
    'pattern' = '^%{COMBINEDAPACHELOG} %{INT:took} %{HANDLING} (?<request_id>\S+)$',
    'grok.HANDLING' = '(?:hit|miss|pass|pipe|synth|error)'
);
-- sample: 203.0.113.9 - - [12/Mar/2026:10:11:12 +0100] "GET http://www.example.com/a?b=c HTTP/1.1" 200 1234 "-" "curl/8.0" 1250 hit req-17
-- gives: {"timestamp": "2026-03-12T09:11:12.000000Z", "client_address": "203.0.113.9", "http_request_method": "GET", "server_address": "www.example.com", "url_path": "/a", "url_query": "b=c", "http_response_status_code": 200, "http_response_body_size": 1234, "user_agent_original": "curl/8.0", "duration_ms": 1.25, "request_id": "req-17"}
-- sample: 2001:db8::7 - bob [12/Mar/2026:10:11:13 +0000] "POST http://api.example.com/v1/orders HTTP/1.1" 503 - "-" "" 15000042 synth -
-- gives: {"client_address": "2001:db8::7", "user_id": "bob", "http_response_status_code": 503, "http_response_body_size": null, "duration_ms": 15000.042, "request_id": null, "url_path": "/v1/orders", "server_address": "api.example.com"}
