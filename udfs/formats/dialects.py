"""Every dialect of JSON lines, in the order in which they are tried."""

from __future__ import annotations

from udfs.formats.akamai_json import AKAMAI_JSON
from udfs.formats.apache_json import APACHE_JSON, GROK_JSON
from udfs.formats.apigee_json import APIGEE_JSON
from udfs.formats.app_json import APP_DIALECTS
from udfs.formats.aws_apigateway import AWS_APIGATEWAY
from udfs.formats.aws_json import AWS_VPC_LATTICE, AWS_WAF
from udfs.formats.azure_json import AZURE_APP_REQUESTS_JSON, AZURE_APP_TABLE_JSON, AZURE_JSON, AZURE_TABLE_JSON
from udfs.formats.caddy_json import CADDY_JSON
from udfs.formats.cloudflare_json import CLOUDFLARE_JSON
from udfs.formats.dialect import Dialect
from udfs.formats.envoy_json import ENVOY_JSON
from udfs.formats.fastly_json import FASTLY_JSON
from udfs.formats.gcp_lb import GCP_LB, GCP_LOG
from udfs.formats.haproxy_json import HAPROXY_JSON
from udfs.formats.k8s_audit import K8S_AUDIT
from udfs.formats.kong_json import KONG_JSON
from udfs.formats.nginx_json import NGINX_JSON
from udfs.formats.plain_json import PLAIN_JSON
from udfs.formats.traefik_json import TRAEFIK_JSON
from udfs.formats.tyk_json import TYK_JSON

__all__ = ["DIALECTS"]

DIALECTS: tuple[Dialect, ...] = (
    AWS_WAF,
    AWS_VPC_LATTICE,
    AWS_APIGATEWAY,
    AZURE_JSON,
    AZURE_APP_REQUESTS_JSON,
    AZURE_APP_TABLE_JSON,
    AZURE_TABLE_JSON,
    CADDY_JSON,
    CLOUDFLARE_JSON,
    AKAMAI_JSON,
    GCP_LB,
    APIGEE_JSON,
    GCP_LOG,
    KONG_JSON,
    TRAEFIK_JSON,
    TYK_JSON,
    K8S_AUDIT,
    FASTLY_JSON,
    HAPROXY_JSON,
    NGINX_JSON,
    ENVOY_JSON,
    APACHE_JSON,
    GROK_JSON,
    *APP_DIALECTS,
    PLAIN_JSON,
)
"""The last takes everything."""
