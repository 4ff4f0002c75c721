//! The dashboard at `/admin` and the explorer at `/graphql`: files of their builds, which are part of this binary (`build.rs`).
//!
//! A path is looked up in a table as it stands: no file system is asked. Where one was not built in, a page says so.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::media_type::ranges;
use super::request::not_found;

/// A file, and what it is when packed.
struct File {
    /// From the folder of the build.
    path: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/front_ends.rs"));

struct FrontEnd {
    name: &'static str,
    files: &'static [File],
    /// What its pages and workers may do.
    policy: &'static str,
}

static DASHBOARD: FrontEnd = FrontEnd {
    name: "dashboard",
    files: DASHBOARD_FILES,
    policy: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/// Its editor writes styles into the page, takes images from them, and works in workers.
static EXPLORER: FrontEnd = FrontEnd {
    name: "explorer",
    files: EXPLORER_FILES,
    policy: "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
        img-src 'self' data:; font-src 'self'; worker-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

const PAGE: &str = "index.html";
/// The folder of files whose names tell their content.
const HASHED: &str = "assets/";

pub async fn to_explorer() -> Redirect {
    Redirect::to("/graphql")
}

/// The explorer's page, at an address that also answers queries.
pub fn explorer_page(headers: &HeaderMap) -> Response {
    let mut response = match EXPLORER.file(PAGE) {
        Some(page) => EXPLORER.send(page, headers),
        None => EXPLORER.not_built(StatusCode::OK),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

pub async fn explorer(uri: Uri, headers: HeaderMap) -> Response {
    match EXPLORER.file(uri.path().strip_prefix("/explorer/").unwrap_or_default()) {
        Some(file) => EXPLORER.send(file, &headers),
        None => not_found().await,
    }
}

pub async fn to_dashboard() -> Redirect {
    Redirect::permanent("/admin/")
}

/// What is no file is a place within the dashboard, which its page knows.
pub async fn dashboard(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/admin/").unwrap_or_default();
    let Some(page) = DASHBOARD.file(PAGE) else { return DASHBOARD.not_built(StatusCode::NOT_FOUND) };
    match DASHBOARD.file(path) {
        Some(file) => DASHBOARD.send(file, &headers),
        None if path.starts_with(HASHED) => not_found().await,
        None => DASHBOARD.send(page, &headers),
    }
}

pub fn dashboard_is_built_in() -> bool {
    DASHBOARD.file(PAGE).is_some()
}

impl FrontEnd {
    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn send(&self, file: &File, headers: &HeaderMap) -> Response {
        let (encoding, content) = file.accepted(headers);
        let kept = if file.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let told = [
            (header::CONTENT_TYPE, content_type(file.path)),
            (header::CACHE_CONTROL, kept),
            (header::CONTENT_SECURITY_POLICY, self.policy),
            (header::VARY, "Accept-Encoding"),
        ];
        let mut response = (told, content).into_response();
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }

    fn not_built(&self, status: StatusCode) -> Response {
        let name = self.name;
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>VoiceHive Identity</title>\n\
             <h1>The {name} is not part of this build</h1>\n\
             <p>Where Node.js 20 or newer with npm is on the PATH, <code>make run</code> builds it in; by hand it is\n\
             <code>scripts/build-front-ends</code>, then <code>cargo build --release</code>.</p>\n\
             <p>The API needs none of it: it answers at <code>POST /graphql</code>.</p>\n</html>\n"
        );
        (status, Html(page)).into_response()
    }
}

impl File {
    /// The form that the client likes best (RFC 9110, section 12.5.3), the smallest first, and its encoding. Where it accepts
    /// none, the file as it is.
    fn accepted(&self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        let ranges = ranges(headers, header::ACCEPT_ENCODING);
        let named = |name: &str| ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name)).map(|found| found.1);
        let packed = |name: &str| named(name).or_else(|| named("*")).unwrap_or_default();
        let forms = [
            (Some("br"), self.br, packed("br")),
            (Some("gzip"), self.gzip, packed("gzip")),
            // Not named, it is what to send where nothing else will do.
            (None, Some(self.plain), named("identity").unwrap_or_default()),
        ];
        let willing = forms.into_iter().filter_map(|(encoding, content, quality)| Some((encoding, content?, quality)));
        let best = willing.filter(|form| form.2 > 0.0).reduce(|best, next| if next.2 > best.2 { next } else { best });
        best.map_or((None, self.plain), |(encoding, content, _)| (encoding, content))
    }
}

/// Browsers are told to believe it, and guess nothing.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    static FILE: File = File { path: "assets/a-1.js", plain: b"plain", br: Some(b"br"), gzip: Some(b"gzip") };

    #[test]
    fn the_best_accepted_encoding_is_sent() {
        let table: [(&[&str], &str); 16] = [
            (&[], "plain"),
            (&[""], "plain"),
            (&["gzip, deflate, br, zstd"], "br"),
            (&["gzip", "br"], "br"),
            (&["GZIP"], "gzip"),
            (&["deflate, zstd"], "plain"),
            (&["*"], "br"),
            (&["br;q=0, *"], "gzip"),
            (&["br;q=0"], "plain"),
            (&["br;q=0, gzip;q=0"], "plain"),
            (&["br;q=0.5, gzip;q=0.8"], "gzip"),
            (&["br;q=0.5, identity"], "plain"),
            (&["br, gzip, identity"], "br"),
            (&["identity, *;q=0"], "plain"),
            (&["*;q=0"], "plain"),
            (&["gzip;q=0.001, identity;q=0"], "gzip"),
        ];
        for (accepted, expected) in table {
            let mut headers = HeaderMap::new();
            for value in accepted {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            let (encoding, content) = FILE.accepted(&headers);
            assert_eq!(content, expected.as_bytes(), "{accepted:?}");
            assert_eq!(encoding.unwrap_or("plain"), expected, "{accepted:?}");
        }
        let small = File { br: None, ..FILE };
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip;q=0.1"))]);
        assert_eq!(small.accepted(&headers), (Some("gzip"), &b"gzip"[..]), "what there is");
    }

    #[test]
    fn a_file_has_the_type_of_its_name() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/editor.worker-C0.js", "text/javascript; charset=utf-8"),
            ("assets/codicon-D.ttf", "font/ttf"),
            ("assets/no-ending", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn what_was_not_built_in_says_so_and_how_to() {
        let absent = FrontEnd { name: "explorer", files: &[], policy: "" };
        assert!(absent.file(PAGE).is_none());
        let answer = absent.not_built(StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let page = answer.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8_lossy(&page);
        for told in ["The explorer is not", "make run", "scripts/build-front-ends", "POST /graphql"] {
            assert!(page.contains(told), "{told}: {page}");
        }
    }
}
