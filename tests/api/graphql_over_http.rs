//! The draft of the GraphQL-over-HTTP specification (of August 2026), sentence by sentence. Each row holds us to one:
//! what it says, a request, and the status and content type that must come back. In two places the draft's newest words
//! are only a SHOULD that clients and proxies do not know yet, and the older ones hold here: 400 and not 422 for what is not
//! valid, and no 294 for a partial success.
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
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
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

    fn to(self, address: SocketAddr) -> std::io::Result<Got> {
        let length = self.body.len() + self.withheld;
        let this = if self.method == "POST" { self.and("content-length", &length.to_string()) } else { self };
        let headers: String = this.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let first = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", this.method, this.target);
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(&[first.as_bytes(), headers.as_bytes(), b"\r\n", &this.body].concat())?;
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
        let known = |key: &String| ["data", "errors", "extensions"].contains(&key.as_str());
        let is_map = body.as_object().is_some_and(|body| body.keys().all(known));
        let is_head = method == "HEAD";
        let is_data = data.is_some_and(|data| !data.is_null());
        let rules = [
            ("is a map of data, errors and extensions", is_head || is_map),
            ("errors are a list of one or more, each with its message", errors.is_none_or(listed)),
            ("extensions are a map", body.get("extensions").is_none_or(Value::is_object)),
            ("null data comes with errors", data.is_none() || is_data || errors.is_some()),
            ("data that is not null: MUST be 2xx", !is_data || (200..300).contains(&self.status)),
            ("no data: MUST be 4xx or 5xx", is_head || data.is_some() || self.status >= 400),
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
        let (method, accept) = (request.method, request.headers.first().cloned());
        let got = ask(app, request).await;
        let (faults, told) = (got.faults(method), (got.status, got.header("content-type")));
        if told != (status, content_type) || !faults.is_empty() {
            let body = String::from_utf8_lossy(&got.body);
            wrong.push(format!("{name}: {accept:?}\n    {status} {content_type}: {told:?} {faults:?} {body:.200}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rows, and once more as a client asks that knows application/json alone: it is answered as others are, in its own
/// media type.
fn and_legacy(rows: Vec<Row>) -> Vec<Row> {
    let legacy = |(name, request, status, _): &Row| (*name, request.clone().accept("application/json"), *status, JSON);
    let again: Vec<Row> = rows.iter().map(legacy).collect();
    [rows, again].concat()
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
        ("a page does not conflict", get(&[("query", "{ __typename }")]).accept("text/html, */*;q=0.1"), 200, RESPONSE),
        ("nor by another spelling", page("/graphql?%71uery={__typename}", "text/html, */*;q=0.1"), 200, RESPONSE),
        ("nor where it is wanted less", page("/graphql", "text/html;q=0.1, application/json"), 400, JSON),
        ("nor where it is not wanted", page("/graphql", "text/html;q=0, application/json"), 400, JSON),
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
        ("is not UTF-8", post(latin1), 400, RESPONSE),
        ("not well-formed: 4xx", post("{\"qeury\": \"{__typename}\"}"), 400, RESPONSE),
        ("an empty map", post("{}"), 400, RESPONSE),
        ("a list", post("[{\"query\": \"{ __typename }\"}]"), 400, RESPONSE),
        ("null", post("null"), 400, RESPONSE),
        ("a string", post("\"{ __typename }\""), 400, RESPONSE),
        ("query: null", post("{\"query\": null}"), 400, RESPONSE),
        ("query: a number", post("{\"query\": 7}"), 400, RESPONSE),
        ("operationName: a number", with("\"operationName\": 7"), 400, RESPONSE),
        ("variables: a list", with("\"variables\": [7]"), 400, RESPONSE),
        ("variables: a string", with("\"variables\": \"{}\""), 400, RESPONSE),
        ("variables: a truth value", with("\"variables\": false"), 400, RESPONSE),
        ("extensions: a list", with("\"extensions\": []"), 400, RESPONSE),
        ("extensions: a string", with("\"extensions\": \"{}\""), 400, RESPONSE),
        ("extensions: a number", with("\"extensions\": 0"), 400, RESPONSE),
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
        ("no query", sent("GET", "/graphql"), 400, RESPONSE),
        ("no query beside others", get(&[("variables", "{}")]), 400, RESPONSE),
        ("an empty query is one, and no document", get(&[("query", "")]), 400, RESPONSE),
        ("variables MUST be JSON", good("variables", "{"), 400, RESPONSE),
        ("variables: a list", good("variables", "[7]"), 400, RESPONSE),
        ("extensions MUST be JSON", good("extensions", "x"), 400, RESPONSE),
        ("extensions: a string", good("extensions", "\"x\""), 400, RESPONSE),
        ("a document that is not valid", get(&[("query", "{ nonsense }")]), 400, RESPONSE),
        ("mutations MUST NOT be executed", get(&[("query", MUTATION)]), 405, RESPONSE),
        ("nor one that is named", named("C"), 405, RESPONSE),
    ];
    check(&app, and_legacy(rows)).await;
}

#[tokio::test]
async fn statuses_tell_what_kept_the_data_from_being_there() {
    let mut setup = Setup::usual();
    setup.options.bodies.stranger_bytes = 10_000;
    let app = TestApp::start_with(setup).await;
    let call = |method: &'static str| sent(method, "/graphql");
    let head = |query: &str| Sent { method: "HEAD", ..get(&[("query", query)]) };
    let variables = |variables: Value| {
        let body = json!({ "query": "query($id: ID!) { node(id: $id) { id } }", "variables": variables });
        post(body.to_string())
    };
    let named = |name: &str| post(json!({ "query": NAMED, "operationName": name }).to_string());
    let deep = format!("{{ me {{ {}id{} }} }}", "createdBy { ".repeat(20), " }".repeat(20));
    let stranger = document("{ __typename }").with("authorization", "Bearer nonsense");
    // Longer than any URI has to be, and short enough to fit into a head.
    let long = sent("GET", format!("/graphql?query=%7B__typename%7D{}", "+".repeat(30_000)));
    let late = Sent { withheld: 1, ..document("{ __typename }") };
    let rows = vec![
        ("a document that cannot be parsed: SHOULD be 400", document("{"), 400, RESPONSE),
        ("an empty document", document(""), 400, RESPONSE),
        ("not a word of the language", document("{ __typename ? }"), 400, RESPONSE),
        ("not valid: 4xx", document("{ nonsense }"), 400, RESPONSE),
        ("an argument that is not there", document("{ node { id } }"), 400, RESPONSE),
        ("subscriptions, which the schema has not", document("subscription { me }"), 400, RESPONSE),
        ("rules of our own", document(&deep), 400, RESPONSE),
        ("no operation", document("fragment F on Query { __typename }"), 400, RESPONSE),
        ("an operation of several: 4xx", document(NAMED), 400, RESPONSE),
        ("an operation that is not there", named("D"), 400, RESPONSE),
        ("variables of another type: 4xx", variables(json!({ "id": {} })), 400, RESPONSE),
        ("null for a variable that is required", variables(json!({ "id": null })), 400, RESPONSE),
        ("a variable that is missing", variables(json!({})), 400, RESPONSE),
        ("not permitted: SHOULD be 401", stranger, 401, RESPONSE),
        ("another method: SHOULD be 405", call("PUT"), 405, RESPONSE),
        ("DELETE", call("DELETE"), 405, RESPONSE),
        ("OPTIONS, where no other site may ask", call("OPTIONS"), 405, RESPONSE),
        ("HEAD MUST be as GET", head("{ __typename }"), 200, RESPONSE),
        ("HEAD of a mutation", head(MUTATION), 405, RESPONSE),
        ("not in time: SHOULD be 408", late, 408, RESPONSE),
        ("too large: SHOULD be 413", document(&format!("{{ __typename }} #{}", "x".repeat(10_000))), 413, RESPONSE),
        ("a URI that is too long: SHOULD be 414", long, 414, RESPONSE),
    ];
    check(&app, and_legacy(rows)).await;

    let mut setup = Setup::usual();
    setup.options.max_requests = 0;
    let busy = TestApp::start_with(setup).await;
    check(&busy, and_legacy(vec![("overloaded: SHOULD be 503", document("{ __typename }"), 503, RESPONSE)])).await;
}
