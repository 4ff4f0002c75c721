//! A client as the world has them: it sends JSON and keeps its tokens.

use std::net::SocketAddr;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The data at this JSON pointer, of an answer without errors.
    #[track_caller]
    pub fn data(&self, pointer: &str) -> &Value {
        assert!(self.body.get("errors").is_none(), "{}", self.body);
        self.body["data"].pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
    }

    /// The strings at `pointer` of each object in the list at `list`.
    #[track_caller]
    pub fn texts(&self, list: &str, pointer: &str) -> Vec<String> {
        let list = self.data(list).as_array().expect("a list");
        let text = |item: &Value| item.pointer(pointer).and_then(Value::as_str).expect("a string").to_owned();
        list.iter().map(text).collect()
    }

    /// The code of the answer's first GraphQL error.
    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }

    /// The argument that the answer's first GraphQL error names.
    pub fn argument(&self) -> &str {
        self.body["errors"][0]["extensions"]["argument"].as_str().unwrap_or_default()
    }

    /// What the mutation `name` was refused for, as `CODE field`; empty where it worked.
    #[track_caller]
    pub fn refusals(&self, name: &str) -> Vec<String> {
        let errors = self.data(&format!("/{name}/errors")).as_array().expect("a list of errors");
        let told = |error: &Value| {
            assert!(error["message"].as_str().is_some_and(|message| message.ends_with('.')), "{error}");
            let path = error["path"].as_array().expect("a path");
            assert_eq!(path[0], "input", "{error}");
            let field = path.get(1).and_then(Value::as_str).unwrap_or_default();
            format!("{} {field}", error["code"].as_str().expect("a code")).trim_end().to_owned()
        };
        errors.iter().map(told).collect()
    }

    pub fn statements(&self) -> u64 {
        self.headers["x-sql-statements"].to_str().expect("text").parse().expect("a number")
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    pub access_token: Option<String>,
    pub refresh_token: String,
    /// Sent with each request.
    pub headers: HeaderMap,
}

const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) {
    tokens { accessToken refreshToken tokenType expiresIn } session { id } user { id }
    retryAfter errors { code message path } } }";

const REFRESH: &str = "mutation($input: RefreshInput!) { refresh(input: $input) {
    tokens { accessToken refreshToken tokenType expiresIn } session { id expiresAt } errors { code message path } } }";

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().build().expect("a client");
        Self { address, http, access_token: None, refresh_token: String::new(), headers: HeaderMap::new() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    pub fn with_token(mut self, token: &str) -> Self {
        self.access_token = Some(token.to_owned());
        self
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let mut request = request.headers(self.headers.clone());
        if let Some(token) = &self.access_token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body");
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) }
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let accept = "application/graphql-response+json";
        self.send(self.http.post(self.url("/graphql")).header("accept", accept).json(&body)).await
    }

    /// One mutation with its `input`; `selection` is what to answer beside the errors.
    pub async fn mutate(&self, name: &str, input: Value, selection: &str) -> Answer {
        let kind: String = name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect();
        let document = format!(
            "mutation($input: {kind}Input!) {{ {name}(input: $input) {{ {selection} errors {{ code message path }} }} }}"
        );
        self.graphql(&document, json!({ "input": input })).await
    }

    /// As `mutate`, of a mutation that must work.
    #[track_caller]
    pub fn done(answer: &Answer, name: &str) {
        assert_eq!(answer.refusals(name), [] as [&str; 0], "{}", answer.body);
    }

    pub async fn query(&self, query: &str) -> Answer {
        self.graphql(query, json!({})).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn try_sign_in(&self, email: &str, password: &str) -> Answer {
        self.graphql(LOGIN, json!({ "input": { "email": email, "password": password } })).await
    }

    #[track_caller]
    pub fn take_tokens(mut self, answer: &Answer, pointer: &str) -> Self {
        let tokens = answer.data(pointer);
        self.access_token =
            Some(tokens["accessToken"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned());
        tokens["refreshToken"].as_str().expect("a token").clone_into(&mut self.refresh_token);
        self
    }

    pub async fn sign_in(self, email: &str, password: &str) -> Self {
        let answer = self.try_sign_in(email, password).await;
        self.take_tokens(&answer, "/login/tokens")
    }

    pub async fn try_refresh(&self, refresh_token: &str) -> Answer {
        self.graphql(REFRESH, json!({ "input": { "refreshToken": refresh_token } })).await
    }

    pub async fn refresh(self) -> Self {
        let answer = self.try_refresh(&self.refresh_token).await;
        self.take_tokens(&answer, "/refresh/tokens")
    }

    /// Whether the access token is still honoured.
    pub async fn is_signed_in(&self) -> bool {
        let answer = self.query("{ me { id } }").await;
        match answer.status {
            StatusCode::OK => answer.data("/me").is_object(),
            StatusCode::UNAUTHORIZED => false,
            other => panic!("{other}: {}", answer.body),
        }
    }
}
