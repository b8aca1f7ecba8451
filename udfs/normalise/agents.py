"""What kind of program calls: the family of a user agent, by a small table."""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["agent_family", "read_agent_families"]

_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE), family)
    for pattern, family in (
        (r"^kube-probe|elb-healthchecker|googlehc|haproxy|consul health|amazon-route53-health|uptimerobot|pingdom|statuscake", "monitor"),
        (r"googlebot|google-inspectiontool|adsbot-google|apis-google|mediapartners", "googlebot"),
        (r"bingbot|msnbot|adidxbot", "bingbot"),
        (r"gptbot|chatgpt-user|oai-searchbot|claudebot|claude-user|anthropic-ai|perplexitybot|ccbot|bytespider|amazonbot", "ai_bot"),
        (r"facebookexternalhit|twitterbot|slackbot|discordbot|linkedinbot|whatsapp|telegrambot|skypeuripreview", "link_preview"),
        (r"nikto|sqlmap|nmap|masscan|zgrab|nuclei|acunetix|nessus|dirbuster|gobuster|wpscan|censys|burp|fuzz faster|ffuf", "scanner"),
        (r"bot\b|bot/|crawl|spider|slurp|archiver|scrapy|headless|phantomjs|selenium|puppeteer|playwright|lighthouse", "other_bot"),
        (r"^curl/|libcurl", "curl"),
        (r"^wget", "wget"),
        (r"postmanruntime|insomnia|bruno-runtime|httpie|thunder client|paw/", "api_tool"),
        (r"python-requests|python-httpx|aiohttp|python-urllib|^python/", "python"),
        (r"okhttp", "okhttp"),
        (r"go-http-client|^go-resty|fasthttp", "go"),
        (r"apache-httpclient|^java/|jakarta commons|java-http-client|spring|reactor-netty|feign|jersey|async-http-client", "java"),
        (r"node-fetch|axios|undici|got \(|^node|superagent|^bun/|^deno/", "node"),
        (r"guzzle|^php|symfony|wordpress", "php"),
        (r"^ruby|faraday|rest-client|typhoeus", "ruby"),
        (r"libwww-perl|lwp::", "perl"),
        (r"^dart|dio/", "dart"),
        (r"reqwest|hyper/|ureq", "rust"),
        (r"cfnetwork|^darwin", "apple_app"),
        (r"dalvik", "android_app"),
        (r"aws-sdk|boto|aws-cli|azsdk|google-api|gcloud|kubectl|terraform|grpc-|envoy/", "cloud_sdk"),
        (r"prometheus|grafana|telegraf|fluent|vector/|otel|jaeger", "monitor"),
        (r"k6/|apachebench|jmeter|gatling|locust|vegeta|hey/|wrk", "load_test"),
        (r"\bedg(?:e|a|ios)?/", "edge"),
        (r"\bopr/|opera", "opera"),
        (r"samsungbrowser", "samsung"),
        (r"firefox|fxios", "firefox"),
        (r"chrome|crios|chromium", "chrome"),
        (r"version/[\d.]+.*safari|safari/", "safari"),
        (r"msie|trident", "internet_explorer"),
        (r"iphone|ipad|android", "mobile_app"),
    )
)  # fmt: skip
"""In this order: bots name browsers, browsers name each other."""


@lru_cache(16_384)
def agent_family(text: str) -> str:
    """Family of a user agent; 'other' when no rule knows it, '' when it is empty."""
    if not text or text == "-":
        return ""
    text = text[:300].replace("%20", " ").replace("+", " ")
    return next((family for rule, family in _RULES if rule.search(text)), "other")


def read_agent_families(agents: pa.Array) -> pa.Array:
    """Family of each user agent; null stays null. Cost: one look-up a row, a few regular expressions per agent not seen lately."""
    coded = agents.dictionary_encode()
    families = pa.array([agent_family(text) for text in coded.dictionary.to_pylist()], pa.string())
    return pc.take(families, coded.indices)
