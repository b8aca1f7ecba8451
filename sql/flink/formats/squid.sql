-- Squid's native access.log: time, elapsed ms, client, result/status, bytes, method, URL, user, hierarchy/peer, content type.
-- https://wiki.squid-cache.org/Features/LogFormat ("Squid result codes", "native log format"): `%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru
-- %[un %Sh/%<a %mt`. The time is that of the end of the request, in seconds. Bytes are those of the whole answer.
CREATE TABLE squid (
    `timestamp`               AS TO_TIMESTAMP_LTZ(`time`, 0),
    duration_ms               AS elapsed,
    client_address            AS client,
    http_response_status_code AS NULLIF(status, '000'),
    http_response_body_size   AS bytes,
    http_request_method       AS method,
    url_path                  AS CASE WHEN method <> 'CONNECT' THEN url END,
    server_address            AS CASE WHEN method = 'CONNECT' THEN url END,
    user_id                   AS NULLIF(user, '-')
) WITH (
    'pattern' = '^(?<time>\d{9,11}\.\d{3}) +(?<elapsed>\d+) (?<client>\S+) [A-Z_]+/(?<status>\d{3}) (?<bytes>\d+) (?<method>[A-Z_]+) (?<url>\S+) (?<user>\S+) [A-Z_]+/\S+ \S+'
);
-- sample: 1286536309.450    721 192.168.0.68 TCP_MISS/200 507 POST http://rcv-srv37.inplay.tubemogul.co/StreamReceiver/services?a=1 - DIRECT/175.41.3.171 application/xml
-- gives: {"timestamp": "2010-10-08T11:11:49.450000Z", "duration_ms": 721.0, "client_address": "192.168.0.68", "http_response_status_code": 200, "http_response_body_size": 507, "http_request_method": "POST", "url_path": "/StreamReceiver/services", "url_query": "a=1", "server_address": "rcv-srv37.inplay.tubemogul.co"}
-- sample: 1286536308.779    180 2001:db8::7 TCP_TUNNEL/200 4891 CONNECT api.example.com:443 bob HIER_DIRECT/203.0.113.9 -
-- gives: {"http_request_method": "CONNECT", "server_address": "api.example.com:443", "user_id": "bob", "client_address": "2001:db8::7", "duration_ms": 180.0}
