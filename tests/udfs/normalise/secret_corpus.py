"""Made-up secrets in the places where logs hold them, and texts that only look like secrets. Seeded; none was ever valid.

Keys are put together at run time, so that secret scanners find nothing in this file.
"""

from __future__ import annotations

import base64
import json
import random
import string
from pathlib import Path
from typing import NamedTuple

__all__ = ["Case", "harmless", "secrets"]

_ALNUM = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits
_HEX = "0123456789abcdef"
_URL = _ALNUM + "-_"


class Case(NamedTuple):
    """A text as a log holds it."""

    kind: str
    text: str
    secret: str
    """The part that must not survive; '' in harmless texts."""
    is_query: bool = False


def _key(rng: random.Random, letters: str, n: int) -> str:
    # A digit and a letter for sure: random keys always have both.
    return "".join(rng.choices(letters, k=n - 2)) + "7" + ("A" if "A" in letters else "b")


def _luhn(rng: random.Random, prefix: str, n: int) -> str:
    digits = [int(d) for d in prefix] + [rng.randrange(10) for _ in range(n - len(prefix) - 1)]
    total = sum(d if i % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits)))
    return "".join(map(str, digits)) + str(-total % 10)


def _iban(rng: random.Random, country: str, n: int) -> str:
    account = "".join(rng.choices(string.digits, k=n - 4))
    number = int("".join(str(int(c, 36)) for c in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def _jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part({'sub': str(rng.randrange(10**6)), 'exp': 1790000000})}.{_key(rng, _URL, 43)}"


def _vendor_keys(rng: random.Random) -> dict[str, str]:
    return {
        "aws access key": "AKIA" + _key(rng, _UPPER, 16),
        "aws session key": "ASIA" + _key(rng, _UPPER, 16),
        "github": "ghp_" + _key(rng, _ALNUM, 36),
        "github oauth": "gho_" + _key(rng, _ALNUM, 36),
        "github server": "ghs_" + _key(rng, _ALNUM, 36),
        "github fine-grained": "github_pat_" + _key(rng, _ALNUM, 22) + "_" + _key(rng, _ALNUM, 59),
        "gitlab": "glpat-" + _key(rng, _ALNUM, 20),
        "gitlab runner": "glrt-" + _key(rng, _ALNUM, 20),
        "stripe": "sk_live_" + _key(rng, _ALNUM, 24),
        "stripe restricted": "rk_live_" + _key(rng, _ALNUM, 24),
        "stripe hook": "whsec_" + _key(rng, _ALNUM, 32),
        "slack bot": "xoxb-" + _key(rng, string.digits, 12) + "-" + _key(rng, _ALNUM, 24),
        "slack user": "xoxp-" + _key(rng, string.digits, 12) + "-" + _key(rng, _ALNUM, 24),
        "slack app": "xapp-1-" + _key(rng, _UPPER, 11) + "-" + _key(rng, _HEX, 40),
        "google api": "AIza" + _key(rng, _URL, 35),
        "google oauth": "ya29." + _key(rng, _URL, 60),
        "google client": "GOCSPX-" + _key(rng, _ALNUM, 28),
        "sendgrid": "SG." + _key(rng, _ALNUM, 22) + "." + _key(rng, _ALNUM, 43),
        "mailgun": "key-" + _key(rng, _HEX, 32),
        "mailchimp": _key(rng, _HEX, 32) + "-us12",
        "twilio": "SK" + _key(rng, _HEX, 32),
        "openai": "sk-" + _key(rng, _ALNUM, 48),
        "openai project": "sk-proj-" + _key(rng, _URL, 64),
        "anthropic": "sk-ant-api03-" + _key(rng, _URL, 80),
        "hugging face": "hf_" + _key(rng, _ALNUM, 34),
        "groq": "gsk_" + _key(rng, _ALNUM, 52),
        "npm": "npm_" + _key(rng, _ALNUM, 36),
        "pypi": "pypi-AgEIcHlwaS5vcmc" + _key(rng, _URL, 80),
        "rubygems": "rubygems_" + _key(rng, _HEX, 48),
        "docker": "dckr_pat_" + _key(rng, _ALNUM, 27),
        "digitalocean": "dop_v1_" + _key(rng, _HEX, 64),
        "shopify": "shpat_" + _key(rng, _HEX, 32),
        "square": "sq0atp-" + _key(rng, _ALNUM, 22),
        "databricks": "dapi" + _key(rng, _HEX, 32),
        "linear": "lin_api_" + _key(rng, _ALNUM, 40),
        "atlassian": "ATATT3xFfGF0" + _key(rng, _ALNUM, 60),
        "new relic": "NRAK-" + _key(rng, _UPPER, 27),
        "grafana": "glsa_" + _key(rng, _ALNUM, 32) + "_" + _key(rng, _HEX, 8),
        "vault": "hvs." + _key(rng, _ALNUM, 60),
        "terraform": _key(rng, _ALNUM, 14) + ".atlasv1." + _key(rng, _ALNUM, 60),
        "supabase": "sbp_" + _key(rng, _HEX, 40),
        "postman": "PMAK-" + _key(rng, _HEX, 24) + "-" + _key(rng, _HEX, 34),
        "planetscale": "pscale_tkn_" + _key(rng, _ALNUM, 43),
        "figma": "figd_" + _key(rng, _ALNUM, 40),
        "pulumi": "pul-" + _key(rng, _HEX, 40),
        "age": "AGE-SECRET-KEY-1" + _key(rng, _UPPER, 58),
        "alibaba": "LTAI" + _key(rng, _ALNUM, 20),
        "telegram": str(rng.randrange(10**8, 10**9)) + ":AA" + _key(rng, _ALNUM, 33),
        "entra id": _key(rng, _ALNUM, 3) + "8Q~" + _key(rng, _ALNUM, 34),
        "jwt": _jwt(rng),
    }


def secrets() -> list[Case]:
    """About 250 texts with one secret each."""
    rng = random.Random(5)
    cases = []
    for kind, key in _vendor_keys(rng).items():
        cases.append(Case(kind, f"calling upstream with {key} failed", key))
        cases.append(Case(kind, f"/v1/hooks/{key}/run", key))
        cases.append(Case(kind, f"page=2&x={key}", key, True))
    for name in (
        "token", "access_token", "refreshToken", "id_token", "api_key", "apikey", "X-API-Key", "client_secret", "clientSecret", "password",
        "passwd", "user_password", "newPassword", "pwd", "secret", "private_key", "aws_secret_access_key", "db.password", "csrfToken",
        "session_id", "sessionToken", "credentials", "passphrase", "AccountKey", "SharedAccessKey", "signing_key", "encryptionKey", "cvv",
        "authorization", "connectionString", "jwt", "otp",
    ):  # fmt: skip
        value = _key(rng, _ALNUM, 18)
        cases += [
            Case("query", f"a=1&{name}={value}&sort=x", value, True),
            Case("json", json.dumps({"user": "bob", name: value, "n": 1}), value),
            Case("json in json", json.dumps(json.dumps({name: value})), value),
            Case("text", f"login failed {name}={value} for bob", value),
            Case("yaml", f"{name}: {value}", value),
        ]
    for value in ("hunter2", "S3cr3t!", "p@ss w0rd", "correct horse"):
        cases.append(Case("json", json.dumps({"password": value}), value))
    for name in ("code", "key", "sig", "auth", "session"):
        value = _key(rng, _ALNUM, 24)
        cases.append(Case("weak name", f"{name}={value}&a=b", value, True))
    block = "\n".join(_key(rng, _ALNUM + "+/", 64) for _ in range(4))
    for label in ("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"):
        text = f"-----BEGIN {label}-----\n{block}\n-----END {label}-----"
        cases += [Case("key block", f"loaded {text} ok", block[70:90]), Case("key block", json.dumps({"pem": text}), block[70:90])]
        cases.append(Case("key block cut off", text[:150], block[10:40]))
    for _ in range(3):
        value, other = _key(rng, _ALNUM, 26), _key(rng, _ALNUM, 12)
        basic = base64.b64encode(f"bob:{value}".encode()).decode()
        cases += [
            Case("cookie", f"Cookie: theme=dark; sid={value}; lang=en", value),
            Case("set-cookie", f'"set-cookie": "sid={value}; Path=/; HttpOnly"', value),
            Case("basic", f"Authorization: Basic {basic}", basic),
            Case("basic in text", f"sent Basic {basic} to peer", basic),
            Case("bearer", f'authorization="Bearer {value}"', value),
            Case("bearer, encoded", f"/cb/Bearer%20{value}", value),
            Case("userinfo", f"postgres://app:{value}@db.internal:5432/x", value),
            Case("userinfo", f"git clone https://bob:{value}@git.example.com/x.git", value),
            Case("curl", f"curl -u bob:{value} https://example.com", value),
            Case("flag", f"mysql --password {value} --host db", value),
            Case("xml", f"<soap:Password>{value}</soap:Password>", value),
            Case("slack hook", f"https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/{value}", value),
            Case("aws signature", f"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={_key(rng, _HEX, 64)}", "Signature=0x"),
            Case("presigned", f"X-Amz-Signature={value}&X-Amz-Expires=60", value, True),
            Case("azure sas", f"sv=2022-11-02&sig={value}%3D&se=2026-01-01", value, True),
            Case("nested url", f"next=https%3A%2F%2Fe.com%3Ftoken%3D{value}%26z%3D1", value, True),
            Case("env", f"DATABASE_PASSWORD={value} API_SECRET={other}", other),
        ]
    for prefix, n in (
        ("4", 16),
        ("4", 13),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("3528", 16),
        ("36", 14),
        ("62", 19),
    ):
        card = _luhn(rng, prefix, n)
        cases.append(Case("card", f"charged {card} for order 7", card))
        cases.append(Case("card in a path", f"/cards/{card}/limits", card))
        if n == 16:
            spaced = " ".join(card[i : i + 4] for i in range(0, 16, 4))
            cases += [
                Case("card, spaced", f"card {spaced} declined", spaced),
                Case("card, dashed", f"n={spaced.replace(' ', '-')}", spaced[-4:], True),
            ]
    for country, n in (("DE", 22), ("FR", 27), ("GB", 22), ("ES", 24), ("NL", 18), ("BE", 16)):
        if country in ("GB", "NL", "FR"):
            continue  # these have letters within; the digits-only ones are made up soundly
        iban = _iban(rng, country, n)
        cases.append(Case("iban", f"payout to {iban} queued", iban))
        cases.append(Case("iban, spaced", "to " + " ".join(iban[i : i + 4] for i in range(0, n, 4)), iban[-2:]))
    for address in ("jane.doe@example.com", "j+news@mail.example.co.uk", "o'neil@example.org", "x_y@sub.example.io"):
        cases += [
            Case("e-mail", f"/users/{address}/orders", address),
            Case("e-mail, encoded", f"/users/{address.replace('@', '%40')}", address.replace("@", "%40")),
            Case("e-mail in a body", f"sent mail to <{address}>, id 5", address),
            Case("e-mail parameter", f"q={address}&p=1", address, True),
        ]
    for number in ("+14155550123", "+44 20 7946 0958", "+49-30-1234567", "+1 (415) 555-0123"):
        cases.append(Case("phone", f"sms to {number} sent", number))
    cases += [
        Case("phone parameter", "phone=4155550123&x=1", "4155550123", True),
        Case("phone parameter", "to=%2B14155550123&x=1", "14155550123", True),
        Case("us ssn", "ssn 536-22-1234 checked", "536-22-1234"),
        Case("us ssn", '{"note":"536-22-1234"}', "536-22-1234"),
        Case("gb nino", "nino AB 12 34 56 C", "AB 12 34 56 C"),
        Case("es dni", "dni 12345678Z ok", "12345678Z"),
        Case("it codice fiscale", "cf RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        Case("br cpf", "cpf 529.982.247-25", "529.982.247-25"),
        Case("birthday", '{"dateOfBirth":"1990-01-02"}', "1990-01-02"),
    ]
    return [case._replace(secret="0x") if case.secret == "Signature=0x" else case for case in cases]


def harmless() -> list[Case]:
    """More than 300 texts that must stay as they are."""
    rng = random.Random(6)
    lines = (Path(__file__).parent / "harmless.tsv").read_text().splitlines()
    cases = [Case(kind, text, "", kind == "query") for kind, _, text in (line.partition("\t") for line in lines)]
    for _ in range(40):
        cases.append(Case("uuid", f"/orders/{rng.getrandbits(128):032x}"[:41], ""))
        u = f"{rng.getrandbits(128):032x}"
        cases.append(Case("uuid", f"/x/{u[:8]}-{u[8:12]}-{u[12:16]}-{u[16:20]}-{u[20:]}", ""))
        cases.append(Case("epoch", f"job at {1_767_225_600_000 + rng.randrange(10**9)} done", ""))
        cases.append(Case("id", f"/users/{rng.randrange(10**9)}/orders/{rng.randrange(10**6)}", ""))
    for _ in range(20):
        number = _luhn(rng, "4", 16)
        wrong = number[:-1] + str((int(number[-1]) + 3) % 10)
        cases.append(Case("failed check digit", f"reference {wrong} booked", ""))
        cases.append(
            Case(
                "ip and port",
                f"{rng.randrange(1, 255)}.{rng.randrange(255)}.{rng.randrange(255)}.{rng.randrange(1, 255)}:{rng.randrange(1024, 65535)}",
                "",
            )
        )
    return cases
