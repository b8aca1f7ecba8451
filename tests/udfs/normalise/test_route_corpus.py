"""Segments that are parameters, and segments that are not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from udfs.normalise.routes import read_routes

_PARAMETERS = """
17 0 007 1776000000123 -7 14ff37c0-c83c-4cb5-9091-269a9337d362 {14FF37C0-C83C-4CB5-9091-269A9337D362} 01ARZ3NDEKTSV4RRFFQ69G5FAV
01HZX3K8W4Q1V9F2T6B7N5M0CD 0ujtsYcgvSTl8PAuAdqWYSMnLOv 507f1f77bcf86cd799439011 d41d8cd98f00b204e9800998ecf8427e
2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 a1b2c3d 4f3a2b1c 0x7f9c8e1d V1StGXR8_Z5jdHi6B-myT dQw4w9WgXcQ1 jane.doe@example.com
jane%40example.com 2024-02-29 2024-02 20240229 29-02-2024 2024-W08 2024-02-29T10:11:12Z 52.5200,13.4050 -33.8688,151.2093 13.4050
10.0.0.7 2001:db8::1 00:1b:44:11:3a:b7 order-12345 ord_8f3k2j1h9kk2 cus_9s6XKzkNRiz8i3 A10023 SKU-AB12-CD34 INV-2024-0017
how-to-cook-rice-48211 48211-how-to-cook-rice QWxhZGRpbjpvcGVu== dGVzdA== arn:aws:s3:::bucket urn:isbn:0451450523 r%C3%A9sum%C3%A9
@jane ~bob eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc REDACTED 1,2,3 order_99 1234567890abcdef
""".split()  # fmt: skip  # noqa: SIM905
_WORDS = """
health v1 v2 v1beta1 v2.1 1.0 2.0.3 en de en-US pt_BR zh-Hans es-419 oauth2 s3 ipv4 h264 mp3 users me orders search facade decade accessed
web3 base64 utf8 page step-2 login.php app.js index.html robots.txt favicon.ico sitemap.xml .well-known openid-configuration graphql
how-to-cook-rice terms-of-service shopping-cart user_profile OrderService GetOrders eu-west-1 us-east-2 q3 k8s i18n l10n oidc saml2
transactions:search {petId} :id * $metadata $batch api latest current default null undefined true EUR USD covid mobile-app-v2
""".split()  # fmt: skip  # noqa: SIM905


@pytest.mark.parametrize("segment", _PARAMETERS)
def test_identifier_is_a_parameter(segment: str) -> None:
    assert read_routes(pa.array([f"/a/{segment}/b"])).to_pylist() == ["/a/{id}/b"]


@pytest.mark.parametrize("segment", _WORDS)
def test_word_stays(segment: str) -> None:
    assert read_routes(pa.array([f"/a/{segment}/b"])).to_pylist() == [f"/a/{segment}/b"]
