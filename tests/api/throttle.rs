//! How often one caller may ask, and what they are told.

use serde_json::json;

use super::support::{Answer, Setup, TestApp};

fn told(answer: &Answer) -> (String, String) {
    let text = |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    (text("ratelimit").unwrap_or_default(), text("ratelimit-policy").unwrap_or_default())
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let mut setup = Setup::usual();
    let number = |number| std::num::NonZeroU32::new(number).expect("some");
    setup.settings.throttle.requests_per_minute = number(6);
    setup.settings.throttle.request_burst = number(4);
    setup.settings.throttle.refreshes_per_minute = number(2);
    setup.settings.throttle.new_documents_per_minute = number(2);
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
    let admin = from("192.0.2.1").sign_in("admin@voicehive-hotels.eu", "admin123").await;
    for left in [3, 2, 1, 0] {
        let answer = admin.query("{ me { id } }").await;
        assert_eq!(answer.status, 200);
        assert_eq!(told(&answer), (format!("\"requests\";r={left};t=0"), "\"requests\";q=6;w=60".to_owned()));
    }
    let refused = admin.query("{ me { id } }").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"), "{}", refused.body);
    let wait: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("a number");
    assert!((1..=10).contains(&wait), "six a minute are one in ten seconds: {wait}");
    assert!(told(&refused).0.starts_with("\"requests\";r=0;t="), "{:?}", told(&refused));
    let refused = admin.get("/auth/me").await;
    assert_eq!((refused.status.as_u16(), refused.headers.contains_key("retry-after")), (429, true));
    assert_eq!(refused.body["detail"], "Too many attempts");

    // Signing in again is a stranger's request, whatever is sent along.
    let again = from("192.0.2.20").with_token(admin.access_token.as_deref().expect("a token"));
    again.sign_in("admin@voicehive-hotels.eu", "admin123").await;

    // Nobody else is: another user, another address, and everyone behind it on their own.
    let manager = from("192.0.2.1").sign_in("manager@hotel1.com", "manager123").await;
    assert!(manager.is_signed_in().await);
    for _ in 0..4 {
        assert_eq!(from("192.0.2.2").query("{ viewer { __typename } }").await.status, 200);
    }
    assert_eq!(from("192.0.2.2").query("{ viewer { __typename } }").await.status, 429);
    assert_eq!(from("192.0.2.3").query("{ viewer { __typename } }").await.status, 200);
    // An IPv6 network is one client.
    for last in 1..=4 {
        assert_eq!(from(&format!("2001:db8::{last}")).query("{ viewer { __typename } }").await.status, 200);
    }
    assert_eq!(from("2001:db8::5").query("{ viewer { __typename } }").await.status, 429);

    let one_more = from("192.0.2.10");
    assert_eq!(one_more.query("{ viewer { __typename } } # seen before").await.status, 200);
    assert_eq!(one_more.query("{ viewer { __typename } } # for the first time").await.status, 200);
    assert_eq!(one_more.query("{ viewer { __typename } } # and one more").await.status, 429);
    assert_eq!(one_more.query("{ viewer { __typename } } # seen before").await.status, 200);
    for status in [401, 401, 429] {
        let answer = from("192.0.2.9").post("/auth/refresh", json!({ "refresh_token": "x" })).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}
