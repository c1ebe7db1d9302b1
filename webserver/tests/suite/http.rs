//! What every request goes through, and the website.

use crate::support::{TestServer, error, header, user};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

#[tokio::test]
async fn unknown_paths_are_json_unless_html_is_preferred() {
    let server = TestServer::start_with(|_, dir| {
        std::fs::write(dir.join("site/index.html"), "<h1>home</h1>").unwrap();
        std::fs::write(dir.join("site/404.html"), "<h1>missing</h1>").unwrap();
    })
    .await;
    assert_eq!(
        error(server.get("/nothing").await).await,
        (404, "unknown_path".to_owned())
    );
    let page = server
        .request("/nothing")
        .header("accept", "text/html,*/*;q=0.8")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 404);
    assert_eq!(page.text().await.unwrap(), "<h1>missing</h1>");
    let post = server
        .client
        .post(server.url("/nothing"))
        .send()
        .await
        .unwrap();
    assert_eq!(error(post).await.0, 404);
    let wrong_method = server
        .client
        .delete(server.url("/clusters/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        error(wrong_method).await,
        (405, "method_not_allowed".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn a_browser_gets_errors_as_a_page_without_scripts() {
    let server = TestServer::start().await;
    let path = "/tasks/6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11/ioauth/download-link?ioauth=%3Cb%3E";
    let request = server.request(path).header("accept", "text/html,*/*;q=0.8");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert!(
        header(&answer, "content-security-policy")
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    let id = header(&answer, "x-request-id");
    let page = answer.text().await.unwrap();
    assert!(
        page.contains("open the link again") && page.contains(&id),
        "{page}"
    );
    assert_eq!(
        error(server.get(path).await).await,
        (400, "unknown_proof".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn the_website_is_served_with_a_strict_policy_and_nothing_beside_it() {
    let server = TestServer::start_with(|_, dir| {
        let site = dir.join("site");
        std::fs::create_dir_all(site.join("_app/immutable")).unwrap();
        std::fs::write(site.join("index.html"), "<script>alert(1)</script>").unwrap();
        std::fs::write(site.join("_app/immutable/a.js"), "1").unwrap();
        std::fs::write(dir.join("secret.txt"), "secret").unwrap();
    })
    .await;
    let home = server.get("/").await;
    let policy = header(&home, "content-security-policy");
    assert!(
        policy.contains("script-src 'self' 'sha256-") && !policy.contains("unsafe-inline"),
        "{policy}"
    );
    assert_eq!(header(&home, "x-content-type-options"), "nosniff");
    let tag = header(&home, "etag");
    let again = server
        .request("/")
        .header("if-none-match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 304);
    let script = server.get("/_app/immutable/a.js").await;
    assert!(header(&script, "cache-control").contains("immutable"));
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//etc/passwd",
    ] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_website_the_first_page_says_how_to_build_it() {
    let server = TestServer::start().await;
    let home = server.get("/").await;
    assert_eq!(home.status(), 200);
    assert!(home.text().await.unwrap().contains("make website"));
    assert_eq!(error(server.get("/docs/splashtail").await).await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_database_without_tables_is_not_ready_until_it_is_migrated() {
    let server = TestServer::start_unmigrated().await;
    assert_eq!(server.admin("/readyz").await.status(), 503);
    let early = server.get("/jobs/summary").await;
    assert_eq!(header(&early, "retry-after"), "2");
    assert_eq!(error(early).await, (503, "starting".to_owned()));
    server.storage.migrate().await.unwrap();
    server.wait_until_ready().await;
    assert_eq!(server.get("/jobs/summary").await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn other_origins_are_answered_only_when_listed() {
    let server = TestServer::start_with(|config, _| {
        config.sites.frontend = "https://antiraid.test".parse().unwrap();
    })
    .await;
    let from = async |origin: &str| {
        server
            .request("/jobs/summary")
            .header("origin", origin)
            .send()
            .await
            .unwrap()
    };
    let listed = from("https://antiraid.test").await;
    assert_eq!(
        header(&listed, "access-control-allow-origin"),
        "https://antiraid.test"
    );
    assert_eq!(header(&listed, "access-control-allow-credentials"), "");
    assert!(header(&listed, "vary").contains("origin"));
    assert!(header(&listed, "access-control-expose-headers").contains("req-limit"));
    let other = from("https://evil.test").await;
    assert_eq!(header(&other, "access-control-allow-origin"), "");

    let preflight = server
        .client
        .request(reqwest::Method::OPTIONS, server.url("/entities/1/tasks/x"))
        .header("origin", "https://antiraid.test")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert!(header(&preflight, "access-control-allow-methods").contains("POST"));
    assert!(header(&preflight, "access-control-allow-headers").contains("user-auth"));
    server.stop().await;
}

#[tokio::test]
async fn answers_carry_an_id_of_ours() {
    let server = TestServer::start().await;
    let sent = server
        .request("/jobs/summary")
        .header("x-request-id", "forged")
        .send()
        .await
        .unwrap();
    let (first, second) = (
        header(&sent, "x-request-id"),
        header(&server.get("/x").await, "x-request-id"),
    );
    assert!(first.len() == 32 && first != second && first != "forged");
    server.stop().await;
}

#[tokio::test]
async fn exactly_the_limit_passes_and_the_headers_tell() {
    let server = TestServer::start().await;
    let body = json!({"auth_type": "User", "target_id": "1", "token": "x"});
    let ask = async || {
        server
            .client
            .post(server.url("/auth/test"))
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    for made in 1..=20 {
        let response = ask().await;
        assert_eq!(response.status(), 401);
        assert_eq!(header(&response, "req-made"), made.to_string());
        assert_eq!(header(&response, "req-limit"), "20");
        assert_eq!(header(&response, "bucket"), "auth_test");
    }
    let refused = ask().await;
    assert_eq!(header(&refused, "retry-after"), "60");
    assert_eq!(error(refused).await, (429, "rate_limited".to_owned()));
    server.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(ask().await.status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn the_peer_is_counted_whatever_it_says_about_itself() {
    let server = TestServer::start().await;
    for number in 0..21 {
        let response = server
            .client
            .post(server.url("/auth/test"))
            .header("x-forwarded-for", format!("198.51.100.{number}"))
            .json(&json!({"auth_type": "User", "target_id": "1", "token": "x"}))
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.status(),
            if number < 20 { 401 } else { 429 },
            "{number}"
        );
    }
    server.stop().await;
}

/// A server behind a proxy, and how a client at an address does at `/auth/test`.
async fn behind_a_proxy() -> TestServer {
    TestServer::start_with(|config, _| {
        config.meta.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await
}

async fn try_a_token(server: &TestServer, address: &str) -> u16 {
    let response = server
        .client
        .post(server.url("/auth/test"))
        .header("x-forwarded-for", address)
        .json(&json!({"auth_type": "User", "target_id": "1", "token": "x"}))
        .send();
    response.await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_client() {
    let server = behind_a_proxy().await;
    for number in 0..20 {
        let address = format!("2001:db8:1:2:{number:x}::1");
        assert_eq!(try_a_token(&server, &address).await, 401, "{number}");
    }
    assert_eq!(try_a_token(&server, "2001:db8:1:2:ffff::9").await, 429);
    assert_eq!(try_a_token(&server, "2001:db8:1:3::1").await, 401);
    for _ in 0..20 {
        assert_eq!(try_a_token(&server, "203.0.113.9").await, 401);
    }
    assert_eq!(try_a_token(&server, "::ffff:203.0.113.9").await, 429);
    server.stop().await;
}

#[tokio::test]
async fn who_owns_a_block_of_ipv6_does_not_get_one_limit_per_network() {
    let server = behind_a_proxy().await;
    let mut taken = 0;
    for network in 0..30 {
        for _ in 0..20 {
            let status = try_a_token(&server, &format!("2001:db8:1:{network:x}::1")).await;
            taken += usize::from(status == 401);
        }
    }
    assert_eq!(taken, 20 * 20);
    assert_eq!(try_a_token(&server, "2001:db8:2::1").await, 401);
    server.stop().await;
}

#[tokio::test]
async fn invented_methods_are_one_series() {
    let server = TestServer::start().await;
    for number in 0..50 {
        let method = format!("INVENTED{number}").parse().unwrap();
        let request = server.client.request(method, server.url("/jobs/summary"));
        assert_eq!(request.send().await.unwrap().status(), 405);
    }
    let metrics = server.admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("method=\"other\""), "{metrics}");
    assert!(!metrics.contains("INVENTED"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_explained() {
    let server = TestServer::start().await;
    let post = async |body: Vec<u8>, kind: &str| {
        let request = server
            .client
            .post(server.url("/auth/test"))
            .header("content-type", kind);
        error(request.body(body).send().await.unwrap()).await
    };
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(
        post(large, "application/json").await,
        (413, "body_too_large".to_owned())
    );
    assert_eq!(
        post(Vec::new(), "application/json").await,
        (400, "body_required".to_owned())
    );
    assert_eq!(
        post(b"{".to_vec(), "application/json").await,
        (400, "invalid_body".to_owned())
    );
    assert_eq!(
        post(b"{}".to_vec(), "text/plain").await,
        (400, "not_json".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn tokens_are_tested_for_their_kind_and_owner() {
    let server = TestServer::start().await;
    let token = server.token(user(7)).await;
    let test = async |kind: &str, id: &str| {
        let body = json!({"auth_type": kind, "target_id": id, "token": token});
        server
            .client
            .post(server.url("/auth/test"))
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let good = test("User", "7").await;
    assert_eq!(good.status(), 200);
    let context: Value = good.json().await.unwrap();
    assert_eq!(context["authorized"], true);
    assert!(!context.to_string().contains(&token));
    assert_eq!(error(test("User", "8").await).await.0, 401);
    assert_eq!(error(test("Server", "7").await).await.0, 401);
    assert_eq!(error(test("User", "").await).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn the_admin_address_measures_and_the_public_one_does_not() {
    let server = TestServer::start().await;
    server.get("/clusters/health").await;
    let metrics = server.admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("http_requests_total"), "{metrics}");
    assert!(metrics.contains("route=\"/clusters/health\""), "{metrics}");
    assert_eq!(server.get("/metrics").await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn every_operation_of_the_document_is_a_route() {
    let server = TestServer::start().await;
    Mock::given(path("/instance-list"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&server.clusterer)
        .await;
    let document: Value = server.get("/openapi").await.json().await.unwrap();
    assert_eq!(document["servers"][0]["url"], server.url(""));
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
        {
            let address = path
                .replace("{id}", "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11")
                .replace("{task}", "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11")
                .replace("{cluster_id}", "0")
                .replace("{name}", "splashtail");
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let answer = server
                .client
                .request(method.clone(), server.url(&address))
                .send()
                .await
                .unwrap();
            let status = answer.status().as_u16();
            let described = &item[method.as_str().to_lowercase()]["responses"];
            assert!(
                described.get(status.to_string()).is_some(),
                "{method} {path} answers {status}"
            );
            if status >= 400 {
                assert_ne!(error(answer).await.1, "unknown_path", "{method} {path}");
            }
        }
    }
    server.stop().await;
}
