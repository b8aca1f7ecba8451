from __future__ import annotations

import pyarrow as pa
import pytest

from udfs.normalise.routes import read_routes


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("*", "*"),
        ("", ""),
        (None, ""),
        ("/health", "/health"),
        ("/api/v2/search", "/api/v2/search"),
        ("/oauth2/token", "/oauth2/token"),
        ("/v1/users/17", "/v1/users/{id}"),
        ("/v1/users/17/", "/v1/users/{id}/"),
        ("/v1/users/17/orders/4/5", "/v1/users/{id}/orders/{id}/{id}"),
        ("/v1/payments/84833:capture", "/v1/payments/{id}:capture"),
        ("/deposits/transactions:search", "/deposits/transactions:search"),
        ("/x/14FF37C0-C83C-4CB5-9091-269A9337D362", "/x/{id}"),
        ("/x/14ff37c0-c83c-4cb5-9091-269a9337d362/y", "/x/{id}/y"),
        ("/Items/77c40737e58d0f8d03c5047ee17c4185/Images", "/Items/{id}/Images"),
        ("/blobs/deadbee1", "/blobs/{id}"),
        ("/facade/decade", "/facade/decade"),
        ("/days/2024-02-29/rides", "/days/{id}/rides"),
        ("/users/jane.doe@example.com", "/users/{id}"),
        ("/users/jane%40example.com/x", "/users/{id}/x"),
        ("/hosts/10.0.0.7", "/hosts/{id}"),
        ("/orders/ord_8f3k2j1h9kk2", "/orders/{id}"),
        ("/orders/order-12345", "/orders/{id}"),
        ("/t/FMuukC2JOJ5HKmLBujjE_BkDo", "/t/{id}"),
        ("/share/qdrXrZMw2mH2Gzk", "/share/{id}"),
        ("/files/r%C3%A9sum%C3%A91.pdf", "/files/{id}"),
        ("/avatars/4711.png", "/avatars/{id}.png"),
        ("/static/app.js", "/static/app.js"),
        ("/index;jsessionid=AB12/list", "/index/list"),
        ("/v1/pets/{petId}", "/v1/pets/{petId}"),
        ("/a/REDACTED/b", "/a/{id}/b"),
    ],
)
def test_path_gives_route(path: str | None, route: str) -> None:
    assert read_routes(pa.array([path], pa.string())).to_pylist() == [route]


def test_routes_do_not_depend_on_the_paths_beside_them() -> None:
    paths = pa.array(["/a/1", "/b/x2", None, "/a/1", "/c/deadbeef00/2/3"], pa.string())
    alone = [read_routes(paths.slice(i, 1)).to_pylist()[0] for i in range(len(paths))]
    assert read_routes(paths).to_pylist() == alone


def test_no_paths_give_no_routes() -> None:
    assert len(read_routes(pa.array([], pa.string()))) == 0
