-- Knobs of the stages before and after scoring. Edit a value, run `anomasec check`, restart the job from its savepoint.
-- Durations: a number and ms, s, min, h or d. What scoring uses (thresholds, weights, rules) stands in score.sql.
-- The column on the right: what it does (its default).

-- ---- clock
SET 'anomasec.pipeline.tick' = '1 s';                          -- duration: step of the broker clock at which stages work; longer = later and cheaper (1 s)

-- ---- normalise: lines to events
SET 'anomasec.normalise.field_mapping' = '-';                  -- key=field, a.b=field or -: own keys of JSON lines, which go before the built-in ones (-)
SET 'anomasec.normalise.topic_formats' = '-';                  -- topic=format, topic=format+format or -: the only formats a topic is read as, in place of finding out line by line (-)
SET 'anomasec.normalise.joins_by' = '-';                       -- source=request_id or source=trace_id, the source a topic, environment, service or format, or -: the only id that joins the events of a source; else request_id, then trace_id (-)
SET 'anomasec.normalise.max_invalid_ratio' = '0.5';            -- 0..1: share of unreadable lines that stops the job (the brake); 1 = never (0.5)
SET 'anomasec.normalise.min_lines' = '10000';                  -- lines: seen before the brake can act (10000)
SET 'anomasec.normalise.redact_personal' = 'on';               -- on or off: whether e-mail addresses, phone numbers, IBANs and national ids are masked (on)
SET 'anomasec.normalise.national_ids' = 'us, gb, es, it, br';  -- us, gb, ca, es, it, fr, de, br, pl or -: countries whose national ids are masked (us, gb, es, it, br)
SET 'anomasec.normalise.redact_dead_letters' = 'off';          -- on or off: whether secrets in the originals of dead letters are masked; on = they are no longer the bytes that came (off)
SET 'anomasec.normalise.trusted_hops' = '0';                   -- proxies: own proxies in front of the one that logs; 0 = the first of X-Forwarded-For is the caller (0)
SET 'anomasec.normalise.trusted_proxies' = '-';                -- CIDRs or -: networks of own proxies, the last address outside of them is the caller; goes before trusted_hops (-)
SET 'anomasec.normalise.pseudonyms' = '-';                     -- user_id, client_id, token_id, client_address or -: ids replaced by keyed hashes; wants [privacy] pseudonym_key in anomasec.toml (-)

-- ---- assemble: events to transactions
SET 'anomasec.assemble.close_at' = '0.98';                     -- 0..1: chance of being complete, learned from transactions alike, at which one is closed; higher = later rows, fewer amendments (0.98)
SET 'anomasec.assemble.complete_wait' = '1 s';                 -- duration: quiet time after which a whole tree is closed, until enough is learned (1 s)
SET 'anomasec.assemble.idle_wait' = '10 s';                    -- duration: quiet time after which any transaction is closed, until enough is learned (10 s)
SET 'anomasec.assemble.min_wait' = '1 s';                      -- duration: shortest quiet time that may be learned (1 s)
SET 'anomasec.assemble.max_wait' = '5 min';                    -- duration: longest time a transaction stays open (5 min)
SET 'anomasec.assemble.fixed_wait' = '0 s';                    -- duration: time after its first event at which every transaction is closed; 0 = learned as above (0 s)
SET 'anomasec.assemble.late_horizon' = '10 min';               -- duration: time after closing in which late events amend it; longer = more state (10 min)
SET 'anomasec.assemble.max_rows' = '4000000';                  -- events: held per key partition; the oldest transactions go first (4000000)
SET 'anomasec.assemble.max_events' = '100000';                 -- events: of one transaction; more close it as evicted (100000)

-- ---- measure: events and transactions to points
SET 'anomasec.measure.widths' = '5 s, 1 min, 5 min, 1 h';      -- durations, each a multiple of the one before: window widths of routes, services, environments (5 s, 1 min, 5 min, 1 h)
SET 'anomasec.measure.client_widths' = '1 min, 5 min, 1 h';    -- durations: window widths of clients (1 min, 5 min, 1 h)
SET 'anomasec.measure.wait' = '2 s';                           -- duration: time after a window's end before it is first emitted; longer = fewer amendments, later alarms (2 s)
SET 'anomasec.measure.late_horizon' = '10 min';                -- duration: time after a window's end in which late data amends it (10 min)
SET 'anomasec.measure.history' = '60';                         -- points: of a series its baseline looks back on; more = steadier, slower to follow (60)
SET 'anomasec.measure.max_series' = '200000';                  -- series: per key partition; the longest unseen go first (200000)
SET 'anomasec.measure.max_routes' = '1000';                    -- routes: of one service and environment; further ones are counted together as its route other (1000)

-- ---- correlate: anomalies to incidents
SET 'anomasec.correlate.gap' = '2 min';                        -- duration: quiet time that closes an incident (2 min)
SET 'anomasec.correlate.alone_score' = '90';                   -- 0..100: score from which a single anomaly is an incident; weaker ones need a second (90)

-- ---- budget: which incidents page; budgets of teams, silences and overrides stand in budget.sql
SET 'anomasec.budget.pages_per_week' = '5';                    -- pages: a week for the whole estate; sets how strong an incident must be to page (5)
SET 'anomasec.budget.min_effect' = '0.2';                      -- share of expected: least distance from it that counts towards a page (0.2)
SET 'anomasec.budget.repeat_after' = '1 h';                    -- duration: time in which the same service pages again only for something half as strong again (1 h)
SET 'anomasec.budget.rules' = 'budget.sql';                    -- file: beside this one with budgets of teams, silences and overrides (budget.sql)
