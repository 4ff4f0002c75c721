//! The draft of the GraphQL-over-HTTP specification (of August 2026), sentence by sentence. Each row holds us to one: what
//! it says, a request, and the status and content type that must come back.
//!
//! Requests are written as bytes, because clients put right what is asked about here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Setup, TestApp};

/// What responses are encoded in, and what a legacy client's are where they are a success.
const RESPONSE: &str = "application/graphql-response+json; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

const NAMED: &str = "query A { __typename } query B($id: ID!) { node(id: $id) { id } } mutation C { __typename }";
const MUTATION: &str = "mutation { __typename }";

type Row = (&'static str, Sent, u16, &'static str);

/// A request, as it goes over the wire.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes that are announced and never sent.
    withheld: usize,
}

fn sent(method: &'static str, target: impl Into<String>) -> Sent {
    let headers = vec![("accept", "application/graphql-response+json".to_owned())];
    Sent { method, target: target.into(), headers, body: Vec::new(), withheld: 0 }
}

fn post(body: impl Into<Vec<u8>>) -> Sent {
    Sent { body: body.into(), ..sent("POST", "/graphql").with("content-type", "application/json") }
}

fn document(query: &str) -> Sent {
    post(json!({ "query": query }).to_string())
}

fn get(parameters: &[(&str, &str)]) -> Sent {
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    sent("GET", format!("/graphql?{}", pairs.join("&")))
}

impl Sent {
    /// With this header, in the place of any other of its name.
    fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    fn accept(self, value: &str) -> Self {
        self.with("accept", value)
    }

    fn typed(self, value: &str) -> Self {
        self.with("content-type", value)
    }

    fn by(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn to(self, address: SocketAddr) -> std::io::Result<Got> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.method == "POST" {
            head += &format!("content-length: {}\r\n", self.body.len() + self.withheld);
        }
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(&[head.as_bytes(), b"\r\n", &self.body].concat())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Ok(Got { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

/// What came back.
struct Got {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What is wrong with it as a response to a request with this method, whatever it was for.
    fn faults(&self, method: &str) -> Vec<&'static str> {
        let body = self.json();
        let (data, errors) = (body.get("data"), body.get("errors"));
        let listed = |errors: &Value| {
            errors.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|error| error["message"].is_string()))
        };
        let mut keys = body.as_object().into_iter().flat_map(|body| body.keys());
        let is_head = method == "HEAD";
        let rules = [
            ("is a map of data, errors and extensions", {
                is_head || body.is_object() && keys.all(|key| ["data", "errors", "extensions"].contains(&key.as_str()))
            }),
            ("errors are a list of one or more, each with its message", errors.is_none_or(listed)),
            ("extensions are a map", body.get("extensions").is_none_or(Value::is_object)),
            ("null data comes with errors", data.is_none_or(|data| !data.is_null() || errors.is_some())),
            ("data that is not null: MUST be 2xx", {
                data.is_none_or(Value::is_null) || (200..300).contains(&self.status)
            }),
            ("no data: MUST be 4xx or 5xx", is_head || data.is_some() || self.status >= 400),
            ("data and errors: SHOULD be 294", data.is_none() || errors.is_none() || self.status == 294),
            ("data without errors: SHOULD be 200", data.is_none() || errors.is_some() || self.status == 200),
            ("a HEAD is answered without content", !is_head || self.body.is_empty()),
            ("the length is told", is_head || self.header("content-length") == self.body.len().to_string()),
            ("it varies with Accept", self.header("vary").to_lowercase().contains("accept")),
            ("405 MUST tell what is allowed", self.status != 405 || self.header("allow").contains("POST")),
            ("401 MUST tell how to authenticate", self.status != 401 || !self.header("www-authenticate").is_empty()),
        ];
        rules.iter().filter(|(_, holds)| !holds).map(|(rule, _)| *rule).collect()
    }
}

async fn ask(app: &TestApp, request: Sent) -> Got {
    let address = app.address;
    tokio::task::spawn_blocking(move || request.to(address)).await.expect("ends").expect("an answer")
}

/// Every row that is not answered so, at once.
async fn check(app: &TestApp, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, request, status, content_type) in rows {
        let method = request.method;
        let got = ask(app, request).await;
        let (faults, told) = (got.faults(method), (got.status, got.header("content-type")));
        if told != (status, content_type) || !faults.is_empty() {
            let body = String::from_utf8_lossy(&got.body);
            wrong.push(format!("{name}\n    {status} {content_type}: got {told:?} {faults:?} {body:.200}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rows as a client asks that knows application/json alone: all is as for others, but that what is 2xx SHOULD be sent
/// as application/json.
fn and_legacy(rows: Vec<Row>) -> Vec<Row> {
    let legacy: Vec<Row> = rows
        .iter()
        .map(|(name, request, status, _)| {
            (*name, request.clone().accept("application/json"), *status, if *status < 300 { JSON } else { RESPONSE })
        })
        .collect();
    [rows, legacy].concat()
}

#[tokio::test]
async fn responses_are_in_the_media_type_that_is_accepted() {
    let app = TestApp::start().await;
    let asked = |accept: &str| document("{ __typename }").accept(accept);
    let page = |target: &str, accept: &str| sent("GET", target).accept(accept);
    let rows = vec![
        ("MUST support graphql-response+json", asked("application/graphql-response+json"), 200, RESPONSE),
        ("SHOULD answer legacy clients", asked("application/json"), 200, JSON),
        ("what clients SHOULD send", asked("application/graphql-response+json, application/json;q=0.9"), 200, RESPONSE),
        ("MUST take the best", asked("application/graphql-response+json;q=0.1, application/json;q=0.5"), 200, JSON),
        ("the best, given last", asked("application/json;q=0.2,application/graphql-response+json"), 200, RESPONSE),
        ("the best of two fields", asked("text/html").and("accept", "application/json;q=0.1"), 200, JSON),
        ("the best supported", asked("text/html, multipart/mixed, application/json;q=0.1"), 200, JSON),
        ("anything", asked("*/*"), 200, RESPONSE),
        ("any application", asked("text/*, application/*;q=0.5"), 200, RESPONSE),
        ("a range below a type", asked("application/json, */*;q=0.1"), 200, JSON),
        ("a type that is excluded", asked("application/graphql-response+json;q=0, */*"), 200, JSON),
        ("whatever its case", asked("Application/JSON;Q=1"), 200, JSON),
        ("with a charset", asked("application/graphql-response+json; charset=utf-8"), 200, RESPONSE),
        ("with a charset, legacy", asked("application/json;charset=\"utf-8\""), 200, JSON),
        ("q after a charset", asked("application/graphql-response+json;q=0.3, */*;charset=utf-8;q=0.2"), 200, RESPONSE),
        ("no Accept: as the server chooses", document("{ __typename }").without("accept"), 200, RESPONSE),
        ("none supported: SHOULD be 406", asked("image/png, text/*"), 406, RESPONSE),
        ("none acceptable", asked("application/json;q=0"), 406, RESPONSE),
        ("none supported, by GET", get(&[("query", "{ __typename }")]).accept("text/csv"), 406, RESPONSE),
        ("a page does not conflict", get(&[("query", "{ __typename }")]).accept("text/html, */*;q=0.1"), 200, RESPONSE),
        ("nor by another spelling", page("/graphql?%71uery={__typename}", "text/html, */*;q=0.1"), 200, RESPONSE),
        ("nor where it is wanted less", page("/graphql", "text/html;q=0.1, application/json"), 422, RESPONSE),
        ("nor where it is not wanted", page("/graphql", "text/html;q=0, application/json"), 422, RESPONSE),
    ];
    check(&app, rows).await;
}

#[tokio::test]
async fn requests_by_post_are_read() {
    let app = TestApp::start().await;
    let good = || document("{ __typename }");
    let typed = |content_type: &str| good().typed(content_type);
    let named = |name: &str| post(json!({ "query": NAMED, "operationName": name }).to_string());
    let with = |members: &str| post(format!("{{\"query\": \"{{ __typename }}\", {members}}}"));
    let nulls = "\"operationName\": null, \"variables\": null, \"extensions\": null";
    let latin1 = b"{\"query\": \"{ __typename } # \xe9\"}".to_vec();
    let rows = vec![
        ("MUST support application/json, UTF-8", typed("application/json; charset=utf-8"), 200, RESPONSE),
        ("however that is written", typed("Application/JSON;Charset=\"UTF-8\""), 200, RESPONSE),
        ("MUST assume UTF-8", document("{ __typename } # \u{e9}\u{1f41d}"), 200, RESPONSE),
        ("no Content-Type: SHOULD be 4xx", good().without("content-type"), 415, RESPONSE),
        ("not supported: SHOULD be 415", typed("text/plain"), 415, RESPONSE),
        ("a form", typed("application/x-www-form-urlencoded"), 415, RESPONSE),
        ("a form of parts", typed("multipart/form-data; boundary=x"), 415, RESPONSE),
        ("another charset", typed("application/json; charset=iso-8859-1"), 415, RESPONSE),
        ("MUST ignore other properties", with("\"id\": 7, \"documentId\": [], \"x\": null"), 200, RESPONSE),
        ("null is as not specified", with(nulls), 200, RESPONSE),
        ("maps", with("\"variables\": {}, \"extensions\": {\"x\": {\"y\": 1}}"), 200, RESPONSE),
        ("variables that are not defined", with("\"variables\": {\"x\": 1}"), 200, RESPONSE),
        ("operationName", named("A"), 200, RESPONSE),
        ("JSON cannot be parsed: SHOULD be 400", post("NONSENSE"), 400, RESPONSE),
        ("breaks off", post("{\"query\":"), 400, RESPONSE),
        ("is empty", post(""), 400, RESPONSE),
        ("is not UTF-8", post(latin1), 400, RESPONSE),
        ("not well-formed: SHOULD be 422", post("{\"qeury\": \"{__typename}\"}"), 422, RESPONSE),
        ("an empty map", post("{}"), 422, RESPONSE),
        ("a list", post("[{\"query\": \"{ __typename }\"}]"), 422, RESPONSE),
        ("an empty list", post("[]"), 422, RESPONSE),
        ("null", post("null"), 422, RESPONSE),
        ("a string", post("\"{ __typename }\""), 422, RESPONSE),
        ("query: null", post("{\"query\": null}"), 422, RESPONSE),
        ("query: a number", post("{\"query\": 7}"), 422, RESPONSE),
        ("query: a map", post("{\"query\": {}}"), 422, RESPONSE),
        ("operationName: a number", with("\"operationName\": 7"), 422, RESPONSE),
        ("operationName: a map", with("\"operationName\": {}"), 422, RESPONSE),
        ("variables: a list", with("\"variables\": [7]"), 422, RESPONSE),
        ("variables: a string", with("\"variables\": \"{}\""), 422, RESPONSE),
        ("variables: a truth value", with("\"variables\": false"), 422, RESPONSE),
        ("extensions: a list", with("\"extensions\": []"), 422, RESPONSE),
        ("extensions: a string", with("\"extensions\": \"{}\""), 422, RESPONSE),
        ("extensions: a number", with("\"extensions\": 0"), 422, RESPONSE),
    ];
    check(&app, and_legacy(rows)).await;
}

#[tokio::test]
async fn requests_by_get_are_read() {
    let app = TestApp::start().await;
    let good = |name: &'static str, value: &'static str| get(&[("query", "{ __typename }"), (name, value)]);
    let named = |name: &'static str| get(&[("query", NAMED), ("operationName", name)]);
    let typed = "query($yes: Boolean!) { __typename @include(if: $yes) }";
    let empty = [("query", "{ __typename }"), ("operationName", ""), ("variables", ""), ("extensions", "")];
    let null = [("query", "query null { __typename } query A { __typename }"), ("operationName", "null")];
    let rows = vec![
        ("MAY be accepted", get(&[("query", "{ __typename }")]), 200, RESPONSE),
        ("encoded as a form is", sent("GET", "/graphql?query=query+A+%7B+__typename%0a%7d"), 200, RESPONSE),
        ("operationName", named("A"), 200, RESPONSE),
        ("its null is a name", get(&null), 200, RESPONSE),
        ("variables are JSON", get(&[("query", typed), ("variables", "{\"yes\": true}")]), 200, RESPONSE),
        ("extensions are JSON", good("extensions", "{\"x\": {\"y\": 1}}"), 200, RESPONSE),
        ("empty is as not specified", get(&empty), 200, RESPONSE),
        ("other parameters", good("x", "7"), 200, RESPONSE),
        ("no query", sent("GET", "/graphql"), 422, RESPONSE),
        ("no query beside others", get(&[("variables", "{}")]), 422, RESPONSE),
        ("an empty query is one, and no document", get(&[("query", "")]), 400, RESPONSE),
        ("variables MUST be JSON", good("variables", "{"), 422, RESPONSE),
        ("variables: a list", good("variables", "[7]"), 422, RESPONSE),
        ("extensions MUST be JSON", good("extensions", "x"), 422, RESPONSE),
        ("extensions: a string", good("extensions", "\"x\""), 422, RESPONSE),
        ("a document that is not valid", get(&[("query", "{ nonsense }")]), 422, RESPONSE),
        ("mutations MUST NOT be executed", get(&[("query", MUTATION)]), 405, RESPONSE),
        ("nor one that is named", named("C"), 405, RESPONSE),
    ];
    check(&app, and_legacy(rows)).await;
}

#[tokio::test]
async fn statuses_tell_what_kept_the_data_from_being_there() {
    let mut setup = Setup::usual();
    setup.options.max_body = 10_000;
    let app = TestApp::start_with(setup).await;
    let call = |method: &'static str| sent(method, "/graphql");
    let variables = |variables: Value| {
        let body = json!({ "query": "query($id: ID!) { node(id: $id) { id } }", "variables": variables });
        post(body.to_string())
    };
    let named = |name: &str| post(json!({ "query": NAMED, "operationName": name }).to_string());
    let deep = format!("{{ me {{ {}id{} }} }}", "createdBy { ".repeat(20), " }".repeat(20));
    let stranger = document("{ __typename }").with("authorization", "Bearer nonsense");
    let late = Sent { withheld: 1, ..document("{ __typename }") };
    let rows = vec![
        ("a document that cannot be parsed: SHOULD be 400", document("{"), 400, RESPONSE),
        ("an empty document", document(""), 400, RESPONSE),
        ("not a word of the language", document("{ __typename ? }"), 400, RESPONSE),
        ("not valid: SHOULD be 422", document("{ nonsense }"), 422, RESPONSE),
        ("an argument that is not there", document("{ node { id } }"), 422, RESPONSE),
        ("subscriptions, which the schema has not", document("subscription { me }"), 422, RESPONSE),
        ("rules of our own", document(&deep), 422, RESPONSE),
        ("no operation", document("fragment F on Query { __typename }"), 422, RESPONSE),
        ("an operation of several: SHOULD be 422", document(NAMED), 422, RESPONSE),
        ("an operation that is not there", named("D"), 422, RESPONSE),
        ("variables of another type: SHOULD be 422", variables(json!({ "id": {} })), 422, RESPONSE),
        ("null for a variable that is required", variables(json!({ "id": null })), 422, RESPONSE),
        ("a variable that is missing", variables(json!({})), 422, RESPONSE),
        ("not permitted: SHOULD be 401", stranger, 401, RESPONSE),
        ("another method: SHOULD be 405", call("PUT"), 405, RESPONSE),
        ("DELETE", call("DELETE"), 405, RESPONSE),
        ("PATCH", call("PATCH"), 405, RESPONSE),
        ("OPTIONS, where no other site may ask", call("OPTIONS"), 405, RESPONSE),
        ("HEAD MUST be as GET", get(&[("query", "{ __typename }")]).by("HEAD"), 200, RESPONSE),
        ("HEAD of a mutation", get(&[("query", MUTATION)]).by("HEAD"), 405, RESPONSE),
        ("not in time: SHOULD be 408", late, 408, RESPONSE),
        ("too large: SHOULD be 413", document(&format!("{{ __typename }} #{}", "x".repeat(10_000))), 413, RESPONSE),
        ("a URI that is too long: SHOULD be 414", good_but_long(), 414, RESPONSE),
    ];
    check(&app, and_legacy(rows)).await;

    let mut setup = Setup::usual();
    setup.options.max_requests = 0;
    let busy = TestApp::start_with(setup).await;
    check(&busy, and_legacy(vec![("overloaded: SHOULD be 503", document("{ __typename }"), 503, RESPONSE)])).await;
}

/// Longer than any URI has to be, and short enough to fit into a head.
fn good_but_long() -> Sent {
    sent("GET", format!("/graphql?query=%7B__typename%7D{}", "+".repeat(30_000)))
}

#[tokio::test]
async fn errors_of_fields_are_a_partial_success() {
    let app = TestApp::start().await;
    let token = format!("Bearer {}", app.admin().await.access_token.expect("signed in"));
    let asked = |query: &str| document(query).with("authorization", &token);
    // A field that can be null is null where it failed; one that cannot takes its parent along.
    let nullable = "{ me { __typename } node(id: \"nonsense\") { id } }";
    let required = "{ me { __typename } users(first: 1000) { totalCount } }";
    check(&app, vec![("data and errors", asked(nullable), 294, RESPONSE)]).await;
    check(&app, vec![("null data and errors", asked(required), 294, RESPONSE)]).await;
    for (query, data) in [(nullable, json!({ "me": { "__typename": "User" }, "node": null })), (required, Value::Null)] {
        assert_eq!(ask(&app, asked(query)).await.json()["data"], data, "{query}");
        // 294 is defined for the newer media type; with the older one any 2xx will do.
        let legacy = ask(&app, asked(query).accept("application/json")).await;
        assert!([200, 294].contains(&legacy.status), "{query}: {}", legacy.status);
        assert_eq!(legacy.header("content-type"), JSON);
    }
}
